"""The command line: its verbs, and how errors become messages and exit codes.

Importing this costs Typer and nothing else: what a verb needs is imported when it runs.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer

from evalkit.cli import ab, annotate, calibrate, check, compare, drift, init, listing, logs, monitor, run, schema, show

app = typer.Typer(
    name="evalkit",
    help="Evaluate LLM systems: is it better, worse, or is the difference noise?",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("compare")(compare.compare)
app.command("calibrate")(calibrate.calibrate)
app.command("check")(check.check)
app.command("init")(init.init)
app.command("list")(listing.list_)
app.command("show")(show.show)
app.add_typer(ab.app, name="ab")
app.command("drift")(drift.drift)
app.add_typer(monitor.app, name="monitor")
app.command("annotate")(annotate.annotate)
app.add_typer(logs.app, name="logs")
app.command("schema")(schema.schema)


def _version(wanted: bool) -> None:
    if wanted:
        from evalkit.core.signature import VERSION

        print(f"evalkit {VERSION}")
        raise typer.Exit()


@app.callback()
def _evalkit(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Evaluate LLM systems: is it better, worse, or is the difference noise?"""


def main() -> NoReturn:
    """Run a command and exit: 130 interrupted, 2 wrong command, suite or data, 3 incomplete, 1 a gate failed, 0."""
    no_telemetry()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that lacks a character gets it spelled, not an error
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(guarded())


def guarded() -> int:
    """The exit code of the command in ``sys.argv``; every expected error is a message on stderr, not a traceback."""
    warnings.showwarning = _show_warning  # a broken plug-in is one line, not a line of our source
    try:
        code = app(standalone_mode=True)
    except SystemExit as stop:
        return _unread() if isinstance(stop.__context__, BrokenPipeError) else _flushed(_code(stop.code))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return _unread()
    except Exception as error:
        from evalkit.cli.errors import explain

        return explain(error)
    return _flushed(_code(code))


def _flushed(code: int) -> int:
    """The code, once all output has left; what is still in a buffer at exit would fail where nobody can answer."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _unread()
    return code


def _unread() -> int:
    """The reader of our output went away, as `| head` does: no failure of ours, and no failed gate."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


def _code(code: Any) -> int:
    return code if isinstance(code, int) else 0 if code is None else 1


def _show_warning(message: Any, category: Any, *_: Any, **__: Any) -> None:
    if issubclass(category, (DeprecationWarning, PendingDeprecationWarning, ResourceWarning)):
        return
    from evalkit.cli.errors import say

    say(f"warning: {message}")


def no_telemetry() -> None:
    """Switch off what dependencies would send home."""
    for name in ("HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK", "VLLM_NO_USAGE_STATS"):
        os.environ.setdefault(name, "1")
