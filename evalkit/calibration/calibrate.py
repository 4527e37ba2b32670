"""From a judge, labels and a run to a judge card in the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from evalkit.calibration.agreement import agreement
from evalkit.calibration.biases import biases
from evalkit.calibration.correct import corrections, maps
from evalkit.calibration.material import Material, gather
from evalkit.calibration.people import read_people
from evalkit.core.card import Card, Finding, Judge, Labelled
from evalkit.core.run import Run
from evalkit.store.cards import write_card

Asker = Callable[[Material], "Asked"]


@dataclass(frozen=True)
class Settings:
    """How a calibration is made."""

    scale: tuple[float, float] | None = None
    confidence: float = 0.95
    resamples: int = 1_000
    seed: int = 0


@dataclass(frozen=True)
class Asked:
    """What probes found: biases, and the two figures with places of their own."""

    bias: dict[str, Finding]
    variance: Finding
    prompt_sensitivity: Finding
    usage: dict[str, int]
    notes: tuple[str, ...] = ()


NOT_ASKED = "not probed: add it with --probes {name}"


def calibrate(
    judge: str, labels: Path, run: Run, root: Path, home: Path, settings: Settings, probes: Asker | None = None
) -> Card:
    """The card of a judge of a finished run, written into the store.

    Args:
        root: the project's, from which the run's data are found.
        home: of the store.

    Raises:
        EvalkitError: there is no such judge, or the labels do not fit the run.
    """
    people = read_people(labels, judge)
    material = gather(run, judge, people, root, settings.scale)
    asked = probes(material) if probes is not None else None
    card = card_of(material, settings, people.path, people.sha256, asked)
    path = write_card(home, card)
    return replace(card, path=str(path))


def card_of(material: Material, settings: Settings, file: str, sha256: str, asked: Asked | None = None) -> Card:
    """Everything that a card tells."""
    seed, level = settings.seed, settings.confidence
    own, levels = agreement(material, seed=seed, level=level, resamples=settings.resamples)
    fixed = corrections(material, level)
    mapped, diagram = maps(material, seed=seed, level=level)
    value = material.value
    about = Judge(material.judge, material.metric, material.name, value.fingerprint, value.signature, value.about, value.mode)
    bias = biases(material, seed=seed, level=level)
    bias |= asked.bias if asked is not None else {}
    return Card(
        judge=about,
        made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        run_id=material.run.run_id,
        suite=str(material.run.suite.get("name", "")),
        labels_file=file,
        labels_sha256=sha256,
        n=len(material.at),
        raters=material.raters,
        scale=material.scale,
        judge_scale=material.judge_scale,
        confidence=level,
        agreement=own,
        levels=levels,
        bias=bias,
        variance=asked.variance if asked else Finding.unknown(NOT_ASKED.format(name="repeats")),
        prompt_sensitivity=asked.prompt_sensitivity if asked else Finding.unknown(NOT_ASKED.format(name="prompt")),
        raw=fixed.raw,
        alone=fixed.alone,
        corrected=fixed.corrected,
        rogan_gladen=fixed.rogan_gladen,
        needed=fixed.needed,
        pool=fixed.pool,
        maps=mapped,
        reliability=diagram,
        labelled=_labelled(material),
        notes=(*material.notes, *_no_mean(material), *fixed.notes, *(asked.notes if asked else ())),
        usage=asked.usage if asked else {},
    )


def _no_mean(material: Material) -> list[str]:
    """That the run's value is no mean of its records' (BLEU, verdicts with weights), where it is none."""
    value, mean = material.value.mean, float(np.nanmean(material.scores))
    if abs(value - mean) <= 1e-6 * max(abs(value), 1.0):
        return []
    told = f"{material.name} of the run is {value:.4g}, and the mean of its records' own values is {mean:.4g}"
    return [f"{told}: people and judge are compared in the latter"]


def _labelled(material: Material) -> Labelled:
    groups = material.groups(material.at)
    ids: Sequence[str] = material.ids
    return Labelled(
        tuple(ids[index] for index in material.at.tolist()),
        tuple(material.labels.tolist()),
        tuple(material.judged[material.at].tolist()),
        material.digests(),
        tuple(map(str, groups.tolist())) if groups is not None else (),
        tuple(material.weights.tolist()) if material.weights is not None else (),
    )
