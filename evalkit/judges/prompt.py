"""Prompts of judges: texts in files, and a fence around everything that somebody else wrote."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import yaml

from evalkit.core.content import content_root

_PLACE = re.compile(r"\{(\w+)\}")


def fenced(name: str, text: str) -> str:
    """``text`` between two marks that it cannot hold, for they are made of it: nothing in it can end its own fence.

    The mark depends on nothing but the name and the text, so that prompts which share a text share these tokens too.
    """
    mark = hashlib.sha256(f"{name}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"<<<{name} {mark}\n{text}\n{mark} {name}>>>"


@dataclass(frozen=True)
class Prompt:
    """A prompt of a judge, from ``judges/prompts/NAME.yaml``: ``version``, ``system`` and ``user`` with ``{places}`` to fill.

    ``examples`` are turns of the chat before it, (what is asked, what is answered), as they stand: small models follow these
    better than a description.

    What differs between records comes last, so that prompts share their beginnings and a server's prefix cache serves them.
    """

    name: str
    version: int
    system: str
    user: str
    examples: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """All of it, as a run stores it and `show` prints it."""
        shown = [f"{asked}\n→ {told}" for asked, told in self.examples]
        return "\n\n".join(filter(None, (self.system, *shown, self.user)))

    @property
    def places(self) -> frozenset[str]:
        """The names that `messages` must be given."""
        return frozenset(_PLACE.findall(self.system + self.user))

    def messages(self, **values: str) -> tuple[Mapping[str, str], ...]:
        """Chat messages with every place filled; braces in a value stay as they are.

        Raises:
            KeyError: a place has no value.
        """
        told = ({"role": "system", "content": fill(self.system, values)},) if self.system else ()
        turns = [
            turn
            for asked, answer in self.examples
            for turn in ({"role": "user", "content": asked}, {"role": "assistant", "content": answer})
        ]
        return (*told, *turns, {"role": "user", "content": fill(self.user, values)})


@cache
def load(name: str) -> Prompt:
    """A prompt that evalkit ships.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    told = yaml.safe_load((content_root() / "judges" / "prompts" / f"{name}.yaml").read_text(encoding="utf-8"))
    examples = tuple((str(one["user"]).strip(), str(one["assistant"]).strip()) for one in told.get("examples", ()))
    return Prompt(name, int(told["version"]), str(told.get("system", "")).strip(), str(told["user"]).strip(), examples)


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with ``{name}`` replaced by its value, in one pass: a value is never read as a template."""
    return _PLACE.sub(lambda place: values[place[1]], template)
