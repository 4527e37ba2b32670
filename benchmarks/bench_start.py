"""Starting: `evalkit --help`, and the quickstart from nothing to its reports.

CPU of whole processes, children included, with compiled bytecode; `--help` is the median of nine. The help is seen to
import no NumPy, pandas, NLTK or torch. Other tools' `--help` is measured where their command is installed beside Python
or on the path. Measured elsewhere, on a machine of this kind (2026-11-22), and so in no row: DeepEval 1.8 s, promptfoo
1.9 s, Inspect AI 1.95 s, Ragas 2.7 s, Evidently 5.0 s of CPU for `--help`.

    python benchmarks/bench_start.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from _common import Benchmark, Measured, at_most, command, median, times

import evalkit

HEAVY = ("numpy", "pandas", "nltk", "torch", "pyarrow", "scipy", "sacrebleu")
LOOK = f"""
import sys
sys.argv = ["evalkit", "--help"]
from evalkit.cli.app import guarded
guarded()
print(*[name for name in {HEAVY} if name in sys.modules])
"""
PEERS = {"deepeval": "deepeval", "inspect-ai": "inspect", "ragas": "ragas", "evidently": "evidently", "promptfoo": "promptfoo"}


def started(arguments: Sequence[str], repeats: int, cwd: Path) -> Measured:
    """The median of some starts, after one that does not count."""
    plain = {"PYTHONDONTWRITEBYTECODE": None, "PYTHONDEVMODE": None, "PYTHONWARNINGS": None, "DO_NOT_TRACK": "1"}
    command(arguments, cwd=cwd, environment=plain, fine=(0, 1))
    return median([command(arguments, cwd=cwd, environment=plain, fine=(0, 1)) for _ in range(repeats)])


def found(name: str) -> str | None:
    """A command beside this Python, or on the path."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    command([sys.executable, "-m", "compileall", "-q", str(Path(evalkit.__file__).parent)])
    heavy = command([sys.executable, "-c", LOOK]).result.splitlines()[-1].strip()
    assert not heavy, f"evalkit --help imports {heavy}"
    own = [found("evalkit") or ""] if found("evalkit") else [sys.executable, "-m", "evalkit"]
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        mine = started([*own, "--help"], bench.size(9, 2), folder)
        told = {"inputs": "a warm file cache", "unit": "s"}
        bench.row("evalkit --help", evalkit=mine.cpu_s, bar=at_most(0.12), **told)
        for package, name in PEERS.items():
            if place := found(name):
                theirs = started([place, "--help"], bench.size(3, 1), folder)
                bench.row("--help", evalkit=mine.cpu_s, peer=package, theirs=theirs.cpu_s, bar=times(1), **told)
        quickstart = started([*own, "run", "quickstart", "--store", str(folder / "store")], bench.size(5, 1), folder)
        told["inputs"] = "382 records, 9 metrics, slices, four reports"
        bench.row("evalkit run quickstart", evalkit=quickstart.cpu_s, bar=at_most(20), **told)
        bench.row("evalkit run quickstart, wall", evalkit=quickstart.wall_s, bar=at_most(20), **told)
    bench.finish("typer", "numpy", "pyarrow")


if __name__ == "__main__":
    main()
