"""The terminal: the voice of the contract, at any width, and plain where it must be."""

from __future__ import annotations

import dataclasses
import io
import re
import subprocess
import sys

import pytest
from rich.console import Console

from evalkit.reports.progress import Progress
from evalkit.reports.summary import summarise
from evalkit.reports.terminal import make_console, print_header, print_run

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NUMBER = re.compile(r"−?\d[\d,]*\.\d+|−?\d[\d,]*")


def terminal(width, *, colour="truecolor"):
    return Console(
        file=io.StringIO(), width=width, force_terminal=True, color_system=colour, highlight=False, legacy_windows=False
    )


def shown(console):
    return CODES.sub("", console.file.getvalue())


def pipe():
    return Console(file=io.StringIO(), force_terminal=False, highlight=False, color_system="auto")


def only(summary, *names):
    return dataclasses.replace(summary, metrics=tuple(row for row in summary.metrics if row.name in names))


def test_a_piped_run_reads_as_the_contract_shows(bare):
    console = pipe()
    few = dataclasses.replace(only(bare, "rouge.rougeL", "exact_match", "consistency"), gates=bare.gates[:3])
    print_run(few, console, report=".evalkit/runs/20261122T063512Z-quickstart-3f9a1c/report.html")
    assert console.file.getvalue() == (
        "quickstart   300 records · 2 models · suites/quickstart.yaml\n"
        "\n"
        "metric         value   95% interval      n   errors   skipped\n"
        "exact_match    0.183   0.139 – 0.227   300        0         0\n"
        "rouge.rougeL   0.412   0.388 – 0.435   300        0         0\n"
        "consistency    3.91    3.79 – 4.04     297        3         0   raw 1–5, logprob, judge: qwen2.5-coder-1.5b (replayed)\n"
        "\n"
        "gates\n"
        "pass           rouge.rougeL ≥ 0.25                     the interval starts at 0.389\n"
        "fail           exact_match = 1 on tag=must-pass        2 of 12 records: q-017, q-203\n"
        "inconclusive   consistency no worse than main − 0.02   difference −0.01, −0.05 to +0.03; about 420 more records would tell\n"
        "\n"
        "report   .evalkit/runs/20261122T063512Z-quickstart-3f9a1c/report.html\n"
        "exit 1: a gate failed\n"
    )


@pytest.mark.parametrize("width", [24, 36, 48, 60, 72, 80, 100, 140, 200])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_broken(summary, bare, width):
    for told in (summary, bare, only(bare, "mrr", "map")):
        console = terminal(width)
        print_run(told, console)
        text = shown(console)
        for line in text.splitlines():
            assert len(line) <= max(width, 34), line
        for row in told.metrics:
            assert row.text in text
            if row.interval_text:
                assert row.interval_text in text
    assert "difference −0.01," in text or "gates" in text


@pytest.mark.parametrize("width", [36, 60, 80, 120])
def test_gate_reasons_keep_their_numbers_whole(summary, width):
    console = terminal(width)
    print_run(summary, console)
    lines = shown(console).splitlines()
    assert any("−0.05 to +0.03" in line for line in lines)
    assert any("420" in line for line in lines)


def test_a_terminal_gets_colours_and_a_pipe_gets_none(summary):
    coloured, plain = terminal(100), pipe()
    print_run(summary, coloured)
    print_run(summary, plain)
    assert "\x1b[" in coloured.file.getvalue()
    assert "\x1b" not in plain.file.getvalue()


def test_no_color_gives_plain_text_even_on_a_terminal(summary, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = make_console()
    console.file = io.StringIO()
    print_run(summary, console)
    assert "\x1b" not in console.file.getvalue()
    assert not Progress(10, console).live


def test_markup_and_control_characters_in_names_are_inert(run):
    run = dataclasses.replace(run, suite={"name": "[red]x[/red]\x1b[31m\r:smile:", "path": "a\nb"})
    console = pipe()
    print_run(summarise(run), console)
    first = console.file.getvalue().splitlines()[0]
    assert first.startswith("[red]x[/red]⟨U+001B⟩[31m")
    assert ":smile:" in first
    assert "\x1b" not in console.file.getvalue()


def test_an_ascii_stream_gets_ascii(summary):
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii"), width=100)
    print_run(summary, console)
    console.file.flush()
    text = raw.getvalue().decode("ascii")
    assert "0.336 - 0.383" in text
    assert "rouge.rougeL >= 0.25" in text


def test_the_header_can_be_printed_before_the_run_exists():
    console = pipe()
    print_header("quickstart", 300, "suites/quickstart.yaml", console, models=2)
    assert console.file.getvalue() == "quickstart   300 records · 2 models · suites/quickstart.yaml\n"


def test_piped_progress_is_one_plain_line_at_the_end():
    console = pipe()
    with Progress(300, console) as progress:
        for _ in range(30):
            progress.advance(10)
    assert re.fullmatch(r"scoring      300/300   [\d,.]+ records/s   \d:\d\d\n", console.file.getvalue())


def test_long_piped_work_says_now_and_then_how_far_it_is():
    console = pipe()
    with Progress(3, console, every=0.0) as progress:
        progress.advance()
        progress.advance()
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("left")


def test_live_progress_shows_a_bar_the_rate_and_the_time_left_and_leaves_one_line():
    console = terminal(80)
    with Progress(300, console, patience=0.0) as progress:
        progress.advance(100)
        progress.advance(50)
        progress._bar.refresh()
        progress.advance(150)
    text = shown(console)
    assert "━" in text
    assert re.search(r"150/300   [\d,.]+ records/s   \d:\d\d left", text)
    assert re.search(r"scoring      ━{22} 300/300   [\d,.]+ records/s   \d:\d\d\n\Z", text)


def test_short_work_shows_no_moving_bar():
    console = terminal(80)
    with Progress(3, console, patience=60.0) as progress:
        progress.advance(3)
    assert "left" not in console.file.getvalue()
    assert console.file.getvalue().count("\n") == 1


def test_work_resumed_half_way_is_not_counted_into_the_rate():
    console = pipe()
    with Progress(1_000_000, console, done=999_999) as progress:
        progress._began -= 10
        progress.advance()
    assert "1,000,000/1,000,000   0.1 records/s" in console.file.getvalue()


def test_an_interrupted_bar_leaves_the_terminal_clean():
    console = terminal(80)

    def interrupted():
        with Progress(10, console, patience=0.0) as progress:
            progress.advance()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert console.file.getvalue().count("\x1b[?25l") == console.file.getvalue().count("\x1b[?25h")
    assert "1/10" in shown(console)


def test_importing_the_reports_imports_no_rich_jinja_or_pandas():
    code = (
        "import sys, evalkit.reports.terminal, evalkit.reports.html, evalkit.reports.render, evalkit.reports.markdown, "
        "evalkit.reports.junit; print([m for m in ('rich', 'jinja2', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
