"""The catalog: migrations give the tables that the code uses, and several processes may write at once."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from evalkit.core.errors import StoreError, UnknownName
from evalkit.store.catalog import HEAD, Catalog, metadata


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    opened = Catalog(tmp_path / "store")
    yield opened
    opened.engine.dispose()


def begin(catalog: Catalog, run_id: str, *, suite: str = "s", plan: str = "p", age: int = 0) -> None:
    started = datetime.now(UTC) - timedelta(minutes=age)
    catalog.begin(run_id, suite=suite, plan=plan, folder=catalog.home / "runs" / run_id, started_at=started)


def end(catalog: Catalog, run_id: str, status: str = "passed") -> None:
    catalog.finish(run_id, status=status, n=3, git_commit="abc", summary={"metrics": {"x": 1.5}})


def test_the_migrations_build_exactly_the_tables_that_the_code_describes(catalog: Catalog) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    import evalkit.store.monitors  # noqa: F401 - its tables are described there

    with catalog.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, metadata) == []


def test_the_newest_migration_is_the_one_that_the_catalog_expects() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    import evalkit.store.migrate as migrate

    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_run_is_unfinished_until_it_is_finished(catalog: Catalog) -> None:
    begin(catalog, "one", age=2)
    begin(catalog, "two", age=1)
    assert [run.run_id for run in catalog.unfinished("p")] == ["two", "one"]
    end(catalog, "two")
    assert [run.run_id for run in catalog.unfinished("p")] == ["one"]
    (done,) = catalog.finished()
    assert (done.n, done.git_commit, done.summary) == (3, "abc", {"metrics": {"x": 1.5}})


def test_latest_is_the_newest_finished_run_never_one_under_way(catalog: Catalog) -> None:
    begin(catalog, "old", age=9)
    begin(catalog, "new", age=5)
    begin(catalog, "running")
    begin(catalog, "other", suite="t", age=1)
    for run_id in ("old", "new", "other"):
        end(catalog, run_id)
    assert catalog.folder_of("latest:s").name == "new"
    assert catalog.folder_of("latest").name == "other"
    assert catalog.folder_of("old").name == "old"
    with pytest.raises(UnknownName, match="did you mean"):
        catalog.folder_of("odl")


def test_a_catalog_of_a_newer_evalkit_is_refused(tmp_path: Path) -> None:
    opened = Catalog(tmp_path)
    with opened.engine.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    opened.engine.dispose()
    with pytest.raises(StoreError, match=r"newer evalkit|9999"):
        Catalog(tmp_path)


def test_a_damaged_catalog_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").write_bytes(b"this is no database at all, whatever its name says" * 40)
    with pytest.raises(StoreError, match="the catalog cannot be opened"):
        Catalog(tmp_path)


CODE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from evalkit.store.catalog import Catalog
home, name = sys.argv[1:]
catalog = Catalog(Path(home))
for number in range(20):
    run_id = f"{name}-{number}"
    catalog.begin(run_id, suite="s", plan="p", folder=Path(home), started_at=datetime.now(UTC))
    catalog.finish(run_id, status="passed", n=1, git_commit=None, summary={})
"""


def test_processes_that_open_a_new_store_at_once_all_write_to_it(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path / "store"), name]) for name in "abc"]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    opened = Catalog(tmp_path / "store")
    assert len(opened.finished()) == 60
    opened.engine.dispose()


@pytest.fixture
def postgres(tmp_path: Path) -> Any:
    """A private PostgreSQL of its own, where Debian's binaries are; it never runs as root."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or (os.geteuid() == 0 and shutil.which("runuser") is None):
        pytest.skip("PostgreSQL is not installed here")
    if os.geteuid() == 0 and subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if user:
            shutil.chown(folder, "postgres")
        tools = found[-1].parent
        quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        subprocess.run([*user, tools / "initdb", "-D", f"{folder}/d", "-A", "trust", "-U", "evalkit"], **quiet)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        subprocess.run(
            [*user, tools / "pg_ctl", "-D", f"{folder}/d", "-o", options, "-l", f"{folder}/log", "-w", "start"], **quiet
        )
        try:
            yield f"postgresql+psycopg://evalkit:secret@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*user, tools / "pg_ctl", "-D", f"{folder}/d", "-m", "immediate", "stop"], **quiet)


def test_a_team_may_keep_its_catalog_in_postgresql(tmp_path: Path, postgres: str) -> None:
    opened, again = Catalog(tmp_path, postgres), Catalog(tmp_path, postgres)
    begin(opened, "r-1")
    end(opened, "r-1")
    assert again.folder_of("latest:s").name == "r-1"
    assert again.finished()[0].summary == {"metrics": {"x": 1.5}}
    for each in (opened, again):
        each.engine.dispose()


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"@127\.0\.0\.1:1/x: the catalog cannot be opened") as caught:
        Catalog(tmp_path, "postgresql+psycopg://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)


def test_an_address_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the catalog cannot be opened"):
        Catalog(tmp_path, "nosuchdatabase://x/y")
