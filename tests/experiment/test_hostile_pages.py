"""What a log holds is shown on the page of an experiment, and steers nothing."""

from __future__ import annotations

import evalkit
from evalkit.reports.ab_pages import ab_html

EVIL = "<script>alert(1)</script>\x1b[31m\u202e"


def test_names_of_a_log_reach_the_page_escaped_and_with_their_controls_spelled():
    rows = [{"u'\"": user, f"v{EVIL}": ("a", EVIL)[user % 2], f"x{EVIL}": user % 7} for user in range(60)]
    found = evalkit.ab(rows, variant=f"v{EVIL}", control="a", unit="u'\"", metrics=[f"x{EVIL}:mean"], by=f"v{EVIL}")
    page = ab_html(found)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+001B⟩[31m⟨U+202E⟩" in page
    assert "\x1b" not in page
    assert "\u202e" not in page
