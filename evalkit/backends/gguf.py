"""GGUF files as folders that transformers and vLLM load: ``python -m evalkit.backends.gguf FILE NAME``."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from evalkit.backends.folder import CACHE, models_folder
from evalkit.core.errors import EvalkitError, MissingExtra


def convert(file: Path, target: Path, dtype: str = "bfloat16") -> Path:
    """Unpack a GGUF file of a causal language model into a folder; one that is there already is left as it is.

    The folder is made beside its place and then moved there, so that it is whole or absent.

    Args:
        dtype: of the unpacked weights; bfloat16 has more digits than any quantisation below 8 bits.

    Raises:
        MissingExtra: a package that reads such files is not installed.
        EvalkitError: the file is no such model.
    """
    if (target / "config.json").is_file():
        return target
    try:
        import accelerate  # noqa: F401
        import torch
        from gguf import GGUFReader
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ModuleNotFoundError as error:
        raise MissingExtra("reading a GGUF file", str(error.name), "gguf") from error
    dense = {}
    try:
        from transformers import GgufConfig

        dense["quantization_config"] = GgufConfig(dequantize=True)
    except ImportError:
        pass  # before transformers 5, that was all it could do
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.parent / f".{target.name}.{os.getpid()}"
    shutil.rmtree(half, ignore_errors=True)
    try:
        where, name = str(file.parent), file.name
        try:
            model = AutoModelForCausalLM.from_pretrained(where, gguf_file=name, dtype=getattr(torch, dtype), **dense)
            tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=name)
            begins = GGUFReader(file).fields.get("tokenizer.ggml.add_bos_token")
        except (ValueError, OSError, KeyError) as error:
            raise EvalkitError(f"{file} cannot be read as a GGUF file of a causal language model: {error}") from error
        model.hf_quantizer = None  # or it would be saved as something that it no longer is
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        if begins is not None and not begins.contents():
            tokenizer.bos_token = None  # named in every such file, and used by none of the model's texts
        model.save_pretrained(half)
        tokenizer.save_pretrained(half)
        try:
            half.rename(target)
        except OSError:
            if not (target / "config.json").is_file():  # else somebody was faster
                raise
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return target


def main() -> None:
    """Convert a file into evalkit's cache folder."""
    parser = argparse.ArgumentParser(prog="python -m evalkit.backends.gguf", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("name", help=f"suites will call it {CACHE}NAME")
    given = parser.parse_args()
    if Path(given.name).name != given.name or given.name.startswith("."):
        parser.error("a name is one word, without a path")
    if not given.file.is_file():
        parser.error(f"there is no file {given.file}")
    print(convert(given.file.resolve(), models_folder() / given.name))


if __name__ == "__main__":
    main()
