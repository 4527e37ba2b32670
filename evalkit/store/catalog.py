"""The catalog of runs: SQLite in the store's folder, or any database that SQLAlchemy reaches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from evalkit.core.errors import StoreError, UnknownName
from evalkit.store.files import explained

HEAD = "0002"  # the newest migration, so that an up-to-date catalog is known without importing Alembic
RUNNING = "running"

metadata = sa.MetaData()
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("suite", sa.String, nullable=False, index=True),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("plan", sa.String, nullable=False, index=True),
    sa.Column("folder", sa.String, nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.Column("n", sa.Integer),
    sa.Column("git_commit", sa.String),
    sa.Column("summary", sa.JSON),
)


@dataclass(frozen=True)
class Listed:
    """A run as the catalog knows it."""

    run_id: str
    suite: str
    status: str
    plan: str
    folder: Path
    started_at: datetime
    finished_at: datetime | None
    n: int | None
    git_commit: str | None
    summary: dict[str, Any] | None


class Catalog:
    """Runs by id, suite and plan; safe for several processes at once."""

    def __init__(self, home: Path, url: str | None = None) -> None:
        """Open, and create or migrate when needed.

        Args:
            home: the folder of the store; runs lie in ``home/runs/``.
            url: of a database elsewhere; None is SQLite in ``home``.

        Raises:
            StoreError: the folder or the database cannot be used.
        """
        self.home = home
        self.where = str(home / "catalog.sqlite")  # as messages name it
        try:
            home.mkdir(parents=True, exist_ok=True)
            ignore = home / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError as error:
            raise explained(error, home) from error
        try:
            address = sa.make_url(url) if url else sa.URL.create("sqlite", database=self.where)
            if url:
                self.where = address.render_as_string(hide_password=True)
            self.engine = sa.create_engine(address, connect_args={} if url else {"timeout": 30})
            self._migrate()
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise StoreError(f"{self.where}: the catalog cannot be opened ({_first_line(error)})") from error

    def _migrate(self) -> None:
        if self._current():
            return
        from evalkit.store.migrate import Unknown, upgrade

        try:
            upgrade(self.engine)
        except Unknown as error:
            what = "the catalog was made by a newer evalkit; upgrade, or name another store with --store"
            raise StoreError(f"{self.where}: {what}") from error

    def _current(self) -> bool:
        with self.engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return False
            return connection.execute(sa.text("select version_num from alembic_version")).scalar() == HEAD

    def begin(self, run_id: str, *, suite: str, plan: str, folder: Path, started_at: datetime) -> None:
        """Enter a run that has just started."""
        self._write(
            sa.insert(runs).values(
                run_id=run_id, suite=suite, status=RUNNING, plan=plan, folder=str(folder), started_at=started_at
            )
        )

    def finish(self, run_id: str, *, status: str, n: int, git_commit: str | None, summary: dict[str, Any]) -> None:
        """Note how a run ended."""
        self._write(
            sa.update(runs)
            .where(runs.c.run_id == run_id)
            .values(status=status, n=n, git_commit=git_commit, summary=summary, finished_at=datetime.now(UTC))
        )

    def remove(self, run_id: str) -> None:
        """Take out a run whose folder is gone."""
        self._write(sa.delete(runs).where(runs.c.run_id == run_id))

    def unfinished(self, plan: str) -> list[Listed]:
        """Runs of an equal plan that have no end yet, newest first."""
        return self._select(sa.and_(runs.c.plan == plan, runs.c.status == RUNNING))

    def finished(self, *, suite: str | None = None, plan: str | None = None) -> list[Listed]:
        """Ended runs, newest first; those of one suite or plan where named."""
        wanted = [runs.c.status != RUNNING]
        wanted += [runs.c.suite == suite] if suite else []
        wanted += [runs.c.plan == plan] if plan else []
        return self._select(sa.and_(*wanted))

    def everything(self) -> list[Listed]:
        """All runs, newest first."""
        return self._select(sa.true())

    def folder_of(self, name: str) -> Path:
        """The folder of a finished run named by its id, ``latest`` or ``latest:SUITE``.

        Raises:
            UnknownName: there is no such run.
        """
        if name == "latest" or name.startswith("latest:"):
            suite = name.partition(":")[2] or None
            known = self.finished(suite=suite)
            if not known:
                raise UnknownName("finished run", name, {f"latest:{run.suite}" for run in self.finished()}, "evalkit list runs")
            return known[0].folder
        by_id = {run.run_id: run.folder for run in self.finished()}
        if name not in by_id:
            raise UnknownName("run", name, by_id, "evalkit list runs")
        return by_id[name]

    def _select(self, condition: Any) -> list[Listed]:
        order = (runs.c.started_at.desc(), runs.c.run_id.desc())
        try:
            with self.engine.connect() as connection:
                found = connection.execute(sa.select(runs).where(condition).order_by(*order))
                return [Listed(**{**row, "folder": Path(row["folder"])}) for row in found.mappings()]
        except (sa.exc.SQLAlchemyError, ValueError, TypeError) as error:  # changed by another hand
            raise StoreError(f"{self.where}: the catalog cannot be read ({_first_line(error)})") from error

    def _write(self, statement: Any) -> None:
        try:
            with self.engine.begin() as connection:
                connection.execute(statement)
        except sa.exc.SQLAlchemyError as error:
            raise StoreError(f"{self.where}: the catalog cannot be written ({_first_line(error)})") from error


def _first_line(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).partition("\n")[0]
