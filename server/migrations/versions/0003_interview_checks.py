"""Findings of checking opened interviews, and scores of comparing them."""

import sqlalchemy as sa
from alembic import op

from server.db.tables.base import Instant, Sequence

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "interview_check",
        sa.Column("revision_id", Sequence, autoincrement=False, nullable=False),
        sa.Column("checked_at", Instant(), nullable=False),
        sa.Column("form_version_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("checker_version", sa.Integer(), nullable=False),
        sa.Column("basis", sa.LargeBinary(length=32), nullable=False),
        sa.Column("household_tag", sa.LargeBinary(length=32), nullable=True),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("holds", sa.String(length=100), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("revision_id", name=op.f("pk_interview_check")),
    )
    op.create_table(
        "check_score",
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("computed_at", Instant(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "subject", name=op.f("pk_check_score")),
    )
