"""Bringing a catalog to the newest schema, through Alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError


class Unknown(Exception):
    """The database is at a revision that this evalkit does not have."""


def upgrade(engine: sa.Engine) -> None:
    """Run every migration that the database lacks; two processes may do it at once.

    Raises:
        Unknown: a newer evalkit has been here.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("begin immediate")  # a second process waits here, then finds nothing to do
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Unknown(str(error)) from error
