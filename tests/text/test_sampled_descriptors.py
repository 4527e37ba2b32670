"""Tone, readability and language: against published values, the packages themselves, and words whose syllables one can hear."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from evalkit.core.errors import MissingExtra
from evalkit.text.descriptors import DESCRIPTORS, SAMPLED, describe
from evalkit.text.readability import readability, syllables

HEARD = {
    1: "the cat made smiles jumped strengths through eye queue caused page owe rhyme can't",
    2: "table tables pages wanted being didn't prism quiet lion hopeful basement doing question server client wishes",
    3: "beautiful family readable elephant settlement banana radio",
    4: "information education's January material",
    5: "vocabulary university imagination administration",
}
LANGUAGES = {
    "en": "The server sends a fresh answer when its cached copy is stale.",
    "de": "Der Server schickt eine neue Antwort, wenn seine Kopie veraltet ist.",
    "fr": "Le serveur envoie une nouvelle réponse quand sa copie est périmée.",
    "es": "El servidor envía una respuesta nueva cuando su copia está caducada.",
    "it": "Il server invia una nuova risposta quando la sua copia non è più valida.",
    "pt": "O servidor envia uma nova resposta quando a sua cópia está desatualizada.",
    "nl": "De server stuurt een nieuw antwoord wanneer zijn kopie verouderd is.",
    "zh": "当缓存的副本过期时，服务器会发送新的答案。",
    "ja": "キャッシュが古くなると、サーバーは新しい回答を送ります。",
    "ru": "Сервер отправляет новый ответ, когда копия устарела.",
}


@pytest.mark.parametrize(("count", "word"), [(count, word) for count, words in HEARD.items() for word in words.split()])
def test_syllables_are_those_one_hears(count, word):
    assert syllables(word.lower()) == count


def test_reading_ease_is_flesch_s_formula():
    text = "The cat sat on the mat. It was a sunny day."
    assert readability(pa.array([text])).tolist() == [pytest.approx(206.835 - 1.015 * 11 / 2 - 84.6 * 12 / 11)]
    easy, hard = readability(
        pa.array(
            [
                "I like my dog. My dog likes me.",
                "Organisational considerations necessitate comprehensive administrative evaluation.",
            ]
        )
    )
    assert easy > 100
    assert hard < 0


def test_a_text_without_english_letters_has_no_reading_ease():
    assert all(map(math.isnan, readability(pa.array(["", None, "世界", "42!"]))))


def test_tone_is_vaders():
    vader = pytest.importorskip("vaderSentiment.vaderSentiment").SentimentIntensityAnalyzer()
    texts = ["I love this! It is great :)", "This is the worst answer ever.", "The sky is above.", "not bad at all", ""]
    values = describe(pa.array([*texts, None]), ["tone"]).values["tone"]
    assert values[:-1].tolist() == [vader.polarity_scores(text)["compound"] for text in texts]
    assert values[0] > 0.8 > 0 > values[1]
    assert math.isnan(values[-1])


def test_languages_are_told_and_short_texts_are_undetermined():
    pytest.importorskip("py3langid")
    short = ["", "ok", "12345 67890 12345 67890", "Hello.", "x = 3", None]
    found = describe(pa.chunked_array([list(LANGUAGES.values()), short]), ["language"]).values["language"].tolist()
    assert found[: len(LANGUAGES)] == list(LANGUAGES)
    assert found[len(LANGUAGES) :] == ["und"] * 5 + [None]


@pytest.mark.parametrize(("name", "module"), [("tone", "vaderSentiment.vaderSentiment"), ("language", "py3langid.langid")])
def test_a_missing_package_is_one_error_that_names_the_extra(name, module, monkeypatch):
    from evalkit.text import language, tone

    for cached in (tone._analyser, language._identifier):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"pip install 'evalkit\[logs\]'"):
        describe(pa.array(["x"]), [name])


@pytest.mark.parametrize("name", SAMPLED)
def test_a_megabyte_takes_bounded_time(name):
    pytest.importorskip("vaderSentiment")
    pytest.importorskip("py3langid")
    describe(pa.array(["a warm start, in a sentence long enough"]), [name])
    for text in ("good but bad " * 77_000, "a" * 1_000_000, ". " * 500_000, "中" * 333_333):
        clock = time.process_time()
        describe(pa.array([text]), [name])
        assert time.process_time() - clock < 3


def test_values_keep_to_their_bounds():
    texts = pa.array(["", "word", "I hate hate HATE this!!!", "Fine, thanks. 世界", '{"a": 1}', "I can't help with that."])
    for name, value in describe(texts, list(DESCRIPTORS)).values.items():
        told = DESCRIPTORS[name]
        if told.kind != "category":
            present = value[~np.isnan(value)]
            assert ((present >= told.low) & (present <= told.high)).all(), name


def test_the_table_loads_no_heavy_library():
    asked = "import json, sys, evalkit.text.descriptors; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert not {"pyarrow", "pandas", "vaderSentiment", "py3langid", "msgspec"} & set(json.loads(done.stdout))
