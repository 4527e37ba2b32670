"""What a monitor has seen, in the catalog's database: each window once, with all that follows from it in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from evalkit.core.errors import StoreError
from evalkit.core.watched import Alert, Incident
from evalkit.store.catalog import Catalog, metadata

monitors = sa.Table(
    "monitors",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("plan", sa.String, nullable=False),
    sa.Column("state", sa.JSON),
)
windows = sa.Table(
    "windows",
    metadata,
    sa.Column("monitor", sa.String, primary_key=True),
    sa.Column("start", sa.Float, primary_key=True),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("late", sa.Integer, nullable=False),
    sa.Column("seen", sa.JSON, nullable=False),
)
incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("monitor", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("found", sa.Float, nullable=False),
    sa.Column("closed", sa.Float),
    sa.Column("told", sa.JSON, nullable=False),
)
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("sink", sa.String, primary_key=True),
    sa.Column("monitor", sa.String, nullable=False),
    sa.Column("alert", sa.JSON, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("delivered", sa.Boolean, nullable=False),
    sa.Column("failure", sa.String),
    sa.Index("ix_outbox_monitor", "monitor", "delivered"),
)


@dataclass(frozen=True)
class Seen:
    """A processed window: its rows, and a point per track (`core.watched.Point` without its start, as a list)."""

    start: float
    rows: int
    late: int
    seen: Mapping[str, Any]


@dataclass(frozen=True)
class Waiting:
    """An alert that a sink has not confirmed."""

    alert: Alert
    sink: str
    attempts: int


class MonitorStore:
    """The tables of one monitor; its name is the key."""

    def __init__(self, catalog: Catalog, name: str) -> None:
        self.catalog, self.name = catalog, name

    def plan(self) -> tuple[str, Mapping[str, Any] | None] | None:
        """What the monitor was set to, and its watcher's state; None: it is new."""
        found = self._one(sa.select(monitors.c.plan, monitors.c.state).where(monitors.c.name == self.name))
        return None if found is None else (found[0], found[1])

    def begin(self, plan: str) -> None:
        """Enter a monitor, or one whose reference or signals are others now: its windows begin anew."""
        with self._writing() as connection:
            for table in (windows, incidents):
                connection.execute(sa.delete(table).where(table.c.monitor == self.name))
            connection.execute(sa.delete(monitors).where(monitors.c.name == self.name))
            connection.execute(sa.insert(monitors).values(name=self.name, plan=plan, state=None))

    def newest(self) -> float | None:
        """Start of the last window that was processed."""
        found = self._one(sa.select(sa.func.max(windows.c.start)).where(windows.c.monitor == self.name))
        return None if found is None or found[0] is None else float(found[0])

    def seen(self, most: int | None = None) -> list[Seen]:
        """Processed windows, oldest first; the last ``most`` of them."""
        query = sa.select(windows).where(windows.c.monitor == self.name).order_by(windows.c.start.desc())
        rows = self._all(query.limit(most) if most else query)
        return [Seen(row.start, row.rows, row.late, row.seen) for row in reversed(rows)]

    def incidents(self) -> list[Incident]:
        """All of them, oldest first."""
        query = sa.select(incidents.c.told).where(incidents.c.monitor == self.name).order_by(incidents.c.found, incidents.c.id)
        return [incident_of(row.told) for row in self._all(query)]

    def enter(
        self, window: Seen, state: Mapping[str, Any], changed: Sequence[Incident], alerts: Sequence[Alert], sinks: Sequence[str]
    ) -> bool:
        """A window with everything that follows from it, or nothing: False where another process has entered it.

        Alerts are entered once for each sink; one whose id is there already is left as it is.
        """
        try:
            with self._writing() as connection:
                told = {"start": window.start, "rows": window.rows, "late": window.late, "seen": dict(window.seen)}
                connection.execute(sa.insert(windows).values(monitor=self.name, **told))
                connection.execute(sa.update(monitors).where(monitors.c.name == self.name).values(state=dict(state)))
                for one in changed:
                    connection.execute(sa.delete(incidents).where(incidents.c.monitor == self.name, incidents.c.id == one.id))
                    connection.execute(
                        sa.insert(incidents).values(
                            monitor=self.name, id=one.id, found=one.found, closed=one.closed, told=asdict(one)
                        )
                    )
                for alert in alerts:
                    for sink in sinks:
                        there = sa.select(outbox.c.id).where(outbox.c.id == alert.id, outbox.c.sink == sink)
                        if connection.execute(there).first() is None:
                            connection.execute(
                                sa.insert(outbox).values(
                                    id=alert.id, sink=sink, monitor=self.name, alert=asdict(alert), attempts=0,
                                    delivered=False, failure=None,
                                )
                            )  # fmt: skip
        except sa.exc.IntegrityError:
            return False
        return True

    def late(self, rows: Mapping[float, int]) -> None:
        """Rows by window start that came after their window was processed."""
        with self._writing() as connection:
            for start, count in rows.items():
                connection.execute(
                    sa.update(windows).where(windows.c.monitor == self.name, windows.c.start == start).values(late=count)
                )

    def waiting(self) -> list[Waiting]:
        """Alerts that some sink has not confirmed, in the order of their ids."""
        query = sa.select(outbox).where(outbox.c.monitor == self.name, outbox.c.delivered.is_(False))
        return [Waiting(alert_of(row.alert), row.sink, row.attempts) for row in self._all(query.order_by(outbox.c.id))]

    def delivered(self, alert: str, sink: str, failure: str | None = None) -> None:
        """Note that a sink has confirmed an alert, or why it has not."""
        with self._writing() as connection:
            connection.execute(
                sa.update(outbox)
                .where(outbox.c.id == alert, outbox.c.sink == sink)
                .values(delivered=failure is None, failure=failure, attempts=outbox.c.attempts + 1)
            )

    def _writing(self) -> Any:
        return _Guarded(self.catalog)

    def _one(self, query: Any) -> Any:
        found = self._all(query)
        return found[0] if found else None

    def _all(self, query: Any) -> list[Any]:
        try:
            with self.catalog.engine.connect() as connection:
                return list(connection.execute(query))
        except sa.exc.SQLAlchemyError as error:
            raise StoreError(f"{self.catalog.where}: what the monitor has seen cannot be read ({error})") from error


class _Guarded:
    """A transaction whose failures are one message of ours; rows that are there already are told as they are."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._begun: Any = None

    def __enter__(self) -> Any:
        self._begun = self.catalog.engine.begin()
        return self._begun.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        try:
            self._begun.__exit__(kind, error, trace)
        except sa.exc.SQLAlchemyError as failed:
            raise StoreError(f"{self.catalog.where}: what the monitor has seen cannot be written ({failed})") from failed
        if isinstance(error, sa.exc.SQLAlchemyError) and not isinstance(error, sa.exc.IntegrityError):
            raise StoreError(f"{self.catalog.where}: what the monitor has seen cannot be written ({error})") from error
        return False


def incident_of(told: Mapping[str, Any]) -> Incident:
    """Of ``asdict``."""
    return Incident(**{**told, "examples": tuple(dict(row) for row in told["examples"]), "by": dict(told["by"])})


def alert_of(told: Mapping[str, Any]) -> Alert:
    """Of ``asdict``."""
    return Alert(**{**told, "incident": incident_of(told["incident"])})
