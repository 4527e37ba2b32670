"""Write docs/metrics/ from the docstrings of the metrics: `make docs-metrics`."""

from __future__ import annotations

from pathlib import Path

from evalkit.core.registry import entries
from evalkit.reports.metric_pages import metric_pages

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "metrics"


def main() -> None:
    pages = metric_pages(entries("metric"))
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.md"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"wrote {len(pages)} pages to docs/metrics/")


if __name__ == "__main__":
    main()
