"""What tablets and office do beside interviews: media in parts, returns, drafts, erasures, wipes, backups."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from server.db.tables.base import Instant, Sequence

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    _widen_devices()
    _add_holders()
    _add_column("schedule", "failures", sa.Integer(), default="0")
    _add_column("form_version", "dictionary_hash", sa.LargeBinary(length=32))
    _add_uploads()
    _add_what_tablets_get()
    _add_proposals()
    _add_backups()
    is_opened = sa.text("state = 'opened' AND instance_id IS NOT NULL")
    op.create_index(
        "ix_envelope_opened_instance",
        "envelope",
        ["instance_id"],
        unique=False,
        sqlite_where=is_opened,
        postgresql_where=is_opened,
    )
    is_draft = sa.text("kind = 3")
    op.create_index(
        "ix_envelope_draft",
        "envelope",
        ["sequence"],
        unique=False,
        sqlite_where=is_draft,
        postgresql_where=is_draft,
    )
    op.create_index(op.f("ix_attachment_blob_sha256"), "attachment", ["blob_sha256"], unique=False)


def _add_column(table: str, name: str, kind: sa.types.TypeEngine[Any], *, default: str | None = None) -> None:
    op.add_column(table, sa.Column(name, kind, server_default=default, nullable=default is None))


def _widen_devices() -> None:
    for name in ("revoked_position", "clock_offset_seconds", "wipe_position"):
        _add_column("device", name, sa.BigInteger())
    _add_column("device", "wipe_document", sa.LargeBinary())
    _add_column("device", "quota_day", sa.String(length=10), default="")
    _add_column("device", "quota_envelopes", sa.Integer(), default="0")
    _add_column("device", "quota_media_day", sa.String(length=10), default="")
    for name in ("quota_bytes", "quota_media_bytes", "keyring_serial"):
        _add_column("device", name, sa.BigInteger(), default="0")
    _add_column("device", "backlog", sa.String(length=400), default="")


def _add_holders() -> None:
    """Let all entities be recorded once more: that puts them into the feed."""
    op.create_table(
        "entity_holder",
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("entity_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("feed_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "entity_id", "tag", name=op.f("pk_entity_holder")),
    )
    columns = ["list_id", "tag", "feed_position"]
    op.create_index(op.f("ix_entity_holder_list_id_tag_feed_position"), "entity_holder", columns, unique=False)
    _add_column("entity_list", "feed_position", sa.BigInteger(), default="0")
    op.execute("UPDATE entity SET is_recorded = false")
    op.execute("UPDATE entity_list SET changes = changes + 1")


def _add_uploads() -> None:
    op.create_table(
        "upload",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("begun_at", Instant(), nullable=False),
        sa.Column("completed_at", Instant(), nullable=True),
        sa.Column("is_settled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "carrier", name=op.f("pk_upload")),
    )
    op.create_index(op.f("ix_upload_carrier"), "upload", ["carrier"], unique=False)
    _add_partial_index("ix_upload_unsettled", "completed_at", where="completed_at IS NOT NULL AND NOT is_settled")
    _add_partial_index("ix_upload_under_way", "begun_at", where="completed_at IS NULL")
    op.create_table(
        "manifest_medium",
        sa.Column("envelope_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name_tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("blob_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("envelope_id", "name_tag", name=op.f("pk_manifest_medium")),
    )
    for column in ("instance_id", "blob_sha256"):
        op.create_index(op.f(f"ix_manifest_medium_{column}"), "manifest_medium", [column], unique=False)


def _add_partial_index(name: str, column: str, *, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "upload", [column], unique=False, sqlite_where=condition, postgresql_where=condition)


def _add_what_tablets_get() -> None:
    op.create_table(
        "returned_interview",
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("interview_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("form_version_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("enumerator", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("decision_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("feed_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("pk_returned_interview")),
    )
    op.create_index(op.f("ix_returned_interview_interview_id"), "returned_interview", ["interview_id"], unique=False)
    op.create_table(
        "sealed_draft",
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("envelope_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("envelope_sequence", sa.BigInteger(), nullable=False),
        sa.Column("device_sequence", sa.BigInteger(), nullable=False),
        sa.Column("form_version_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("enumerator", sa.String(length=200), nullable=False),
        sa.Column("feed_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "device_id", name=op.f("pk_sealed_draft")),
    )
    for table in ("returned_interview", "sealed_draft"):
        columns = ["project_id", "enumerator", "feed_position"]
        op.create_index(op.f(f"ix_{table}_project_id_enumerator_feed_position"), table, columns, unique=False)
    op.create_table(
        "erasure",
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("interview_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("erased_at", Instant(), nullable=False),
        sa.Column("feed_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("pk_erasure")),
    )
    op.create_index(op.f("ix_erasure_interview_id"), "erasure", ["interview_id"], unique=False)
    op.create_index(op.f("ix_erasure_feed_position"), "erasure", ["feed_position"], unique=False)


def _add_proposals() -> None:
    op.create_table(
        "proposal",
        sa.Column("proposal_id", Sequence, nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("sealed_note", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("proposed_by", sa.String(length=200), nullable=False),
        sa.Column("proposed_at", Instant(), nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_proposal")),
    )
    op.create_index(op.f("ix_proposal_subject"), "proposal", ["subject"], unique=False)


def _add_backups() -> None:
    op.create_table(
        "backup",
        sa.Column("backup_id", Sequence, nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("backup_id", name=op.f("pk_backup")),
    )
