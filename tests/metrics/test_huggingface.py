"""evaluate:NAME, with real modules of `evaluate` written to a folder: no hub is asked."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.batch import Batch
from evalkit.core.contracts import CorpusMetric, DataFacts
from evalkit.core.errors import MissingExtra, UnknownName
from evalkit.core.registry import build_name, find, lookup
from evalkit.core.signature import fingerprint
from evalkit.metrics.huggingface import HuggingFace, ModuleFailed

SCRIPT = """
import datasets
import evaluate


class {name}(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(
            description="made for a test",
            citation="",
            inputs_description="",
            features=datasets.Features({features}),
        )

    def _compute(self, predictions{arguments}):
        {body}
"""
TEXTS = '{"predictions": datasets.Value("string"), "references": datasets.Value("string")}'
NUMBERS = '{"predictions": datasets.Value("float"), "references": datasets.Value("float")}'
SEVERAL = '{"predictions": datasets.Value("string"), "references": datasets.Sequence(datasets.Value("string"))}'
ALONE = '{"predictions": datasets.Value("string")}'


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory):
    """`evaluate` copies scripts to its cache: a folder of this test's own."""
    pytest.importorskip("evaluate")
    patch = pytest.MonkeyPatch()
    import evaluate.config
    import evaluate.loading

    home = tmp_path_factory.mktemp("modules")
    patch.setattr(evaluate.config, "HF_MODULES_CACHE", home)
    patch.setattr(evaluate.config, "HF_EVALUATE_OFFLINE", True)
    patch.setattr(evaluate.config, "HF_METRICS_CACHE", home)
    patch.syspath_prepend(str(home))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """Writes a module and returns the path of its folder."""
    home = tmp_path_factory.mktemp("scripts")

    def write(name: str, body: str, features: str = TEXTS, arguments: str = ", references") -> str:
        folder = home / name
        folder.mkdir(exist_ok=True)
        body = textwrap.indent(textwrap.dedent(body), " " * 8).strip()
        script = SCRIPT.format(name=name.title().replace("_", ""), features=features, arguments=arguments, body=body)
        (folder / f"{name}.py").write_text(script)
        return str(folder)

    return write


def corpus(metric: HuggingFace, outputs, references=None) -> list[float]:
    columns = {"output": outputs} if references is None else {"output": outputs, "reference": references}
    return metric.corpus(Batch(columns)).tolist()


def test_a_name_with_a_prefix_gives_the_class_and_the_module():
    entry, preset = build_name("evaluate:meteor")
    assert entry.name == "evaluate:meteor"
    assert preset == {"module": "meteor"}
    assert find("metric", "evaluate:meteor") is HuggingFace
    assert lookup("metric", "evaluate:a/b:c").preset == {"module": "a/b:c"}
    with pytest.raises(UnknownName, match='did you mean "evaluate:"'):
        lookup("metric", "evalute:meteor")
    with pytest.raises(UnknownName, match='no metric is called "rouge:x"'):
        lookup("metric", "rouge:x")


def test_the_number_called_like_the_module_is_the_value(module):
    path = module(
        "share", "return {'share': sum(p == r for p, r in zip(predictions, references)) / len(references), 'extra': 3.0}"
    )
    metric = HuggingFace(path)
    assert metric.parts == ("",)
    assert corpus(metric, ["a", "b", "c"], ["a", "b", "x"]) == [pytest.approx(2 / 3)]


def test_a_script_may_be_named_itself(module):
    path = Path(module("itself", "return {'itself': float(len(predictions))}")) / "itself.py"
    assert corpus(HuggingFace(str(path)), ["a"], ["b"]) == [1]


def test_it_is_asked_once_for_all_records_and_not_for_each(module):
    # The share of different words over all outputs is not the mean over outputs.
    path = module("variety", "words = ' '.join(predictions).split()\nreturn len(set(words)) / len(words)", ALONE, "")
    assert corpus(HuggingFace(path, references=None), ["a a", "a b"]) == [0.5]


def test_options_reach_compute(module):
    path = module("scaled", "return {'scaled': factor * len(predictions)}", arguments=", references, factor=1")
    assert corpus(HuggingFace(path), ["a"], ["a"]) == [1]
    assert corpus(HuggingFace(path, compute={"factor": 5}), ["a"], ["a"]) == [5]


def test_numbers_stay_numbers_and_several_references_stay_lists(module):
    path = module("gap", "return {'gap': float(sum(abs(p - r) for p, r in zip(predictions, references)))}", NUMBERS)
    batch = Batch({"score": [1.0, 2.5], "reference": [1, 2]})
    assert HuggingFace(path, predictions="score").corpus(batch).tolist() == [0.5]
    path = module("among", "return {'among': float(sum(p in r for p, r in zip(predictions, references)))}", SEVERAL)
    assert corpus(HuggingFace(path), ["a", "b"], [["a", "x"], ["y"]]) == [1]


def test_results_name_the_parts_and_lists_by_record_are_averaged(module):
    path = module("many", "return {'f1': [0.0, 1.0, 1.0], 'n': 3, 'why': 'text', 'bins': [1, 2]}")
    metric = HuggingFace(path, results=("f1", "n"))
    assert metric.parts == ("f1", "n")
    assert metric.main == "f1"
    assert corpus(metric, list("abc"), list("abc")) == [pytest.approx(2 / 3), 3]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ((), r"evaluate:mixed gives several numbers; say which to keep, `results: \[a, b\]`"),
        (("why",), "evaluate:mixed: the result \"why\" is no number; its numbers are 'a', 'b'"),
        (("c",), 'evaluate:mixed: the result "c" is not among them'),
    ],
)
def test_a_result_that_is_not_clear_is_an_error_that_lists_them(module, results, message):
    path = module("mixed", "return {'a': 1.0, 'b': 2.0, 'why': 'text'}")
    with pytest.raises(ModuleFailed, match=message):
        corpus(HuggingFace(path, results=results), ["x"], ["x"])


