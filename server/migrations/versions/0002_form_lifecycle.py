"""The life of a form version: drafts, approval, closing and retiring; migration maps; media; who did what."""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

from server.db.tables.base import Instant, Sequence

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("form", sa.Column("needs_approval", sa.Boolean(), server_default=sa.false(), nullable=False))
    _widen_versions()
    op.create_table(
        "form_event",
        sa.Column("event_id", Sequence, nullable=False),
        sa.Column("form_id", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("form_version_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["form_id"], ["form.form_id"], name=op.f("fk_form_event_form_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_form_event")),
    )
    op.create_index(op.f("ix_form_event_form_id_version"), "form_event", ["form_id", "version"], unique=False)
    op.create_table(
        "form_medium_content",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("md5", sa.String(length=32), nullable=False),
        sa.Column("length_bytes", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_form_medium_content")),
    )
    op.create_table(
        "form_medium",
        sa.Column("form_version_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["form_version_hash"],
            ["form_version.hash"],
            name=op.f("fk_form_medium_form_version_hash"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["sha256"], ["form_medium_content.sha256"], name=op.f("fk_form_medium_sha256")),
        sa.PrimaryKeyConstraint("form_version_hash", "name", name=op.f("pk_form_medium")),
    )
    op.create_index(op.f("ix_form_medium_sha256"), "form_medium", ["sha256"], unique=False)
    _tell_what_was_published()


def _widen_versions() -> None:
    """Add what is new, fill it for what was published before, and only then demand it."""
    with op.batch_alter_table("form_version") as table:
        table.add_column(sa.Column("package_hash", sa.LargeBinary(length=32), nullable=True))
        table.add_column(sa.Column("map_document", sa.LargeBinary(), nullable=True))
        table.add_column(sa.Column("previous_hash", sa.LargeBinary(length=32), nullable=True))
        table.add_column(sa.Column("submitted_at", Instant(), nullable=True))
        table.add_column(sa.Column("submitted_by", sa.String(length=200), nullable=True))
        table.add_column(sa.Column("published_position", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("retired_at", Instant(), nullable=True))
    _fill_versions()
    with op.batch_alter_table("form_version") as table:
        table.alter_column("package_hash", existing_type=sa.LargeBinary(length=32), nullable=False)
        table.alter_column("submitted_at", existing_type=Instant(), nullable=False)
        table.alter_column("submitted_by", existing_type=sa.String(length=200), nullable=False)
        table.alter_column("published_at", existing_type=Instant(), nullable=True)
        table.alter_column("published_by", existing_type=sa.String(length=200), nullable=True)
        table.alter_column("feed_position", existing_type=sa.BigInteger(), nullable=True)


def _fill_versions() -> None:
    """Everything that is there was published by whoever submitted it, without media, one after the other."""
    versions = sa.table(
        "form_version",
        sa.column("hash", sa.LargeBinary()),
        sa.column("form_id"),
        sa.column("feed_position"),
        sa.column("package_hash", sa.LargeBinary()),
        sa.column("previous_hash", sa.LargeBinary()),
        sa.column("submitted_at", Instant()),
        sa.column("submitted_by"),
        sa.column("published_at", Instant()),
        sa.column("published_by"),
        sa.column("published_position"),
    )
    rows = op.get_bind().execute(sa.select(versions).order_by(versions.c.feed_position, versions.c.hash)).all()
    last: dict[str, bytes] = {}
    for row in rows:
        op.execute(
            versions.update()
            .where(versions.c.hash == row.hash)
            .values(
                package_hash=_package_hash(row.hash),
                previous_hash=last.get(row.form_id),
                submitted_at=row.published_at,
                submitted_by=row.published_by,
                published_position=row.feed_position,
            )
        )
        last[row.form_id] = row.hash


def _package_hash(xform_hash: bytes) -> bytes:
    """As `forms.package` makes it, of a version without media."""
    manifest = {"media": [], "xform": xform_hash.hex()}
    return hashlib.sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()).digest()


def _tell_what_was_published() -> None:
    """Begin the events with the publications that there were."""
    op.execute(
        "INSERT INTO form_event (form_id, version, form_version_hash, at, actor, action, note)"
        " SELECT form_id, version, hash, published_at, published_by, 'published', note FROM form_version"
        " ORDER BY feed_position, hash"
    )
