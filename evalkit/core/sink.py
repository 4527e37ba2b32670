"""What an alert sink must be, and how it says that something did not arrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from evalkit.core.errors import EvalkitError

if TYPE_CHECKING:
    from evalkit.core.watched import Alert, Figure

Because = Literal["passing", "content", "refused"]


@runtime_checkable
class Sink(Protocol):
    """Where alerts go: a frozen dataclass whose fields are its options in a monitor's file.

    An option whose name ends in ``_env`` holds the name of an environment variable (or a mapping to such names); read it by
    `core.secret.secret` when it is used, so that no secret is kept, shown or compared.

    A sink may also have: ``at_once``, how many alerts it takes at most (20); ``verify()``, which raises `ValueError` where what
    the variables hold is of no use; ``aliases``, other names of its options in a file.
    """

    async def send(self, alerts: Sequence[Alert]) -> None:
        """Deliver these, all or none: once this returns, they have arrived. The same alert may come again, under its id.

        Raises:
            NotDelivered: why not, and whether trying again helps. An `OSError` counts as passing, anything else as content.
        """
        ...


@runtime_checkable
class Exporter(Protocol):
    """Where a monitor's figures go; registered as a sink, alone or beside `Sink.send`."""

    async def export(self, figures: Sequence[Figure], text: str) -> None:
        """Replace what was exported before; ``text`` is the figures in Prometheus' format.

        Raises:
            NotDelivered: it could not.
        """
        ...


class NotDelivered(EvalkitError, RuntimeError):
    """Alerts did not arrive; they are kept, and the next run tries again.

    Args:
        because: "passing": it may work in a moment. "content": these alerts are not accepted, others may be. "refused":
            nothing is, until somebody changes something (an address, a password).
        after_s: how long the receiver asks to wait, if it does.
    """

    def __init__(self, why: str, because: Because = "passing", after_s: float | None = None) -> None:
        self.because, self.after_s = because, after_s
        super().__init__(why)
