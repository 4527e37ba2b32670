"""evalkit calibrate: labels meet a run, a card comes of it, and later runs of the very same judge cite it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from evalkit.calibration import probe, wanted
from evalkit.calibration.calibrate import Settings, calibrate
from evalkit.cli.calibrating import Wanted, calibrate_judge
from evalkit.core.card import Card
from evalkit.core.errors import SpecError, StoreError, UnknownName
from evalkit.core.run import Run
from evalkit.judges.audit_probes import PROBES
from evalkit.reports.card import view
from evalkit.reports.card_pages import card_html, card_markdown
from evalkit.reports.corrected import corrected_line, corrections
from evalkit.store.cards import card_json, card_path, read_card
from evalkit.store.runs import load_run

Rows = list[dict[str, Any]]

SUITE = """\
name: judged
dataset: data.jsonl
backends: {judge: {kind: replay, path: said.jsonl}}
metrics:
  - {use: geval, as: quality, rubric: {name: q, criteria: Good?, steps: [Read.], scale: {min: 1, max: 5}}, mode: single, reason: REASON, backend: judge}
"""


def make(folder: Path, n: int = 200, *, noise: float = 0.8, seed: int = 0) -> tuple[Rows, Rows]:
    """A project with records, recorded replies of a judge that is a point too strict, and labels of all of them."""
    rng = random.Random(seed)
    records, said, labels = [], [], []
    for at in range(n):
        truth = rng.choice([1, 2, 3, 3, 4, 4, 4, 5])
        words = " ".join(rng.choices(["fine", "words", "that", "say", "it"], k=truth * 3 + rng.randrange(8)))
        score = min(5, max(1, round(truth - 0.7 + rng.gauss(0, noise))))
        records.append({"id": f"r{at}", "input": f"q{at}", "output": f"{words} {at}.", "model": rng.choice("abc")})
        reply = json.dumps({"score": score, "reason": "so"})
        said.append({"metric": "quality", "id": f"r{at}", "call": "score", "repeat": 0, "text": reply, "model": "strict"})
        labels.append({"id": f"r{at}", "metric": "quality", "label": truth, "rater": "ann"})
    write(folder / "data.jsonl", records)
    write(folder / "said.jsonl", said)
    (folder / "s.yaml").write_text(SUITE.replace("REASON", "after"))
    return records, labels


def write(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run_of(folder: Path, suite: str = "s.yaml", **how: Any) -> Run:
    import evalkit

    return evalkit.run(folder / suite, fresh=True, **how)


def card_of(folder: Path, labels: Rows, run: Run, name: str = "labels.jsonl", **how: Any) -> Card:
    file = write(folder / name, labels)
    return calibrate("quality", file, run, folder, folder / ".evalkit", Settings(resamples=200, **how))


@pytest.fixture
def judged(project: Path) -> tuple[Path, Rows, Run]:
    _, labels = make(project)
    return project, labels, run_of(project)


def test_the_mean_that_people_would_give_is_found_from_a_quarter_of_the_labels(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    truth = sum(row["label"] for row in labels) / len(labels)
    card = card_of(folder, random.Random(1).sample(labels, 50), run)
    assert card.corrected.ci is not None
    assert card.alone.ci is not None
    assert card.corrected.ci[0] < truth < card.corrected.ci[1]
    assert not card.corrected.ci[0] < card.raw.value < card.corrected.ci[1], "the judge's own mean is too low"
    assert card.corrected.ci[1] - card.corrected.ci[0] < card.alone.ci[1] - card.alone.ci[0]
    assert (card.n, card.pool, card.scale) == (50, 150, (1.0, 5.0))
    assert card.needed is None or card.needed > 50


def test_agreement_is_that_of_scipy_and_scikit_learn(judged: tuple[Path, Rows, Run]) -> None:
    from scipy import stats
    from sklearn.metrics import cohen_kappa_score

    folder, labels, run = judged
    chosen = labels[:80]
    card = card_of(folder, chosen, run)
    scores = dict(zip(run.to_pandas()["id"], run.to_pandas()["quality"]))
    x, y = [scores[row["id"]] for row in chosen], [row["label"] for row in chosen]
    found = {name: one.value for name, one in card.agreement.items()}
    assert found["spearman"] == pytest.approx(stats.spearmanr(x, y)[0])
    assert found["kendall"] == pytest.approx(stats.kendalltau(x, y)[0])
    assert found["kendall_c"] == pytest.approx(stats.kendalltau(x, y, variant="c")[0])
    assert found["pearson"] == pytest.approx(stats.pearsonr(x, y)[0])
    assert found["kappa"] == pytest.approx(cohen_kappa_score(x, y, weights="quadratic", labels=[1, 2, 3, 4, 5]))
    assert set(card.levels) == {"system"}, "three models, and no document with several outputs"


def test_a_card_outlives_its_file_and_has_the_names_that_scripts_read(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    card = card_of(folder, labels[:60], run)
    kept = read_card(folder / ".evalkit", card.judge.fingerprint)
    assert kept is not None
    assert json.loads(card_json(kept)) == json.loads(card_json(card))
    told = json.loads(card_json(card))
    assert told["n"] == 60
    assert {"spearman", "kendall", "pearson", "kappa", "ci"} <= set(told["agreement"])
    assert len(told["agreement"]["ci"]["spearman"]) == 2
    assert {"position", "verbosity"} <= set(told["bias"])
    assert told["bias"]["position"]["value"] is None
    assert {"variance", "prompt_sensitivity"} <= set(told)
    assert set(told["corrected"]) >= {"mean", "ci"}
    assert "NaN" not in card_json(card)


def test_the_same_seed_gives_the_same_card(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    one, two = (json.loads(card_json(card_of(folder, labels[:60], run))) for _ in range(2))
    one["made_at"] = two["made_at"]
    assert one == two


# --- runs that cite a card -------------------------------------------------------------------------------------------


def test_a_run_of_the_labelled_outputs_says_what_the_card_says(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    assert run["quality"].corrected is None, "nobody has calibrated it yet"
    card = card_of(folder, labels[:60], run)
    again = run_of(folder)
    found = again["quality"].corrected
    assert found is not None
    assert (found.mean, found.ci) == (pytest.approx(card.corrected.value), pytest.approx(card.corrected.ci))
    assert (found.labels, found.card, found.here) == (60, card.short, True)
    assert again["quality.normalized"].corrected is None
    assert again["quality"].mean == run["quality"].mean, "the raw value stays what it was"
    told = json.loads((again.folder / "results.json").read_text())["metrics"]["quality"]["corrected"]  # type: ignore[operator]
    assert told["mean"] == found.mean
    assert Run.from_json(json.loads((again.folder / "results.json").read_text()))["quality"].corrected == found  # type: ignore[operator]


def test_other_outputs_under_the_same_ids_are_not_taken_for_the_labelled_ones(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    card_of(folder, labels[:60], run)
    rows = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    write(folder / "data.jsonl", [{**row, "output": f"now {row['output']}"} for row in rows])
    found = run_of(folder)["quality"].corrected
    assert found is not None
    assert not found.here
    assert run.run_id in found.why
    assert "off by as much" in found.why
    offset = sum(row["label"] for row in labels[:60]) / 60
    assert found.mean != pytest.approx(offset)


def test_outputs_that_stayed_the_same_are_no_sample_of_a_run_that_changed(judged: tuple[Path, Rows, Run]) -> None:
    """Half of the labelled outputs are others now: the rest are enough in number, but chosen by what the system did."""
    folder, labels, run = judged
    card = card_of(folder, labels[:100], run)
    rows = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    write(folder / "data.jsonl", [{**row, "output": row["output"] if at % 2 else "other"} for at, row in enumerate(rows)])
    found = run_of(folder)["quality"].corrected
    assert found is not None
    assert (found.here, found.labels) == (False, 100)
    assert "carried over" in found.why
    offset = sum(row["label"] for row in labels[:100]) / 100 - sum(card.labelled.judged) / 100
    assert found.mean == pytest.approx(run["quality"].mean + offset), "the judge's own mean of this run, and what it is off by"


def test_a_rectifier_that_is_carried_over_follows_the_new_outputs(judged: tuple[Path, Rows, Run]) -> None:
    """Outputs that the judge finds two points better are two points better: nothing pulls them back to the labelled ones."""
    folder, labels, run = judged
    card_of(folder, labels[:60], run)
    said = [json.loads(line) for line in (folder / "said.jsonl").read_text().splitlines()]
    data = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    before = [json.loads(row["text"])["score"] for row in said]
    for row, at in zip(said, range(len(said))):
        row["text"] = json.dumps({"score": 1 if at % 10 else 2, "reason": "so"})
    write(folder / "data.jsonl", [{**row, "output": f"bad {row['id']}"} for row in data])
    path = folder / ".evalkit" / "cards"
    fingerprint = next(path.glob("*.json"))
    write(folder / "said.jsonl", said)
    fresh = run_of(folder)
    assert math.isnan(fresh["quality"].corrected.mean), "another recording is another judge"  # type: ignore[union-attr]
    told = json.loads(fingerprint.read_text())
    told["judge"]["fingerprint"] = fresh["quality"].fingerprint
    (path / f"{fresh['quality'].fingerprint}.json").write_text(json.dumps(told))
    found = run_of(folder)["quality"].corrected
    assert found is not None
    shift = sum(row["label"] for row in labels[:60]) / 60 - sum(before[:60]) / 60
    assert found.mean == pytest.approx(1.1 + shift, abs=1e-9)


def test_a_card_of_another_prompt_is_not_used_and_the_run_says_why(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    card = card_of(folder, labels[:60], run)
    (folder / "s.yaml").write_text(SUITE.replace("REASON", "before").replace("Good?", "Is it good?"))
    said = [json.loads(line) for line in (folder / "said.jsonl").read_text().splitlines()]
    for row in said:
        told = json.loads(row["text"])
        row["text"] = json.dumps({"reason": told["reason"], "score": told["score"]})
    write(folder / "said.jsonl", said)
    found = run_of(folder)["quality"].corrected
    assert found is not None
    assert math.isnan(found.mean)
    assert card.short in found.why
    assert "evalkit calibrate" in found.why


@pytest.mark.parametrize(
    "spoil",
    [
        lambda told: "{",
        lambda told: json.dumps([told]),
        lambda told: json.dumps({key: told[key] for key in told if key != "labelled"}),
        lambda told: json.dumps({**told, "labelled": {**told["labelled"], "labels": told["labelled"]["labels"][1:]}}),
        lambda told: json.dumps({**told, "labelled": {**told["labelled"], "judged": ["x"] * told["n"]}}),
        lambda told: json.dumps({**told, "labelled": {**told["labelled"], "weights": [-1] * told["n"]}}),
        lambda told: json.dumps({**told, "corrected": None}),
        lambda told: json.dumps({**told, "judge_scale": [0, 10**400]}),
        lambda told: json.dumps({**told, "judge": {**told["judge"], "fingerprint": 0}}),
        lambda told: "[" * 100_000,
    ],
)
def test_a_damaged_card_costs_no_run(judged: tuple[Path, Rows, Run], spoil: Any) -> None:
    folder, labels, run = judged
    card = card_of(folder, labels[:60], run)
    path = card_path(folder / ".evalkit", card.judge.fingerprint)
    path.write_text(spoil(json.loads(path.read_text())))
    found = run_of(folder)["quality"].corrected
    assert found is not None
    assert math.isnan(found.mean)
    assert "no judge card" in found.why


def test_the_reports_of_a_run_show_the_corrected_value_on_one_line(judged: tuple[Path, Rows, Run], cli: Any) -> None:
    folder, labels, run = judged
    card = card_of(folder, labels[:60], run)
    done = cli("run", "s.yaml", "--fresh", "--markdown", "x.md", "--html", "x.html", cwd=folder)
    line = next(line for line in done.stdout.splitlines() if line.startswith("quality: "))
    assert f"60 labels, card {card.short}" in line
    assert "people would say" in line
    assert "people would say" in (folder / "x.md").read_text()
    assert "people would say" in (folder / "x.html").read_text()


def test_hostile_names_stay_names(project: Path, cli: Any) -> None:
    """Ids, raters and files that hold controls, Markdown and HTML are shown as they are, and steer nothing."""
    evil = "<script>alert(1)</script>\x1b[31m|[x](http://e.vil)`"
    _, labels = make(project, 40)
    run = run_of(project)
    told = [*labels[:30], {"id": evil, "metric": "quality", "label": 3, "rater": evil}]
    card = card_of(project, told, run)
    assert any("left out" in note for note in card.notes)
    page, comment = card_html(view(card)), card_markdown(view(card))
    assert "<script>alert" not in page
    assert "\x1b" not in page + comment
    assert "](http" not in comment
    done = cli("calibrate", "quality", "--labels", "labels.jsonl", "--run", "latest")
    assert "\x1b" not in done.stdout + done.stderr


def test_a_fingerprint_that_is_a_path_leads_nowhere(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    assert run.folder is not None
    path = run.folder / "results.json"
    path.write_text(path.read_text().replace(run["quality"].fingerprint, "../../../escaped"))
    with pytest.raises(SpecError, match="does not tell the fingerprint"):
        card_of(folder, labels[:20], load_run(run.folder))
    with pytest.raises(StoreError, match="is no fingerprint"):
        card_path(folder, "../../../escaped")


# --- labels ----------------------------------------------------------------------------------------------------------


def test_three_labels_are_enough_to_say_how_little_is_known(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    card = card_of(folder, labels[:3], run)
    assert card.alone.ci is not None
    assert card.alone.ci[1] - card.alone.ci[0] > 1.0
    assert card.bias["verbosity"].reason is not None
    html = card_html(view(card))
    assert "Judge card" in html
    with pytest.raises(SpecError, match="too few"):
        card_of(folder, labels[:2], run)


def test_labels_of_strangers_are_told(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    with pytest.raises(SpecError, match="none of its 5 ids is in the run") as raised:
        card_of(folder, [{**row, "id": f"x{row['id']}"} for row in labels[:5]], run)
    assert "labels.jsonl" in str(raised.value)
    card = card_of(folder, [*labels[:40], {**labels[0], "id": "stranger"}], run)
    assert card.n == 40
    assert any("1 label is left out" in note and "stranger" in note for note in card.notes)


def test_labels_of_other_outputs_are_left_out(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    rows = {row["id"]: row["output"] for row in map(json.loads, (folder / "data.jsonl").read_text().splitlines())}
    told = [{**row, "output": rows[row["id"]] if at >= 10 else "another answer"} for at, row in enumerate(labels[:50])]
    card = card_of(folder, told, run)
    assert card.n == 40
    assert any("another output" in note for note in card.notes)
    with pytest.raises(SpecError, match="outputs are not those"):
        card_of(folder, told[:10], run)


def test_labels_on_another_scale_are_refused_until_the_scale_is_told(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    hundred = [{**row, "label": 25 * (row["label"] - 1)} for row in labels[:60]]
    with pytest.raises(SpecError, match="lies outside 1 to 5, the scale of quality") as raised:
        card_of(folder, hundred, run)
    assert "--scale" in str(raised.value)
    card = card_of(folder, hundred, run, scale=(0.0, 100.0))
    plain = card_of(folder, labels[:60], run)
    assert card.corrected.value == pytest.approx(25 * (plain.corrected.value - 1))
    assert card.agreement["kappa"].value == pytest.approx(plain.agreement["kappa"].value), (
        "five levels, however they are called"
    )
    assert any("moved to the labels' scale" in note for note in card.notes)
    found = run_of(folder)["quality"].corrected
    assert found is not None
    assert found.mean == pytest.approx(plain.corrected.value), "the newer card took the older one's place"
    with pytest.raises(SpecError, match="outside 0 to 50"):
        card_of(folder, hundred, run, scale=(0.0, 50.0))


def test_yes_and_no_labels_of_a_graded_judge_are_its_scale_from_0_to_1(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    card = card_of(folder, [{**row, "label": "yes" if row["label"] >= 4 else "no"} for row in labels[:60]], run)
    assert card.scale == (0.0, 1.0)
    assert card.judge_scale == (1.0, 5.0)
    found = run_of(folder)["quality"].corrected
    assert found is not None
    assert found.scale == (0.0, 1.0)
    assert found.mean == pytest.approx(card.corrected.value)
    assert "on 0–1" in corrected_line(corrections(run_of(folder))[0])
    assert card.corrected.ci is not None
    assert 0.0 <= card.corrected.ci[0] <= card.corrected.ci[1] <= 1.0


@pytest.mark.parametrize("which", ["judge", "people"])
def test_where_one_side_never_changes_nothing_is_made_up(project: Path, which: str) -> None:
    _, labels = make(project)
    if which == "judge":
        said = [json.loads(line) for line in (project / "said.jsonl").read_text().splitlines()]
        write(project / "said.jsonl", [{**row, "text": '{"score": 4, "reason": "so"}'} for row in said])
    else:
        labels = [{**row, "label": 5} for row in labels]
    card = card_of(project, labels[:60], run_of(project), scale=(1.0, 5.0))
    assert math.isnan(card.agreement["spearman"].value)
    assert card.agreement["spearman"].reason is not None
    assert card.corrected.parts["lambda"] == 0.0
    assert card.corrected.value == card.alone.value
    assert card.corrected.ci is not None
    if which == "people":
        assert card.corrected.ci[1] == 5.0
        assert card.corrected.ci[0] < 4.9, "sixty alike are no proof"
    assert "–" in card_markdown(view(card))


def test_several_raters_come_to_their_mean_and_an_adjudicator_decides(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    told = [{**row, "rater": name} for row in labels[:40] for name in ("ann", "bob")]
    told[1] = {**told[1], "label": 1 if told[0]["label"] > 2 else 5}
    card = card_of(folder, told, run)
    assert card.raters == 2
    assert card.labelled.labels[0] == (told[0]["label"] + told[1]["label"]) / 2
    card = card_of(folder, [*told, {**told[0], "rater": "adjudicator", "label": 3}], run)
    assert card.labelled.labels[0] == 3.0


def test_labels_that_were_drawn_with_equal_chances_are_a_plain_sample(judged: tuple[Path, Rows, Run]) -> None:
    """As `annotate --sample` writes them: each of 50 stands for four."""
    folder, labels, run = judged
    plain = card_of(folder, labels[:50], run)
    weighed = card_of(folder, [{**row, "sampling_weight": 4.0} for row in labels[:50]], run)
    assert weighed.corrected == plain.corrected
    assert (weighed.pool, weighed.labelled.weights) == (150, ())


def test_labels_that_were_drawn_with_unequal_chances_are_weighed(project: Path) -> None:
    _, labels = make(project, 2_000)
    run = run_of(project)
    truth = sum(row["label"] for row in labels) / len(labels)
    rng = random.Random(2)
    told = []
    for row in labels:
        chance = 0.3 if row["label"] <= 2 else 0.06
        if rng.random() < chance:
            told.append({**row, "sampling_weight": 1 / chance})
    weighed = card_of(project, told, run)
    assert weighed.corrected.ci is not None
    assert weighed.corrected.ci[0] < truth < weighed.corrected.ci[1]
    naive = card_of(project, [{key: row[key] for key in row if key != "sampling_weight"} for row in told], run)
    assert any("no random sample" in note for note in naive.notes), "and it is said when they were not weighed"
    with pytest.raises(SpecError, match="sampling_weight"):
        card_of(project, [{**told[0], "sampling_weight": 0}], run)


def test_clustered_records_make_a_wider_interval(project: Path) -> None:
    _, labels = make(project, 300)
    alone = card_of(project, labels[:100], run_of(project))
    rows = [json.loads(line) for line in (project / "data.jsonl").read_text().splitlines()]
    write(project / "data.jsonl", [{**row, "cluster": f"c{at // 10}"} for at, row in enumerate(rows)])
    card = card_of(project, labels[:100], run_of(project))
    assert card.corrected.parts["pool"] == 200
    assert card.agreement["spearman"].value == pytest.approx(alone.agreement["spearman"].value)
    assert len(set(card.labelled.clusters)) == 10
    assert "document" in card.levels


def test_a_label_that_is_none_is_told_with_its_line(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    with pytest.raises(SpecError, match=r"labels.jsonl:3.*mixed kinds"):
        card_of(folder, [*labels[:2], {**labels[2], "label": "splendid"}], run)
    with pytest.raises(SpecError, match=r"labels.jsonl:1.*splendid.*not a number"):
        card_of(folder, [{**labels[2], "label": "splendid"}], run)
    with pytest.raises(SpecError, match="no label is of"):
        card_of(folder, [{**row, "metric": "tone"} for row in labels[:5]], run)


def test_a_judge_that_the_run_lacks_is_told_with_the_nearest(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    file = write(folder / "labels.jsonl", labels[:20])
    with pytest.raises(UnknownName, match="did you mean"):
        calibrate("qualty", file, run, folder, folder / ".evalkit", Settings())
    card = calibrate("geval", file, run, folder, folder / ".evalkit", Settings(resamples=100))
    assert card.judge.label == "quality", "the metric's name will do where it is the only one"


def test_a_plain_metric_can_be_calibrated_too(project: Path) -> None:
    _, labels = make(project, 60)
    (project / "c.yaml").write_text("name: c\ndataset: data.jsonl\nmetrics: [{use: regex, as: fine, pattern: 'fine .*fine'}]\n")
    run = run_of(project, "c.yaml")
    told = [{"id": row["id"], "label": int(row["label"] >= 3)} for row in labels[:40]]
    card = calibrate("fine", write(project / "l.jsonl", told), run, project, project / ".evalkit", Settings(resamples=100))
    assert card.rogan_gladen is not None
    assert card.scale == (0.0, 1.0)
    assert card.rogan_gladen.parts["sensitivity"] > 0.3
    assert card.rogan_gladen.ci is not None
    rows = [json.loads(row) for row in (project / "data.jsonl").read_text().splitlines()]
    write(project / "data.jsonl", [{**row, "cluster": f"c{at // 3}"} for at, row in enumerate(rows)])
    run = run_of(project, "c.yaml")
    grouped = calibrate("fine", project / "l.jsonl", run, project, project / ".evalkit", Settings(resamples=100))
    assert grouped.rogan_gladen is not None
    assert (grouped.rogan_gladen.value, grouped.rogan_gladen.ci) == (card.rogan_gladen.value, None), "records go together"
    assert "clusters" in card_markdown(view(grouped))


def test_a_value_that_is_no_mean_of_its_records_is_told(project: Path) -> None:
    rows, labels = make(project, 60)
    write(project / "data.jsonl", [{**row, "reference": "fine words that say it"} for row in rows])
    (project / "b.yaml").write_text("name: b\ndataset: data.jsonl\nmetrics: [bleu]\n")
    told = write(project / "l.jsonl", [{"id": row["id"], "label": row["label"]} for row in labels[:40]])
    card = calibrate("bleu", told, run_of(project, "b.yaml"), project, project / ".evalkit", Settings(resamples=100))
    assert any("mean of its records' own values" in note for note in card.notes)
    assert card.corrected.parts["interval"] == "t", "BLEU's labels have no known scale"


PAIRS = """\
name: pairs
dataset: pairs.jsonl
backends:
  judge:
    kind: scripted
    replies:
      - {when: 'ANSWER A[^<]*sure', say: '{"reason": "r", "verdict": "A"}'}
      - {when: 'ANSWER B[^<]*sure', say: '{"reason": "r", "verdict": "B"}'}
    otherwise: '{"reason": "r", "verdict": "A"}'
