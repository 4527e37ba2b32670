"""Finding a suite and building it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.core import registry
from evalkit.core.content import content_root
from evalkit.core.contracts import Metric
from evalkit.core.errors import SpecError
from evalkit.specs.load import find_suite, known_suites, load_suite, suite_of
from evalkit.specs.needs import needs, selects


def test_a_suite_is_built_with_its_defaults(load, project):
    suite = load("metrics: [exact_match]\n")
    assert suite.name == "x"
    assert suite.root == project
    assert suite.path == project / "suites/x.yaml"
    assert suite.dataset.files == (project / "data/x.jsonl",)
    assert (suite.seed, suite.confidence, suite.resamples, suite.report) == (0, 0.95, 1_000, ("json",))
    assert [spec.label for spec in suite.metrics] == ["exact_match"]
    assert isinstance(suite.metrics[0].metric, Metric)


def test_every_key_of_the_contract_is_read(load, project):
    (project / "suites/base.json").write_text("{}", encoding="utf-8")
    suite = load(
        """
name: everything
dataset: {path: ../data/*.jsonl, fields: {cluster: id, output: output}, limit: 3, shuffle: 7}
backends:
  judge: {kind: scripted, otherwise: '{"reason": "", "verdict": "yes"}', max_concurrency: 4}
metrics:
  - rouge
  - exact_match: {ignore_case: true}
  - {use: exact_match, as: strict}
  - {use: yes_no, as: polite, question: Is it polite?}
slices: [tag]
gates:
  - {metric: rouge, min: 0.25}
  - {metric: polite, no_worse_than: baseline, margin: 0.02, confidence: 0.9, on_inconclusive: pass}
  - {metric: strict, where: {tag: [x, y]}, threshold: 1, every: true}
  - {metric: rouge.rouge1, threshold: 0.5, min: 0.9}
  - {metric: errors, max: 0.01}
report: [json, html, junit, markdown]
seed: 3
confidence: 0.9
resamples: 2000
baseline: base.json
store: runs
budget: {max_cost: 1.5, max_calls: 10}
prices: {m: {prompt: 0.1, completion: 0.4}}
"""
    )
    assert suite.name == "everything"
    assert suite.dataset.fields == {"cluster": "id", "output": "output"}
    assert (suite.dataset.limit, suite.dataset.shuffle) == (3, 7)
    assert [spec.label for spec in suite.metrics] == ["rouge", "exact_match", "strict", "polite"]
    assert suite.metrics[1].metric.options()["ignore_case"] is True
    assert suite.metrics[3].backend == "judge"
    assert suite.backends["judge"].options["max_concurrency"] == 4
    rouge, polite, strict, share, errors = suite.gates
    assert (rouge.metric, rouge.rule, rouge.bound, rouge.line) == (suite.metrics[0].main, "min", 0.25, 13)
    assert (polite.baseline, polite.margin, polite.confidence) == ("baseline", 0.02, 0.9)
    assert polite.on_inconclusive == "pass"
    assert (strict.rule, strict.every, strict.threshold, strict.where) == ("every", True, 1, {"tag": ["x", "y"]})
    assert (share.metric, share.threshold, share.bound) == ("rouge.rouge1", 0.5, 0.9)
    assert (errors.metric, errors.rule, errors.bound) == ("errors", "max", 0.01)
    assert suite.baseline == str(project / "suites/base.json")
    assert suite.budget == {"max_cost": 1.5, "max_calls": 10}
    assert suite.prices == {"m": {"prompt": 0.1, "completion": 0.4}}


def test_min_and_max_in_one_gate_are_a_band_of_two(load):
    suite = load("metrics: [latency]\ngates: [{metric: latency.p95, min: 1, max: 5}]\n")
    assert [(gate.rule, gate.bound) for gate in suite.gates] == [("min", 1.0), ("max", 5.0)]


def test_a_suite_is_found_by_path_by_bare_name_and_from_below(project, load, monkeypatch):
    load("metrics: [exact_match]\n")
    wanted = project / "suites/x.yaml"
    assert find_suite("suites/x.yaml", project).resolve() == wanted
    assert find_suite("x", project).resolve() == wanted
    assert find_suite("suites/x", project).resolve() == wanted
    assert find_suite(wanted, Path("/")).resolve() == wanted
    monkeypatch.chdir(project / "data")
    assert load_suite("suites/x.yaml").root == project
    assert load_suite("../suites/x.yaml").root == project


def test_the_working_folder_goes_before_the_project_and_the_project_before_the_shipped(project):
    text = "dataset: ../data/x.jsonl\nmetrics: [exact_match]\n"
    for folder in (project / "suites", project / "data/suites"):
        folder.mkdir(exist_ok=True)
        (folder / "quickstart.yaml").write_text(text, encoding="utf-8")
    assert find_suite("quickstart", project) == project / "suites/quickstart.yaml"
    assert find_suite("suites/quickstart.yaml", project / "data") == project / "data/suites/quickstart.yaml"
    assert project / "suites/quickstart.yaml" in known_suites(project)


def test_shipped_suites_load_from_a_folder_that_knows_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = sorted((content_root() / "suites").glob("*.yaml"))
    for path in shipped:
        if any(key in path.read_text(encoding="utf-8") for key in ("evaluate:", "meteor", "cache:", "kind: transformers")):
            continue  # need what this machine may not have
        suite = load_suite(f"suites/{path.name}")
        assert suite.path == path
        assert suite.root == tmp_path


def test_without_a_marker_the_working_folder_is_the_project(tmp_path, monkeypatch):
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "d.jsonl").write_text('{"output": "a"}\n', encoding="utf-8")
    (tmp_path / "deep/er/x.yaml").write_text("dataset: d.jsonl\nmetrics: [json_valid]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    suite = load_suite("deep/er/x.yaml")
    assert suite.root == tmp_path.resolve()
    assert suite.dataset.files[0].name == "d.jsonl"


def test_the_hash_covers_text_overrides_and_documents_but_not_the_place(load, project, tmp_path):
    text = "dataset: ../data/x.jsonl\nmetrics:\n  - json_schema: {schema: s.json}\n"
    (project / "suites/s.json").write_text('{"type": "object"}', encoding="utf-8")
    first = load(text)
    assert load(text).sha256 == first.sha256
    assert load(text, overrides={"seed": "1"}).sha256 != first.sha256
    assert load(text + "# more\n").sha256 != first.sha256
    (project / "suites/s.json").write_text('{"type": "array"}', encoding="utf-8")
    assert load(text).sha256 != first.sha256
    other = tmp_path / "elsewhere"
    for name, content in (
        ("pyproject.toml", ""),
        ("suites/x.yaml", text),
        ("suites/s.json", '{"type": "object"}'),
        ("data/x.jsonl", "{}\n"),
    ):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(content, encoding="utf-8")
    assert load_suite(other / "suites/x.yaml").sha256 == first.sha256


def test_needs_name_every_column_and_who_reads_it(load):
    suite = load(
        "metrics: [exact_match, {use: exact_match, as: other}, latency]\nslices: [tag]\n"
        "gates: [{metric: errors, max: 0.1, where: {tag: x, kind: y}}]\n"
    )
    assert needs(suite) == {
        "output": ("exact_match", "other"),
        "reference": ("exact_match", "other"),
        "latency_ms": ("latency",),
    }
    assert selects(suite) == {"tag": ("gates[0].where", "slices"), "kind": ("gates[0].where",)}


def test_stdin_and_hub_need_no_file(load):
    assert load("dataset: '-'\nmetrics: [json_valid]\n").dataset.files == ()
    assert load("dataset: hf:squad\nmetrics: [json_valid]\n").dataset.path == "hf:squad"


def test_a_pattern_takes_its_files_in_order(load, project):
    for name in ("b.jsonl", "a.jsonl", "deep/c.jsonl"):
        (project / "data" / name).parent.mkdir(exist_ok=True)
        (project / "data" / name).touch()
    suite = load("dataset: ../data/**/*.jsonl\nmetrics: [json_valid]\n")
    assert [path.name for path in suite.dataset.files] == ["a.jsonl", "b.jsonl", "c.jsonl", "x.jsonl"]
    (project / "data/[1].jsonl").touch()
    assert [path.name for path in load("dataset: '../data/[1].jsonl'\nmetrics: [json_valid]\n").dataset.files] == ["[1].jsonl"]


def test_the_command_lines_baseline_goes_before_the_suites_own(load):
    text = "metrics: [exact_match]\ngates: [{metric: exact_match, no_worse_than: baseline}]\n"
    assert load(text, baseline="latest:x").baseline == "latest:x"
    assert load(f"{text}baseline: latest:y\n").baseline == "latest:y"
    assert load(f"{text}baseline: latest:y\n", baseline="latest:x").baseline == "latest:x"


def test_a_suite_from_python_takes_built_metrics_and_says_keys_instead_of_lines(project):
    exact = registry.find("metric", "exact_match")(ignore_case=True)
    suite = suite_of({"metrics": (exact, "contains", {"regex": {"pattern": "a"}})})
    assert [spec.label for spec in suite.metrics] == ["exact_match", "contains", "regex"]
    assert suite.metrics[0].metric is exact
    assert suite.path is None
    with pytest.raises(SpecError, match=r'^metrics\[0\] names no metric "rogue"; did you mean "rouge"\?$'):
        suite_of({"metrics": ["rogue"]})
    with pytest.raises(SpecError, match="lacks `dataset`"):
        suite_of({"metrics": ["rouge"]}, records_given=False)


def test_a_suite_made_in_python_is_not_changed(project):
    told = {"metrics": ["rouge", {"bleu": {}}], "dataset": {"path": "data/x.jsonl"}}
    kept = json.loads(json.dumps(told))
    suite_of(told, overrides={"dataset.limit": 3})
    assert told == kept


def test_loading_the_module_imports_neither_pydantic_nor_pandas_nor_pyarrow():
    code = (
        "import sys, evalkit.specs.load; "
        "heavy = {'pydantic', 'pandas', 'pyarrow', 'numpy', 'jsonschema', 'torch'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
