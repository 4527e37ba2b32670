"""promptfoo's llm-rubric over outputs that are there already, 64 at once: its own command; started by bench_judges.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

url, path, told = sys.argv[1:]
COMMAND = Path(__file__).resolve().parent.parent / ".peers" / "promptfoo" / "node_modules" / ".bin" / "promptfoo"
with open(path, encoding="utf-8") as file:
    records = [json.loads(line) for line in file]
with open(told, encoding="utf-8") as file:
    rubric = json.load(file)
judge = {"id": "openai:chat:promptfoo", "config": {"apiBaseUrl": url, "apiKey": "none", "temperature": 0}}
text = rubric["criteria"] + "\n" + "\n".join(rubric["steps"]) + "\n\nThe input: {{input}}"
config = {
    "prompts": ["{{output}}"],
    "providers": ["echo"],
    "defaultTest": {"options": {"provider": judge}, "assert": [{"type": "llm-rubric", "value": text, "threshold": 0}]},
    "tests": [
        {"description": record["id"], "vars": {"input": record["input"], "output": record["output"]}} for record in records
    ],
}
Path("config.json").write_text(json.dumps(config), encoding="utf-8")
done = subprocess.run(
    [str(COMMAND), "eval", "-c", "config.json", "--no-cache", "--no-table", "--no-progress-bar", "-j", "64", "-o", "out.json"],
    env={**os.environ, "PROMPTFOO_CONFIG_DIR": str(Path.cwd() / "home")},
    capture_output=True,
    text=True,
    check=False,
)
if done.returncode not in (0, 100):  # 100: some tests failed
    sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
results = json.loads(Path("out.json").read_text(encoding="utf-8"))["results"]["results"]
scores = {result["testCase"]["description"]: result["gradingResult"]["componentResults"][0]["score"] for result in results}
print("\n" + json.dumps([scores[record["id"]] for record in records]))
