"""``evalkit schema``: the JSON Schema of a suite file, for editors."""

from __future__ import annotations


def schema() -> None:
    """Print the JSON Schema of suite files, for editors."""
    import json

    from evalkit.specs.schema import suite_schema

    print(json.dumps(suite_schema(), indent=2, ensure_ascii=False))
