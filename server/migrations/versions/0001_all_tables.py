"""All tables of the first release."""

import secrets

import sqlalchemy as sa
from alembic import op

from server.db.tables.base import Instant, Sequence

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "app_user",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("enumerator", sa.String(length=200), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_app_user")),
        sa.UniqueConstraint("name", name=op.f("uq_app_user_name")),
    )
    op.create_table(
        "audit",
        sa.Column("id", Sequence, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_table(
        "calibration_total",
        sa.Column("province", sa.String(length=100), nullable=False),
        sa.Column("area", sa.String(length=40), nullable=False),
        sa.Column("households", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("province", "area", name=op.f("pk_calibration_total")),
    )
    op.create_table(
        "certificate",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("issued_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_certificate")),
    )
    op.create_index(op.f("ix_certificate_device_id"), "certificate", ["device_id"], unique=False)
    op.create_table(
        "decision",
        sa.Column("envelope_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=False),
        sa.Column("decided_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("envelope_id", name=op.f("pk_decision")),
    )
    op.create_index(op.f("ix_decision_instance_id"), "decision", ["instance_id"], unique=False)
    op.create_table(
        "document",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("imported_at", Instant(), nullable=False),
        sa.Column("imported_by", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_document")),
    )
    op.create_table(
        "drawn_household",
        sa.Column("household_key", sa.String(length=40), nullable=False),
        sa.Column("psu", sa.String(length=40), nullable=False),
        sa.Column("listing_class", sa.Integer(), nullable=False),
        sa.Column("enumerator", sa.String(length=200), nullable=False),
        sa.Column("tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("feed_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("household_key", name=op.f("pk_drawn_household")),
        sa.UniqueConstraint("tag", name=op.f("uq_drawn_household_tag")),
    )
    op.create_index(
        op.f("ix_drawn_household_enumerator_feed_position"),
        "drawn_household",
        ["enumerator", "feed_position"],
        unique=False,
    )
    op.create_index(op.f("ix_drawn_household_psu"), "drawn_household", ["psu"], unique=False)
    op.create_table(
        "envelope",
        sa.Column("sequence", Sequence, autoincrement=True, nullable=False),
        sa.Column("envelope_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("epoch_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("certificate_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("form_version_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("door_tag", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_envelope")),
        sa.UniqueConstraint("door_tag", name=op.f("uq_envelope_door_tag")),
        sa.UniqueConstraint("envelope_id", name=op.f("uq_envelope_envelope_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_envelope_unopened",
        "envelope",
        ["state", "sequence"],
        unique=False,
        sqlite_where=sa.text("state != 'opened'"),
        postgresql_where=sa.text("state != 'opened'"),
    )
    op.create_table(
        "estimate_run",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("inputs_hash", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_estimate_run")),
    )
    op.create_table(
        "exchange_rate",
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("lcu_per_unit", sa.Numeric(precision=24, scale=10), nullable=False),
        sa.PrimaryKeyConstraint("currency", "month", name=op.f("pk_exchange_rate")),
    )
    op.create_table(
        "feed_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_head")),
    )
    op.create_table(
        "form",
        sa.Column("form_id", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("form_id", name=op.f("pk_form")),
    )
    op.create_table(
        "frame_psu",
        sa.Column("psu", sa.String(length=40), nullable=False),
        sa.Column("stratum", sa.String(length=100), nullable=False),
        sa.Column("province", sa.String(length=100), nullable=False),
        sa.Column("area", sa.String(length=40), nullable=False),
        sa.Column("frame_households", sa.Integer(), nullable=False),
        sa.Column("stratum_frame_households", sa.BigInteger(), nullable=False),
        sa.Column("drawn", sa.Boolean(), nullable=False),
        sa.Column("drawn_in_stratum", sa.Integer(), nullable=False),
        sa.Column("certainty", sa.Boolean(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("replicate", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("status_by", sa.String(length=200), nullable=True),
        sa.Column("status_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("psu", name=op.f("pk_frame_psu")),
    )
    op.create_index(op.f("ix_frame_psu_stratum"), "frame_psu", ["stratum"], unique=False)
    op.create_table(
        "keyring",
        sa.Column("serial", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_keyring")),
    )
    op.create_table(
        "listing_class",
        sa.Column("psu", sa.String(length=40), nullable=False),
        sa.Column("listing_class", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("listed", sa.Integer(), nullable=False),
        sa.Column("drawn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("psu", "listing_class", name=op.f("pk_listing_class")),
    )
    op.create_table(
        "microdata_part",
        sa.Column("part_id", sa.Integer(), nullable=False),
        sa.Column("form_version_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("analysis_path", sa.String(length=500), nullable=False),
        sa.Column("identifiers_path", sa.String(length=500), nullable=False),
        sa.Column("analysis_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("identifiers_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("part_id", name=op.f("pk_microdata_part")),
    )
    op.create_table(
        "revision_parent",
        sa.Column("child", sa.LargeBinary(length=16), nullable=False),
        sa.Column("parent", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("child", "parent", name=op.f("pk_revision_parent")),
    )
    op.create_index(op.f("ix_revision_parent_parent"), "revision_parent", ["parent"], unique=False)
    op.create_table(
        "schedule",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("every_seconds", sa.Integer(), nullable=False),
        sa.Column("lease_holder", sa.String(length=200), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("last_run_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedule")),
    )
    op.create_table(
        "user",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user")),
        sa.UniqueConstraint("name", name=op.f("uq_user_name")),
    )
    op.create_table(
        "verdict",
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("envelope_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("feed_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "envelope_id", name=op.f("pk_verdict")),
    )
    op.create_index(op.f("ix_verdict_device_id_feed_position"), "verdict", ["device_id", "feed_position"], unique=False)
    op.create_table(
        "api_token",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user.user_id"], name=op.f("fk_api_token_user_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_api_token")),
    )
    op.create_index(op.f("ix_api_token_user_id"), "api_token", ["user_id"], unique=False)
    op.create_table(
        "device",
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("certificate_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signing_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("receiving_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("enumerator", sa.String(length=200), nullable=False),
        sa.Column("team", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("last_seen_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["certificate_hash"], ["certificate.hash"], name=op.f("fk_device_certificate_hash")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device")),
    )
    op.create_index(op.f("ix_device_enumerator"), "device", ["enumerator"], unique=False)
    op.create_table(
        "form_version",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("form_id", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=1000), nullable=False),
        sa.Column("md5", sa.String(length=32), nullable=False),
        sa.Column("xform", sa.LargeBinary(), nullable=False),
        sa.Column("workbook", sa.LargeBinary(), nullable=True),
        sa.Column("workbook_name", sa.String(length=200), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("published_at", Instant(), nullable=False),
        sa.Column("published_by", sa.String(length=200), nullable=False),
        sa.Column("feed_position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["form_id"], ["form.form_id"], name=op.f("fk_form_version_form_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_form_version")),
        sa.UniqueConstraint("form_id", "version", name=op.f("uq_form_version_form_id_version")),
    )
    op.create_index(op.f("ix_form_version_feed_position"), "form_version", ["feed_position"], unique=False)
    op.create_table(
        "release",
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("cut_off", Instant(), nullable=False),
        sa.Column("published_at", Instant(), nullable=True),
        sa.Column("published_by", sa.String(length=200), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("open_holds", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["estimate_run.run_id"], name=op.f("fk_release_run_id")),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_release")),
    )
    op.create_index(op.f("ix_release_run_id"), "release", ["run_id"], unique=False)
    op.create_table(
        "revision",
        sa.Column("revision_id", Sequence, nullable=False),
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("answers_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("envelope_sequence", sa.BigInteger(), nullable=False),
        sa.Column("envelope_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("interview_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("form_version_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("device_time", sa.String(length=64), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("part_id", sa.Integer(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["part_id"], ["microdata_part.part_id"], name=op.f("fk_revision_part_id")),
        sa.PrimaryKeyConstraint("revision_id", name=op.f("pk_revision")),
        sa.UniqueConstraint("instance_id", "answers_hash", name=op.f("uq_revision_instance_id_answers_hash")),
    )
    op.create_index(op.f("ix_revision_envelope_id"), "revision", ["envelope_id"], unique=False)
    op.create_index(op.f("ix_revision_interview_id"), "revision", ["interview_id"], unique=False)
    op.create_index(op.f("ix_revision_part_id"), "revision", ["part_id"], unique=False)
    op.create_table(
        "enrolment_token",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("enumerator", sa.String(length=200), nullable=False),
        sa.Column("team", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("used_at", Instant(), nullable=True),
        sa.Column("device_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_enrolment_token_device_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_enrolment_token")),
    )
    op.create_table(
        "interview",
        sa.Column("interview_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("form_id", sa.String(length=200), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("current_revision_id", Sequence, nullable=True),
        sa.Column("household_tag", sa.LargeBinary(length=32), nullable=True),
        sa.Column("holds", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["current_revision_id"], ["revision.revision_id"], name=op.f("fk_interview_current_revision_id")
        ),
        sa.PrimaryKeyConstraint("interview_id", name=op.f("pk_interview")),
    )
    op.create_index(op.f("ix_interview_current_revision_id"), "interview", ["current_revision_id"], unique=False)
    op.create_index(op.f("ix_interview_household_tag"), "interview", ["household_tag"], unique=False)
    feed_head = sa.table("feed_head", sa.column("id"), sa.column("epoch"), sa.column("position"))
    op.bulk_insert(feed_head, [{"id": 1, "epoch": secrets.token_hex(8), "position": 0}])