def test_a_module_that_raises_is_one_clear_error(module):
    path = module("broken", "raise ValueError('cannot take this')")
    with pytest.raises(ModuleFailed, match="evaluate:broken failed on 2 records: ValueError: cannot take this"):
        corpus(HuggingFace(path), ["a", "b"], ["a", "b"])


def test_a_module_that_cannot_be_had_says_what_to_do():
    with pytest.raises(ModuleFailed, match=r"evaluate:no_such could not be loaded: .*name the path of its script"):
        HuggingFace("no_such").prepare()


def test_a_path_without_a_script_is_refused_when_the_metric_is_built(tmp_path):
    for path in (tmp_path, tmp_path / "x.py"):
        with pytest.raises(ValueError, match="no such script"):
            HuggingFace(str(path))


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr("evalkit.metrics.huggingface.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"evalkit\[hf\]"):
        HuggingFace("accuracy")


def test_rows_say_which_records_it_takes_and_nothing_else(module):
    metric = HuggingFace(module("share", "return {'share': 1.0}"))
    assert isinstance(metric, CorpusMetric)
    rows = metric.score(Batch({"output": ["a", None, ""], "reference": ["a", "b", None]}))
    assert rows.errors == {1: "no output", 2: "no reference"}
    assert np.isnan(metric.record_values(rows)).all()
    assert metric.interval_of("") == "none"
    assert metric.additive is False
    assert metric.needs_of() == ("output", "reference")


def test_no_records_have_no_value(module):
    assert np.isnan(corpus(HuggingFace(module("share", "return {'share': 1.0}")), [], [])).all()


def test_known_modules_have_their_parts_and_error_rates_their_direction():
    assert HuggingFace("rouge").parts == ("rouge1", "rouge2", "rougeL", "rougeLsum")
    assert HuggingFace("sacrebleu").parts == ("score",)
    assert HuggingFace("accuracy").direction("") is None
    assert HuggingFace("wer").direction("") is False
    assert HuggingFace("mine", better="higher").direction("") is True
    assert HuggingFace("mine", better="lower").direction("") is False


def test_the_fingerprint_follows_the_script_and_not_where_it_lies(module, tmp_path):
    first = HuggingFace(module("moved", "return {'moved': 1.0}"))
    text = (Path(first.module) / "moved.py").read_text()
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "moved.py").write_text(text)
    second = HuggingFace(str(tmp_path / "moved"))
    assert fingerprint(first) == fingerprint(second)
    (tmp_path / "moved" / "moved.py").write_text(text + "\n# another\n")
    assert fingerprint(first) != fingerprint(second)
    assert "|module:moved|" in first.signature(DataFacts())
    assert str(tmp_path) not in second.signature(DataFacts())


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=9))
def test_any_data_gives_what_the_module_itself_gives(module, pairs):
    path = module("share2", "return {'share2': sum(p == r for p, r in zip(predictions, references)) / len(references)}")
    told, gold = map(list, zip(*pairs, strict=True))
    assert corpus(HuggingFace(path), told, gold) == [sum(a == b for a, b in pairs) / len(pairs)]
