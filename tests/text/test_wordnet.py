"""WordNet: the synonyms that NLTK's reader gives, where the files are looked for, and how they are obtained."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import sys
import zipfile
from itertools import chain
from pathlib import Path

import pytest

from evalkit.core.errors import EvalkitError
from evalkit.text import wordnet, wordnet_data
from evalkit.text.wordnet import FILES, MissingWordNet, WordNet, find_wordnet, nltk_folders

PLACE = next(wordnet.places(), None)
needs_wordnet = pytest.mark.skipif(PLACE is None, reason="needs WordNet: run `make setup`")

_LICENCE = "  1 WordNet 3.0 Copyright 2006 by Princeton University.  \n"


def tiny(folder: Path) -> Path:
    """A WordNet of two synsets in WNDB's format, with the files that NLTK wants."""
    folder.mkdir(parents=True)
    synset = f"{len(_LICENCE):08d} 06 n 02 car 0 automobile 0 000 | a vehicle\n"
    (folder / "data.noun").write_text(_LICENCE + synset)
    (folder / "index.noun").write_text(
        _LICENCE + "".join(f"{word} n 1 0 1 0 {len(_LICENCE):08d}  \n" for word in ("automobile", "car"))
    )
    mark = f"{len(_LICENCE):08d} 00 s 03 galore(ip) 0 abounding 0 New_York 0 000 | in plenty\n"
    (folder / "data.adj").write_text(_LICENCE + mark)
    (folder / "index.adj").write_text(_LICENCE + f"galore a 1 0 1 0 {len(_LICENCE):08d}  \n")
    for name in FILES:
        if not (folder / name).exists():
            (folder / name).write_text(_LICENCE if name.startswith(("data", "index")) else "cartons car\n")
    for name in ("index.sense", "cntlist.rev"):
        (folder / name).write_text("")
    return folder


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without WordNet; the folder in which tests may put one."""
    monkeypatch.setattr(wordnet, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(wordnet_data, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(wordnet, "nltk_folders", lambda: [tmp_path / "nltk"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@needs_wordnet
def test_synonyms_are_those_of_nltks_reader(monkeypatch):
    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    held, tried = wordnet_data.obtain()
    if held is None or held.suffix == ".zip":
        pytest.skip(f"NLTK's reader wants a folder with lexnames: {tried}")
    monkeypatch.setattr(nltk.data, "path", [*nltk.data.path, str(held.parent.parent)])  # NLTK reads nowhere else
    theirs = WordNetCorpusReader(nltk.data.FileSystemPathPointer(str(held)), object())
    ours = WordNet(held)
    rng = random.Random(0)
    words = rng.sample(sorted(set(theirs.all_lemma_names())), 600)
    endings = ["", "s", "es", "ies", "ed", "ing", "er", "est", "men", "ves", "xes"]
    words += [word + rng.choice(endings) for word in words] + ["geese", "us", "US", "better", "", "s", "new_york", "İ"]
    for word in words:
        names = chain.from_iterable(synset.lemma_names() for synset in theirs.synsets(word))
        expected = {name for name in names if "_" not in name and name == name.lower()} - {word.lower()}
        assert ours.synonyms(word) == expected, word
    assert ours.version == theirs.get_version()


def test_marks_phrases_and_the_word_itself_are_left_out(tmp_path):
    read = WordNet(tiny(tmp_path / "wordnet"))
    assert read.synonyms("car") == {"automobile"}
    assert read.synonyms("cars") == {"car", "automobile"}
    assert read.synonyms("cartons") == {"car", "automobile"}  # an exception
    assert read.synonyms("galore") == {"abounding"}
    assert read.synonyms("nothing") == set()
    assert read.version == "3.0"


def test_the_zip_file_that_nltk_downloads_is_read_too(tmp_path):
    folder = tiny(tmp_path / "wordnet")
    with zipfile.ZipFile(tmp_path / "wordnet.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"wordnet/{file.name}")
    assert WordNet(tmp_path / "wordnet.zip").synonyms("car") == {"automobile"}


def test_nltks_data_come_before_debians_and_those_before_our_own(nowhere):
    with pytest.raises(MissingWordNet, match="make setup"):
        find_wordnet()
    own = tiny(nowhere / "cache/evalkit/nltk_data/corpora/wordnet")
    assert find_wordnet() == own
    debian = tiny(nowhere / "debian")
    assert find_wordnet() == debian
    (nowhere / "nltk/corpora").mkdir(parents=True)
    shutil.make_archive(str(nowhere / "nltk/corpora/wordnet"), "zip", nowhere, "debian")
    assert find_wordnet() == nowhere / "nltk/corpora/wordnet.zip"
    theirs = tiny(nowhere / "nltk/corpora/wordnet")
    assert find_wordnet() == theirs
    (theirs / "verb.exc").unlink()  # half a WordNet is none
    assert find_wordnet() == nowhere / "nltk/corpora/wordnet.zip"


def test_nltks_folders_are_those_that_nltk_searches(monkeypatch):
    import nltk.data

    assert [str(folder) for folder in nltk_folders()] == nltk.data.path
    code = "import os; from evalkit.text.wordnet import nltk_folders as f; a = [str(p) for p in f()]; import nltk.data; assert a == nltk.data.path"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "NLTK_DATA": f"/a{os.pathsep}/b/c"})


def test_a_broken_wordnet_is_named(tmp_path):
    folder = tiny(tmp_path / "wordnet")
    (folder / "index.noun").write_bytes(b"\xff\xfe")
    with pytest.raises(EvalkitError, match="wordnet: WordNet cannot be read"):
        WordNet(folder)
    (tmp_path / "wordnet.zip").write_bytes(b"no zip")
    with pytest.raises(EvalkitError, match=r"wordnet\.zip"):
        WordNet(tmp_path / "wordnet.zip")


# --- obtaining it ----------------------------------------------------------------------------------------------------


def test_lexnames_has_45_numbered_files():
    lines = [line.split("\t") for line in wordnet_data.lexnames().splitlines()]
    assert [int(number) for number, _, _ in lines] == list(range(45))
    assert [name for _, name, _ in lines][::11] == ["adj.all", "noun.event", "noun.process", "verb.competition", "adj.ppl"]
    assert {category for _, _, category in lines} == {"1", "2", "3", "4"}


def test_debians_files_are_arranged_as_nltk_reads_them(nowhere):
    tiny(nowhere / "debian")
    place, tried = wordnet_data.obtain()
    assert tried == []
    assert place == nowhere / "cache/evalkit/nltk_data/corpora/wordnet"
    assert (place / "lexnames").read_text().startswith("00\tadj.all\t3\n")
    assert not any(file.is_symlink() for file in place.iterdir())
    assert [file.name for file in place.parent.iterdir()] == ["wordnet"]  # nothing half-made beside it
    before = (place / "data.noun").stat().st_mtime_ns
    assert wordnet_data.obtain() == (place, [])
    assert (place / "data.noun").stat().st_mtime_ns == before


def fake_tools(folder: Path, monkeypatch, *, lists: bool) -> Path:
    """An apt-get and a dpkg-deb that serve the tiny WordNet; without ``lists`` only after an update of one's own."""
    bin_folder, source = folder / "bin", tiny(folder / "packed/usr/share/wordnet")
    bin_folder.mkdir()
    log = folder / "log"
    known = "true" if lists else f"test -e {folder}/updated"
    scripts = {
        "apt-get": f'echo "$@" >> {log}\ncase "$*" in *update*) touch {folder}/updated;;\n'
        f'*download*) {known} || {{ echo "E: Unable to locate package wordnet-base" >&2; exit 100; }}; '
        "touch wordnet-base.deb wordnet-sense-index.deb;; esac",
        "dpkg-deb": f'mkdir -p "$3"/usr/share && cp -r {source} "$3"/usr/share/',
    }
    for name, script in scripts.items():
        (bin_folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (bin_folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    return log


@pytest.mark.parametrize("lists", [True, False])
def test_debians_packages_are_downloaded_and_unpacked_without_root(nowhere, monkeypatch, lists):
    log = fake_tools(nowhere, monkeypatch, lists=lists)
    place, _ = wordnet_data.obtain()
    assert place is not None
    assert WordNet(place).synonyms("car") == {"automobile"}
    calls = log.read_text().splitlines()
    assert len(calls) == (1 if lists else 3)
    assert not any("install" in call for call in calls)


def test_what_is_missing_is_said_and_the_setup_goes_on(nowhere, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(nowhere))
    monkeypatch.setattr(wordnet_data.sys, "executable", str(nowhere / "no-python"))
    assert wordnet_data.main([]) == 0
    said = capsys.readouterr().out
    assert said.startswith("WARNING: WordNet could not be had")
    assert "no apt-get here" in said
    assert "stages: [exact, stem]" in said
    assert wordnet_data.main(["--strict"]) == 1


def test_files_that_are_no_wordnet_are_not_arranged(nowhere):
    folder = tiny(nowhere / "debian")
    (folder / "index.noun").write_text(_LICENCE)
    with pytest.raises(EvalkitError, match="not those of WordNet"):
        wordnet_data.arrange(folder, nowhere / "target/wordnet")
    assert list((nowhere / "target").iterdir()) == []
