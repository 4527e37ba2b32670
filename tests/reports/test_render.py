"""Reports by their kind."""

from __future__ import annotations

import pytest

from evalkit.core.errors import UnknownName
from evalkit.reports.render import FILES, render


def test_every_kind_renders_to_text(bare):
    assert all(len(render(kind, bare)) > 100 for kind in FILES)


def test_a_wrong_kind_suggests_the_right_one(bare):
    with pytest.raises(UnknownName, match='did you mean "markdown"'):
        render("markdwn", bare)