metrics:
  - {use: pairwise, as: better, against: {column: other}, backend: judge}
"""


def test_a_judge_of_pairs_that_follows_the_place_is_found_out(project: Path) -> None:
    """Nine pairs of ten are decided by who stands first, the tenth by a word: position bias .9, and people's verdicts are read."""
    rows = [
        {"id": f"r{at}", "input": "q", "output": f"an answer {at}" + (" sure" if at % 10 == 0 else ""), "other": f"another {at}" * (1 + at % 3)}
        for at in range(60)
    ]  # fmt: skip
    write(project / "pairs.jsonl", rows)
    (project / "p.yaml").write_text(PAIRS)
    run = run_of(project, "p.yaml")
    assert run["better.order_dependent"].mean == pytest.approx(0.9)
    labels = [{"id": row["id"], "label": ("A", "B", "tie")[at % 3]} for at, row in enumerate(rows)]
    file = write(project / "labels.jsonl", labels[:45])
    card = calibrate("better", file, run, project, project / ".evalkit", Settings(resamples=100))
    position = card.bias["position"]
    assert position.value == pytest.approx(0.9)
    assert position.parts["order_dependent"] == pytest.approx(0.9)
    assert position.says.startswith("the answer that stands first is preferred 0.900")
    assert position.says.endswith("more often than the one that stands second")
    assert card.bias["verbosity"].n == 45
    assert set(card.labelled.labels) == {0.0, 0.5, 1.0}
    numbered = [{**row, "label": {"A": 1, "B": 2, "tie": 0}[row["label"]]} for row in labels[:45]]
    again = calibrate(
        "better", write(project / "n.jsonl", numbered), run, project, project / ".evalkit", Settings(resamples=100)
    )
    assert again.labelled.labels == card.labelled.labels


