"""What `evalkit drift` does once its arguments are read."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from evalkit.cli.running import check_writable, relative
from evalkit.core.errors import Problem, SpecError


@dataclass(frozen=True)
class Wanted:
    """The arguments of ``evalkit drift``."""

    current: str
    reference: str | None
    config: Path | None
    slices: tuple[str, ...]
    save: Path | None
    fail_on_drift: bool
    memory: str | None
    threads: int | None
    json: bool
    html: Path | None
    markdown: Path | None


def drift_and_tell(wanted: Wanted) -> int:
    """Compare, print, write; 1 where something drifted and that is to fail."""
    from evalkit.monitor.drifting import drift, saved
    from evalkit.reports import numbers
    from evalkit.reports.console import make_console, say
    from evalkit.reports.drift_pages import drift_html, drift_json, drift_markdown, print_drift
    from evalkit.specs.drift import load_drift
    from evalkit.store.files import write_text

    check_writable({"--html": wanted.html, "--markdown": wanted.markdown, "--save-profile": wanted.save})
    spec = load_drift(wanted.config)
    if wanted.slices:
        spec = replace(spec, slices=tuple(dict.fromkeys([*spec.slices, *wanted.slices])))
    console = make_console()
    if wanted.save is not None:
        kept = saved(wanted.current, wanted.save, spec, memory=wanted.memory, threads=wanted.threads)
        if not wanted.json:
            told = f"{relative(wanted.save)} · {numbers.counted(kept.n, 'row')} · {numbers.counted(len(kept.kinds), 'signal')}"
            say(console, ("profile  ", "dim"), (told, ""))
        if wanted.reference is None:
            return 0
    if wanted.reference is None:
        raise SpecError(Problem("--reference", "nothing to compare with is named", "add --reference LOGS, or a saved .profile"))
    found = drift(wanted.current, wanted.reference, spec, memory=wanted.memory, threads=wanted.threads)
    if wanted.html:
        write_text(wanted.html, drift_html(found))
    if wanted.markdown:
        write_text(wanted.markdown, drift_markdown(found))
    if wanted.json:
        sys.stdout.write(drift_json(found))
    else:
        print_drift(found, console)
        for path in (wanted.html, wanted.markdown):
            if path:
                say(console, ("report   ", "dim"), (relative(path), ""))
    return 1 if found.drifted and wanted.fail_on_drift else 0
