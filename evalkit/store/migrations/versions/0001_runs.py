"""The table of runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("suite", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("plan", sa.String, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("n", sa.Integer),
        sa.Column("git_commit", sa.String),
        sa.Column("summary", sa.JSON),
    )
    op.create_index("ix_runs_suite", "runs", ["suite"])
    op.create_index("ix_runs_plan", "runs", ["plan"])


def downgrade() -> None:
    op.drop_table("runs")
