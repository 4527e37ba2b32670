"""The `generate:` section and its prompt files: read, checked as a whole, and told with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.errors import SpecError
from evalkit.specs.needs import needs, selects
from evalkit.specs.suite import Suite
from evalkit.specs.template import Template, Unrendered, unknown_columns

BASE = """
backends:
  small: {kind: scripted, otherwise: a}
  large: {kind: scripted, otherwise: b}
metrics: [exact_match, {use: levenshtein, as: distance}]
"""
Load = Callable[..., Suite]


@pytest.fixture
def prompt(project: Path, load: Load) -> Callable[..., Template]:
    """A prompt file, read as a suite reads it."""

    def read(text: str, name: str = "prompts/p.md") -> Template:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        suite = load(BASE + f"generate: {{backends: [small], prompts: [{name}]}}\n")
        assert suite.generate is not None
        return suite.generate.prompts[0]

    return read


def told(error: pytest.ExceptionInfo[SpecError]) -> str:
    return str(error.value)


# --- the section -----------------------------------------------------------------------------------------------------


def test_every_prompt_with_every_backend_is_a_variant(project: Path, load: Load) -> None:
    (project / "prompts").mkdir()
    for name in ("short", "long"):
        (project / f"prompts/{name}.md").write_text("{{ input }}")
    suite = load(BASE + "generate: {backends: [small, large], prompts: [prompts/short.md, prompts/long.md]}\n")
    names = [variant.name for variant in suite.generate.variants]
    assert names == ["short@small", "short@large", "long@small", "long@large"]


def test_without_prompts_the_input_goes_out_as_it_is(load: Load) -> None:
    suite = load(BASE + "generate: {backends: small}\n")
    (variant,) = suite.generate.variants
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    assert list(variant.prompt.messages({"input": "hello"})) == [{"role": "user", "content": "hello"}]
    assert list(variant.prompt.messages({"input": chat})) == chat


def test_what_is_generated_need_not_be_in_the_data(load: Load) -> None:
    suite = load(
        BASE.replace("exact_match,", "exact_match, latency, tokens,")
        + "slices: [model, tag]\ngenerate: {backends: [small], samples: 3}\ngates: [{metric: distance, max: 5, where: {variant: x}}]\n"
    )
    assert set(needs(suite)) == {"reference"}
    assert set(selects(suite)) == {"tag"}


def test_repeats_of_a_pass_or_fail_metric_can_be_gated_by_pass_k(load: Load) -> None:
    suite = load(
        BASE + "generate: {backends: [small], repeats: 4, temperature: 1}\n"
        "gates: [{metric: exact_match.pass^4, min: 0.2}, {metric: exact_match.pass@2, min: 0.5}]\n"
    )
    assert [gate.metric for gate in suite.gates] == ["exact_match.pass^4", "exact_match.pass@2"]
    with pytest.raises(SpecError, match=r'has no parts, and "pass\^3" is none'):
        load(BASE + "generate: {backends: [small]}\ngates: [{metric: exact_match.pass^3, min: 0.2}]\n")


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        ("{backends: [tiny]}", ["names no backend", '"tiny"']),
        ("{backends: [smal]}", ['did you mean "small"?']),
        ("{prompts: []}", ["generate does not say which backend answers", "small, large", "generate.prompts is empty"]),
        ("{backends: [small, small]}", ['names "small" twice']),
        ("{backends: [small], repeats: 3}", ["3 draws of a record are the same at temperature 0", "temperature: 0.7"]),
        ("{backends: [small], repeats: 0}", ["generate.repeats wants a whole number from 1"]),
        ("{backends: [small], samples: {temperature: 1}}", ["generate.samples lacks `n`"]),
        ("{backends: [small], samples: {n: 2, temperature: 0}}", ["samples at temperature 0 are all the same"]),
        ("{backends: [small], prompts: [prompts/none.md]}", ["generate.prompts[0] names no file"]),
        ("{backends: [small], prompts: [../../out.md]}", ["leads out of the project"]),
        ("{backends: [small], prompt: [a]}", ['has no key "prompt"', 'did you mean "prompts"?']),
        ("{backends: [small], routes: {r: {by: tag}}}", ["generate.routes.r lacks `else`"]),
        ("{backends: [small], routes: {r: {by: tag, else: input@smal}}}", ['names no variant "input@smal"', '"input@small"']),
        ("[small]", ["generate wants a mapping"]),
    ],
)
def test_a_wrong_section_is_told_with_its_line(load: Load, section: str, wanted: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        load(BASE + f"generate: {section}\n")
    assert [part for part in wanted if part not in told(error)] == [], told(error)
    assert "suites/x.yaml:7: " in told(error)


def test_two_prompts_of_one_name_are_told(project: Path, load: Load) -> None:
    for folder in ("a", "b"):
        (project / folder).mkdir()
        (project / folder / "p.md").write_text("{{ input }}")
    with pytest.raises(SpecError, match='are both called "p"'):
        load(BASE + "generate: {backends: [small], prompts: [a/p.md, b/p.md]}\n")


# --- prompt files ----------------------------------------------------------------------------------------------------

SHOTS = """---
name: answer
version: 3
system: |
  You are {{ persona }}.
