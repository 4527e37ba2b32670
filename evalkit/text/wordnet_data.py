"""Obtain WordNet 3.0 without root, into evalkit's cache folder: ``python -m evalkit.text.wordnet_data``."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from evalkit.core.errors import EvalkitError
from evalkit.text.wordnet import FILES, WordNet, cache_folder, places

_PACKAGES = ("wordnet-base", "wordnet-sense-index")
_NLTK_FILES = (*FILES, "index.sense", "cntlist.rev")  # and lexnames, which Debian leaves out
_DEBIAN = Path("/usr/share/wordnet")
_PATIENCE_S = 120.0

# lexnames(5WN): the names of the lexicographer files in order, by syntactic category.
_LEXNAMES = (
    ("adj", 3, "all pert"),
    ("adv", 4, "all"),
    ("noun", 1, ("Tops act animal artifact attribute body cognition communication event feeling food group location motive"
                " object person phenomenon plant possession process quantity relation shape state substance time")),
    ("verb", 2, ("body change cognition communication competition consumption contact creation emotion motion perception"
                " possession social stative weather")),
    ("adj", 3, "ppl"),
)  # fmt: skip


def lexnames() -> str:
    """The file that NLTK wants beside the database: number, name and category of 45 lexicographer files."""
    named = [(f"{part}.{name}", category) for part, category, names in _LEXNAMES for name in names.split()]
    return "".join(f"{number:02d}\t{name}\t{category}\n" for number, (name, category) in enumerate(named))


def obtain(target: Path | None = None) -> tuple[Path | None, list[str]]:
    """WordNet in a folder that NLTK too can read, fetched if need be.

    Tried in turn: what NLTK already has, Debian's installed files, Debian's packages by apt-get (which downloads them
    without root), NLTK's own download.

    Args:
        target: the folder to arrange it in; the default is ``corpora/wordnet`` in evalkit's cache folder.

    Returns:
        The folder or zip file (None: it could not be had), and what was tried in vain.
    """
    if target is None:
        held = next((place for place in places() if place != _DEBIAN), None)
        if held is not None:
            return held, []
    target = target or cache_folder() / "corpora" / "wordnet"
    tried: list[str] = []
    for attempt in (_from_debian_folder, _from_apt, _from_nltk):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".wordnet-") as scratch:
                source = attempt(Path(scratch))
                return arrange(source, target), tried
        except (OSError, EvalkitError, subprocess.SubprocessError) as error:
            tried.append(f"{attempt.__doc__}: {_said(error)}")
    return None, tried


def arrange(source: Path, target: Path) -> Path:
    """Copy the database files of ``source`` to ``target`` in NLTK's layout; whole or not at all.

    NLTK refuses links, so the files are copied. What another process put there in the meantime stays.

    Raises:
        OSError: a file is missing or cannot be written.
        EvalkitError: the files are no WordNet.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".wordnet-") as scratch:
        staged = Path(scratch) / "wordnet"
        staged.mkdir()
        for name in _NLTK_FILES:
            shutil.copyfile(source / name, staged / name)
        (staged / "lexnames").write_text(lexnames(), encoding="ascii")
        if "automobile" not in WordNet(staged).synonyms("car"):
            raise EvalkitError(f"the files in {source} are not those of WordNet")
        try:
            staged.rename(target)
        except OSError:
            if not (target / "lexnames").is_file():
                raise
    return target


def _from_debian_folder(scratch: Path) -> Path:
    """Debian's installed files"""
    del scratch
    if not (_DEBIAN / "index.sense").is_file():
        raise FileNotFoundError(f"no complete {_DEBIAN}")
    return _DEBIAN


def _from_apt(scratch: Path) -> Path:
    """Debian's packages by apt-get"""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise FileNotFoundError("no apt-get here")
    try:
        _run(["apt-get", "download", *_PACKAGES], scratch)
    except subprocess.SubprocessError:
        # Without package lists, or with lists that are out of date: fetch lists of our own, which needs no root either.
        state, cached = scratch / "lists", scratch / "cache"
        for folder in (state / "partial", cached / "archives" / "partial"):
            folder.mkdir(parents=True)
        own = ["-o", f"Dir::State::lists={state}", "-o", f"Dir::Cache={cached}", "-o", "APT::Sandbox::User="]
        _run(["apt-get", *own, "update"], scratch)
        _run(["apt-get", *own, "download", *_PACKAGES], scratch)
    unpacked = scratch / "unpacked"
    for package in sorted(scratch.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(unpacked)], scratch)
    return unpacked / "usr/share/wordnet"


def _from_nltk(scratch: Path) -> Path:
    """NLTK's own download"""
    _run([sys.executable, "-m", "nltk.downloader", "-q", "-e", "-d", str(scratch), "wordnet"], scratch)
    archive = scratch / "corpora" / "wordnet.zip"
    if archive.is_file():
        shutil.unpack_archive(archive, scratch / "corpora")
    return scratch / "corpora" / "wordnet"


def _run(command: Sequence[str], folder: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(
        command, cwd=folder, env=environment, check=True, timeout=_PATIENCE_S,
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip


def _said(error: Exception) -> str:
    """The last line of what a command or an error said."""
    told = error.stderr if isinstance(error, subprocess.CalledProcessError) else None
    lines = [line.strip() for line in (told or str(error)).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__


def main(arguments: Sequence[str] | None = None) -> int:
    """Say where WordNet is, or what is missing; 0 unless ``--strict`` is given and it could not be had."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.text.wordnet_data", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="exit 1 when WordNet could not be had")
    options = parser.parse_args(arguments)
    place, tried = obtain()
    if place is not None:
        print(f"WordNet {WordNet(place).version}: {place}")
        return 0
    print("WARNING: WordNet could not be had, so METEOR's synonym stage is not available and its tests are skipped.")
    for line in tried:
        print(f"  {line}")
    print("  Ways out: Debian's packages wordnet-base and wordnet-sense-index, `python -m nltk.downloader wordnet`,")
    print("  or METEOR without synonyms: `stages: [exact, stem]`.")
    return 1 if options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