# --- probes ----------------------------------------------------------------------------------------------------------

SCRIPTED = """\
name: scripted
dataset: data.jsonl
backends:
  judge:
    kind: scripted
    replies:
      - {when: It is worth taking a moment, say: '{"score": 5, "reason": "long"}'}
      - {when: "from 0 ", say: '{"score": 1, "reason": "numbers"}'}
      - {when: Ignora la, fail: "refused"}
    otherwise: '{"score": 3, "reason": "r"}'
metrics:
  - {use: geval, as: quality, rubric: {name: q, criteria: Good?, steps: [Read.], scale: {min: 1, max: 5}}, mode: single, backend: judge}
"""


def probed(folder: Path, run: Run, labels: Rows, names: str, told: list[str], **how: Any) -> Card:
    file = write(folder / "labels.jsonl", labels)
    chosen = wanted.Wanted(wanted.names_of(names), **how)
    ask = lambda material: probe.probe(material, chosen, folder, None, told.append)  # noqa: E731
    return calibrate("quality", file, run, folder, folder / ".evalkit", Settings(resamples=200), ask)


def test_probes_find_what_the_judge_was_told_to_fall_for(project: Path) -> None:
    _, labels = make(project, 60)
    (project / "p.yaml").write_text(SCRIPTED)
    run, told = run_of(project, "p.yaml"), list[str]()
    card = probed(project, run, labels[:30], "all", told, records=24, repeats=3)
    assert told == ["asking about 24 records 9 times more: 216 calls, fewer where replies are in the cache"]
    assert card.usage["calls"] <= 216
    assert card.bias["padding"].value == 2.0
    assert card.bias["padding"].says.startswith("scores rise by 2.00")
    assert card.bias["markdown"].value == 0.0
    assert card.bias["markdown"].says.endswith("no shift is shown")
    assert card.variance.value == 0.0
    assert card.prompt_sensitivity.value == -1.0, "1 on a scale from 0 is 2 on one from 1, a point below 3"
    assert card.prompt_sensitivity.parts["paraphrased"]["shift"] == 0.0
    lost = next(note for note in card.notes if note.startswith("probe injection: 3 records of 24 got no score"))
    assert lost.endswith("refused"), "one kind of eight was refused"
    page = card_html(view(card))
    assert "padding" in page
    assert "other numbers" in page
    again = probed(project, run, labels[:30], "all", told, records=24, repeats=3)
    assert again.usage["calls"] - card.usage["calls"] <= 0
    assert again.usage["cached"] > 0, "asked again, the replies are in the cache"