examples:
  - {question: "1+1?", output: "2"}
  - {user: plain, assistant: text}
---
Question: {{ question }}
{% for passage in contexts or [] %}
- {{ passage }}
{% endfor %}
"""


def test_a_prompt_is_system_examples_and_text(prompt: Any) -> None:
    template = prompt(SHOTS)
    record = {"persona": "terse", "question": "2+2?", "contexts": ["four", "is it"]}
    assert list(template.messages(record)) == [
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "Question: 1+1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "plain"},
        {"role": "assistant", "content": "text"},
        {"role": "user", "content": "Question: 2+2?\n- four\n- is it"},
    ]
    assert template.label == "answer:3"
    assert template.columns == {"persona": "prompts/p.md:5", "question": "prompts/p.md:10", "contexts": "prompts/p.md:11"}


def test_another_text_is_another_version_and_hash(prompt: Any) -> None:
    one, other = prompt("A {{ input }}"), prompt("B {{ input }}")
    assert one.label != other.label
    assert one.sha256 != other.sha256


def test_the_suites_hash_covers_a_prompt_and_what_it_includes(project: Path, load: Load) -> None:
    (project / "prompts").mkdir()
    (project / "prompts/tone.md").write_text("Be kind.")
    (project / "prompts/p.md").write_text("{% include 'tone.md' %} {{ input }}")
    text = BASE + "generate: {backends: [small], prompts: [prompts/p.md]}\n"
    before = load(text)
    (project / "prompts/tone.md").write_text("Be brief.")
    after = load(text)
    assert before.sha256 != after.sha256
    assert before.generate.prompts[0].sha256 != after.generate.prompts[0].sha256
    assert "Be brief." in after.generate.prompts[0].text
    assert after.generate.prompts[0].messages({"input": "x"})[0]["content"] == "Be brief. x"


def test_an_unknown_column_is_told_with_the_prompts_own_line(prompt: Any) -> None:
    template = prompt(
        "---\nsystem: hi\n---\nAnswer.\n\n{{ qestion }}\n{{ nothing|default('x') }}{% if maybe is defined %}{{ maybe }}{% endif %}"
    )
    (problem,) = unknown_columns(template, ["id", "question"], "d.jsonl")
    assert str(problem) == 'prompts/p.md:6: no record of d.jsonl has the column "qestion"; did you mean "question"?'


def test_columns_whose_names_are_no_names_are_read_of_the_record(prompt: Any) -> None:
    template = prompt('{{ record["my column"] }}')
    assert template.columns == {"my column": "prompts/p.md:1"}
    assert template.messages({"my column": "v"})[0]["content"] == "v"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("one\n{{ input", "prompts/p.md:2: the template is broken"),
        ("---\nsystem: |\n  a\n  {% if x %}\n---\nb", "prompts/p.md:4: the template is broken"),
        ("---\nsystem: a\nb", "prompts/p.md:1: the front matter that begins here has no end"),
        ("---\nsytem: a\n---\nb", 'prompts/p.md:2: the prompt has no key "sytem"; did you mean "system"?'),
        ("---\nsystem: [a\n---\nb", "prompts/p.md:2: a bracket opened here is not closed"),
        ("", "prompts/p.md: the prompt file is empty"),
        ("{% include input %}", "prompts/p.md:1: the name of an included file must stand in the template"),
        ("\n{% include '../../secret.md' %}", "prompts/p.md:2: the prompt leads out of the project"),
        ("{% include '/etc/passwd' %}", "prompts/p.md:1: the prompt includes an absolute path"),
        ("{% include 'none.md' %}", 'prompts/p.md:1: the prompt names no file "none.md"'),
        ("---\nexamples: [{question: a}]\n---\n{{ question }}", "prompts/p.md:2: examples[0] lacks `output`"),
        ("---\nexamples:\n  - {input: a, output: b}\n---\n{{ question }}", "prompts/p.md:3: examples[0] does not fit the prompt: question is null in it; see prompts/p.md:5"),
        ("---\nversion: [1]\n---\nb", "prompts/p.md:2: version wants a number or a short text"),
        ("{% include 'broken.md' %}", "prompts/broken.md:2: the template is broken"),
    ],
)  # fmt: skip
def test_a_wrong_prompt_is_told_with_file_and_line(project: Path, prompt: Any, text: str, wanted: str) -> None:
    (project / "prompts").mkdir()
    (project / "prompts/broken.md").write_text("\n{% endif %}")
    (project.parent / "secret.md").write_text("secret")
    with pytest.raises(SpecError) as error:
        prompt(text)
    assert wanted in told(error)


def test_a_link_out_of_the_project_is_not_followed(project: Path, prompt: Any) -> None:
    (project.parent / "secret.md").write_text("secret")
    (project / "prompts").mkdir()
    (project / "prompts/link.md").symlink_to(project.parent / "secret.md")
    with pytest.raises(SpecError, match="leads out of the project"):
        prompt("{% include 'link.md' %}")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a\n{{ question }}", "prompts/p.md:2: question is null in this record"),
        ("a\n\n{% for x in question %}{% endfor %}", "prompts/p.md:3: question is null in this record"),
        ("{{ number / 0 }}", "prompts/p.md:1: ZeroDivisionError: division by zero"),
        ("{{ given.inner }}", "prompts/p.md:1: a value that is null is written here"),
        ("{{ given.other }}", "prompts/p.md:1: 'dict object' has no attribute 'other'"),
        ("{% if question %}x{% endif %}", "prompts/p.md: nothing came out of it for this record"),
    ],
)
def test_what_a_record_lacks_is_told_with_the_line_that_writes_it(prompt: Any, text: str, what: str) -> None:
    with pytest.raises(Unrendered) as error:
        prompt(text).messages({"question": None, "number": 1, "given": {"inner": None}})
    assert str(error.value) == what


@pytest.mark.parametrize(
    "attack",
    [
        "{{ input.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ input|attr('__class__') }}",
        "{{ '{0.__class__}'.format(input) }}",
        "{{ contexts.append('x') }}",
        "{{ range(10**9)|list }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
    ],
)
def test_a_template_reaches_nothing_but_the_record(prompt: Any, attack: str) -> None:
    record = {"input": "x", "contexts": ["a"]}
    try:
        told = prompt(attack).messages(record)
    except (Unrendered, SpecError):
        pass
    else:
        assert "class" not in told[0]["content"]
        assert "globals" not in told[0]["content"]
    assert record == {"input": "x", "contexts": ["a"]}


@given(text=st.text(min_size=1).filter(lambda text: text.strip() and "\x00" not in text))
def test_a_records_text_is_data_and_never_a_template(text: str) -> None:
    template = _compiled("<{{ input }}>{{ contexts }}")
    (message,) = template.messages({"input": text, "contexts": ["{{ 7*7 }}{% raw %}", text]})
    assert message["content"].startswith(f"<{text}>".strip())
    assert "{{ 7*7 }}{% raw %}" in message["content"]


def _compiled(text: str) -> Template:
    import tempfile

    from evalkit.specs.home import Home
    from evalkit.specs.node import Node
    from evalkit.specs.template_file import read_template
    from evalkit.specs.tree import Tree

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "p.md").write_text(text)
        tree = Tree("p.md", "")
        template = read_template(Node(tree), "p.md", Home(Path(folder), Path(folder), Path(folder)))
        tree.raise_problems()
    assert template is not None
    return template


def test_lists_and_messages_are_written_for_a_reader_not_for_python(prompt: Any) -> None:
    template = prompt("{{ input }}|{{ contexts }}|{{ answerable }}|{{ given|tojson }}")
    record = {"input": [{"role": "user", "content": "é"}], "contexts": ["a", "b"], "answerable": True, "given": {"k": "<é>"}}
    assert template.messages(record)[0]["content"] == 'user: é|["a","b"]|true|{"k":"<é>"}'


def test_a_records_own_turns_stand_before_the_text(prompt: Any) -> None:
    template = prompt("---\nsystem: s\nturns: input\n---\nNow summarise.")
    turns = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
    assert [turn["content"] for turn in template.messages({"input": turns})] == ["s", "u", "a", "Now summarise."]
    with pytest.raises(Unrendered, match="input is null in this record"):
        template.messages({"input": None})
