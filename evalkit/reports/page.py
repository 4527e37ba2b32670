"""Pages: one HTML file each that opens offline, with text, plots, styles and script all inside, and nothing fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from evalkit.core.content import content_root
from evalkit.core.signature import VERSION
from evalkit.reports import numbers
from evalkit.reports.safe import visible

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup


def render_page(name: str, **context: Any) -> str:
    """The page that a template makes of its context; templates extend ``page.html.j2``.

    Everything that a user, a model or a data set wrote is escaped by the template engine; a content security policy
    allows this page's own style and script by their hashes and nothing else, so that no text can load or run anything.
    Text that we made ourselves, a plot, is passed through `ours`.
    """
    folder = content_root() / "dashboards" / "static"
    style, script = ((folder / file).read_text("utf-8") for file in ("report.css", "report.js"))
    page = template(name).render(
        version=VERSION, style=ours(style), script=ours(script), policy=policy(style, script), **context
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def ours(text: str) -> Markup:
    """Text that we drew or wrote ourselves, every foreign piece of it escaped already."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704


@cache
def template(name: str) -> jinja2.Template:
    """A page's template: what is put into it is escaped, and what is missing is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(content_root() / "dashboards" / "templates"),
        autoescape=True,
        finalize=_seen,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=numbers.count, breakable=breakable)
    return environment.get_template(name)


def breakable(name: str) -> Markup:
    """A metric's name, escaped, that may be broken after its dots and underscores."""
    from markupsafe import escape

    return ours(re.sub(r"(?<=[._:])(?=\w)", "<wbr>", str(escape(visible(name)))))


def _seen(value: Any) -> Any:
    """A text that others wrote, its controls spelled; what we made ourselves as it is."""
    return visible(value) if type(value) is str else value


def policy(style: str, script: str) -> str:
    """The content security policy of a page with this style and this script."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
