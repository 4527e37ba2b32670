"""What monitors have seen: windows, incidents, and alerts that must arrive."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "monitors",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("plan", sa.String, nullable=False),
        sa.Column("state", sa.JSON),
    )
    op.create_table(
        "windows",
        sa.Column("monitor", sa.String, primary_key=True),
        sa.Column("start", sa.Float, primary_key=True),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("late", sa.Integer, nullable=False),
        sa.Column("seen", sa.JSON, nullable=False),
    )
    op.create_table(
        "incidents",
        sa.Column("monitor", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("found", sa.Float, nullable=False),
        sa.Column("closed", sa.Float),
        sa.Column("told", sa.JSON, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("sink", sa.String, primary_key=True),
        sa.Column("monitor", sa.String, nullable=False),
        sa.Column("alert", sa.JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("delivered", sa.Boolean, nullable=False),
        sa.Column("failure", sa.String),
    )
    op.create_index("ix_outbox_monitor", "outbox", ["monitor", "delivered"])


def downgrade() -> None:
    for name in ("outbox", "incidents", "windows", "monitors"):
        op.drop_table(name)
