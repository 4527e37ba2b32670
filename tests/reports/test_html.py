"""The HTML report is one inert, bounded, valid page, and works in a real browser."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.content import content_root
from evalkit.core.run import Run, Value
from evalkit.reports.html import render_html
from evalkit.reports.page import breakable
from evalkit.reports.records import RecordView
from evalkit.reports.summary import summarise

VOID = {"meta", "link", "br", "wbr", "img", "input", "hr"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; complains about what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def said(self):
        return "".join(self.text)


@pytest.fixture(scope="module")
def html(summary):
    return render_html(summary)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_every_tag_is_closed_and_every_id_is_unique(page):
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {attrs["href"][1:] for tag, attrs in page.tags if tag == "a"}
    assert targets <= set(ids)


def test_nothing_is_loaded_from_anywhere(page, html):
    assert not [
        tag for tag, _ in page.tags if tag in ("img", "link", "iframe", "object", "embed", "video", "audio", "source", "form")
    ]
    assert not [attrs for _, attrs in page.tags if "src" in attrs or "style" in attrs]
    assert all(attrs["href"].startswith("#") for tag, attrs in page.tags if tag == "a")
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_only_this_page_s_own_style_and_script(html):
    import base64
    import hashlib

    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html).group(1).replace("&#39;", "'")
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_everything_important_is_said(page):
    for piece in (
        "Failed: 1 of 6 gates failed", "exact_match = 1 on tag=must-pass", "0.336 – 0.383", "2 of 12 records: q-017, q-203", "c34bbee0d1f5a7e2b9c8",
        "rouge|stem:yes|v:1", "no contexts", "20261120T101010Z-quickstart-aa11bb", "with uncommitted changes", "120,400", "smollm2-1.7b",
        "Answer from the passages only.", "records went from right to wrong", "measured otherwise",
    ):  # fmt: skip
        assert piece in page.said, piece


def test_headings_that_sort_are_buttons_with_a_state(page):
    assert sum(tag == "th" and attrs.get("aria-sort") == "none" for tag, attrs in page.tags) == 7


def test_a_bare_run_without_records_gates_or_metrics_still_makes_a_page():
    run = Run("r", "passed", {"name": ""}, {}, {})
    assert Page(render_html(summarise(run))).open == []
    run = Run("r", "incomplete", {"name": "x"}, {"n": 0}, {"m": Value(float("nan"), None, 0.95, float("nan"), 0)})
    assert "–" in Page(render_html(summarise(run))).said


def test_a_page_over_100_000_records_stays_small(big_summary):
    assert len(render_html(big_summary).encode()) < 2_000_000


@pytest.mark.parametrize("filler", ["潮", "<", '"', "a", "\x00", "😀"])
def test_texts_of_any_kind_keep_to_the_budget(run, view, filler):
    def fetch(indices):
        huge = filler * 50_000
        return [{"input": huge, "output": huge, "reference": [huge] * 9, "contexts": [huge] * 30} for _ in indices]

    text = render_html(summarise(run, records=dataclasses.replace(view, fetch=fetch)))
    assert len(text.encode()) < 2_000_000
    assert Page(text).open == []


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=60))
def test_no_text_can_become_a_tag(text):
    run = Run(
        "r", "failed", {"name": text, "path": text}, {"n": 1}, {text or "m": Value(0.5, (0.4, 0.6), 0.95, 0.1, 1, mode=text, signature=text)},
        prompts={text: text}, main={"m": text or "m"},
    )  # fmt: skip
    view = RecordView(
        [text], {text or "m": __import__("numpy").array([0.5])}, {text: {0: text}}, lambda indices: [{"output": text}]
    )
    plain = Run(
        "r", "failed", {"name": "t", "path": "t"}, {"n": 1}, {"m": Value(0.5, (0.4, 0.6), 0.95, 0.1, 1, mode="t", signature="t")},
        prompts={"t": "t"}, main={"m": "m"},
    )  # fmt: skip
    tags = {tag for tag, _ in Page(render_html(summarise(run, records=view))).tags}
    usual = {
        tag
        for tag, _ in Page(
            render_html(summarise(plain, records=dataclasses.replace(view, scores={}, errors={"m": {0: "t"}}, ids=["t"])))
        ).tags
    }
    assert tags <= usual | {
        "svg",
        "path",
        "rect",
        "line",
        "circle",
        "text",
        "figure",
        "figcaption",
        "desc",
        "title",
        "wbr",
        "details",
        "summary",
    }


def test_names_may_break_but_are_escaped():
    assert str(breakable("a_b.c<d>")) == "a_<wbr>b.<wbr>c&lt;d&gt;"


def luminance(colour):
    """Relative luminance of a hex colour.  Source: WCAG 2.2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_every_text_colour_can_be_read_on_every_ground(theme):
    style = (content_root() / "dashboards" / "static" / "report.css").read_text("utf-8")
    found = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6}|#[0-9a-f]{3})\b", block))
        for block in re.findall(r"\{([^{}]*--paper: #[^{}]*)\}", style)
    ]
    light, by_preference, by_choice, printed = found
    assert by_preference == by_choice, "both ways into the dark give the same colours"
    colours = {"light": light, "dark": {**light, **by_choice}, "print": {**light, **printed}}[theme]
    full = {name: code if len(code) == 7 else "#" + "".join(2 * digit for digit in code[1:]) for name, code in colours.items()}
    pairs = [
        (text, ground)
        for text in ("ink", "soft", "faint", "link", "mark", "fail", "pass")
        for ground in ("paper", "card", "wash")
    ]
    pairs += [
        ("unsure", "unsure-wash"),
        ("fail", "fail-wash"),
        ("pass", "pass-wash"),
        ("skip", "skip-wash"),
        ("unsure", "paper"),
    ]
    for text, ground in pairs:
        bright, dim = sorted((luminance(full[text]), luminance(full[ground])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, f"{text} on {ground}"


# --- in a browser ----------------------------------------------------------------------------------------------------


def browser():
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def dump(path, tmp_path, query=""):
    """The page's DOM after its script ran, and what the browser complained about."""
    done = subprocess.run(
        [
            browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
            "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr", "--v=0", "--virtual-time-budget=2000", "--dump-dom", f"file://{path}{query}",
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def opened(html, tmp_path_factory):
    if browser() is None:
        pytest.skip("no chromium is installed: the HTML report was not opened in a real browser; apt-get install chromium")
    folder = tmp_path_factory.mktemp("browser")
    path = folder / "report.html"
    path.write_text(html, "utf-8")
    return dump(path, folder, "?theme=dark#sort=1,descending")


def test_a_real_browser_runs_the_page_s_script_and_complains_about_nothing(opened):
    dom, complaints = opened
    assert complaints == []
    assert 'data-ready="yes"' in dom
    assert 'data-theme="dark"' in dom
    assert "<title>quickstart failed" in dom


def test_a_real_browser_sorts_the_metrics_and_keeps_missing_values_last(opened, summary):
    dom, _ = opened
    names = re.findall(r'<th scope="row" role="rowheader" data-value="([^"]+)"', dom)
    finite = sorted((row for row in summary.metrics if row.text != "–"), key=lambda row: -row.value.mean)
    assert names[0] == finite[0].name == "latency.p99"
    assert names[-1] == "faithfulness"
    assert 'aria-sort="descending"' in dom


def test_a_real_browser_blocks_what_the_policy_forbids(html, tmp_path):
    """That the browser is quiet above proves something only if it would have spoken up."""
    if browser() is None:
        pytest.skip("no chromium is installed")
    path = tmp_path / "evil.html"
    path.write_text(
        html.replace("<main", "<script>document.title='owned'</script><img src='http://x.example/a.png'><main", 1), "utf-8"
    )
    dom, complaints = dump(path, tmp_path)
    assert "<title>owned" not in dom
    assert any("Content Security Policy" in line for line in complaints)