def test_probes_of_another_judge_than_the_runs_are_refused(project: Path) -> None:
    _, labels = make(project, 30)
    (project / "p.yaml").write_text(SCRIPTED)
    run = run_of(project, "p.yaml")
    (project / "p.yaml").write_text(SCRIPTED.replace("Good?", "Is it good at all?"))
    with pytest.raises(SpecError, match="another prompt, model or option now"):
        probed(project, run, labels, "padding", [])
    assert not (project / ".evalkit" / "cards").exists(), "nothing was written"


def test_a_recording_cannot_be_probed(judged: tuple[Path, Rows, Run]) -> None:
    folder, labels, run = judged
    with pytest.raises(SpecError, match="is a recording"):
        probed(folder, run, labels[:30], "padding", [])


def test_a_probe_that_does_not_exist_is_told() -> None:
    with pytest.raises(SpecError, match='did you mean "padding"'):
        wanted.names_of("pading")
    assert wanted.names_of("all") == PROBES
    assert wanted.names_of("repeats, prompt") == ("repeats", "prompt")


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_prints_writes_and_exits(judged: tuple[Path, Rows, Run], cli: Any) -> None:
    folder, labels, _ = judged
    write(folder / "labels.jsonl", labels[:60])
    done = cli("calibrate", "quality", "--labels", "labels.jsonl", "--run", "latest", "--html", "c.html", "--markdown", "c.md")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert "agreement with people" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("people would say ")
    assert ".evalkit/cards/" in done.stdout
    assert "people would say" in (folder / "c.md").read_text()
    assert "Content-Security-Policy" in (folder / "c.html").read_text()
    done = cli("calibrate", "quality", "--labels", "labels.jsonl", "--suite", "s.yaml", "--json")
    assert json.loads(done.stdout)["n"] == 60, "JSON alone on stdout"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "neither --run nor --suite"),
        ({"run": "latest", "suite": "s.yaml"}, "both given"),
        ({"run": "latest", "labels": Path("none.jsonl")}, "none.jsonl"),
        ({"run": "latest", "scale": "5:1"}, "no scale"),
        ({"run": "latest", "probes": "lenght"}, "no probe is called"),
        ({"run": "latest:other"}, "there is no finished run"),
        ({"run": "latest", "html": Path("data.jsonl/x.html")}, "cannot be written"),
    ],
)
def test_what_is_wrong_with_a_command_is_told_before_anything_is_written(
    judged: tuple[Path, Rows, Run], given: dict[str, Any], said: str
) -> None:
    folder, labels, _ = judged
    write(folder / "labels.jsonl", labels[:20])
    with pytest.raises(SpecError, match=said):
        calibrate_judge(Wanted(**{"judge": "quality", "labels": Path("labels.jsonl"), **given}))
    assert not (folder / ".evalkit" / "cards").exists()


def test_a_wrong_command_is_one_line_and_exit_2(judged: tuple[Path, Rows, Run], cli: Any) -> None:
    folder, labels, _ = judged
    write(folder / "labels.jsonl", labels[:20])
    done = cli("calibrate", "qualty", "--labels", "labels.jsonl", "--run", "latest")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert 'did you mean "quality"' in done.stderr
