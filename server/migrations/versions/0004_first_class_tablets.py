"""Projects and who belongs to them; app users with forms and passwords; media of interviews."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from server.db.tables.accounts import FIRST_PROJECT
from server.db.tables.base import Instant, Sequence

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _add_projects()
    _widen_accounts()
    _remake_app_users()
    _widen_envelopes()
    _add_media()
    _name_senders()
    _index_intake()


def _add_projects() -> None:
    """Make the first project, to which everything belongs that was there before."""
    project = op.create_table(
        "project",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("archived_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
    )
    op.bulk_insert(project, [{"name": "Survey", "created_at": datetime.now(UTC), "archived_at": None}])
    for table in ("form", "device", "enrolment_token", "drawn_household"):
        # No foreign key: SQLite cannot add one with a default, nor remake a table that others refer to.
        op.add_column(table, sa.Column("project_id", sa.Integer(), server_default=str(FIRST_PROJECT), nullable=False))


def _widen_accounts() -> None:
    op.add_column("user", sa.Column("team", sa.String(length=200), server_default="", nullable=False))
    op.add_column("user", sa.Column("enumerator", sa.String(length=200), server_default="", nullable=False))
    op.add_column("user", sa.Column("is_in_every_project", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("user", sa.Column("disabled_at", Instant(), nullable=True))
    op.add_column("user", sa.Column("session_epoch", sa.Integer(), server_default="0", nullable=False))
    op.add_column("api_token", sa.Column("label", sa.String(length=200), server_default="", nullable=False))
    op.add_column("api_token", sa.Column("expires_at", Instant(), nullable=True))
    op.create_table(
        "project_member",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.user_id"], name=op.f("fk_project_member_user_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.project_id"], name=op.f("fk_project_member_project_id")),
        sa.PrimaryKeyConstraint("user_id", "project_id", name=op.f("pk_project_member")),
    )
    op.create_table(
        "failed_login",
        sa.Column("failed_login_id", Sequence, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("failed_login_id", name=op.f("pk_failed_login")),
    )
    op.create_index(op.f("ix_failed_login_key_hash_at"), "failed_login", ["key_hash", "at"], unique=False)


def _remake_app_users() -> None:
    """Give app users a number and a project; their tokens stay what they were."""
    former_table = sa.table(
        "app_user",
        sa.column("token_hash", sa.LargeBinary()),
        *(sa.column(name, sa.String()) for name in ("name", "enumerator", "mode")),
        *(sa.column(name, Instant()) for name in ("created_at", "revoked_at")),
    )
    query = sa.select(former_table).order_by(former_table.c.created_at, former_table.c.name)
    former = op.get_bind().execute(query).mappings().all()
    op.drop_table("app_user")
    table = op.create_table(
        "app_user",
        sa.Column("app_user_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("enumerator", sa.String(length=200), nullable=False),
        sa.Column("team", sa.String(length=200), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("is_for_every_form", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.project_id"], name=op.f("fk_app_user_project_id")),
        sa.PrimaryKeyConstraint("app_user_id", name=op.f("pk_app_user")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_app_user_token_hash")),
        sa.UniqueConstraint("name", name=op.f("uq_app_user_name")),
        sa.UniqueConstraint("username", name=op.f("uq_app_user_username")),
    )
    op.create_index(op.f("ix_app_user_project_id"), "app_user", ["project_id"], unique=False)
    op.bulk_insert(table, [{**row, "project_id": FIRST_PROJECT, "team": "", "language": ""} for row in former])
    op.create_table(
        "app_user_form",
        sa.Column("app_user_id", sa.Integer(), nullable=False),
        sa.Column("form_id", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["app_user_id"], ["app_user.app_user_id"], name=op.f("fk_app_user_form_app_user_id")),
        sa.ForeignKeyConstraint(["form_id"], ["form.form_id"], name=op.f("fk_app_user_form_form_id")),
        sa.PrimaryKeyConstraint("app_user_id", "form_id", name=op.f("pk_app_user_form")),
    )


def _widen_envelopes() -> None:
    op.add_column("envelope", sa.Column("app_user_id", sa.Integer(), nullable=True))
    op.add_column("envelope", sa.Column("form_named", sa.String(length=420), nullable=True))
    op.add_column("envelope", sa.Column("blob_sha256", sa.LargeBinary(length=32), nullable=True))
    op.create_index(
        "ix_envelope_blob",
        "envelope",
        ["blob_sha256"],
        unique=False,
        sqlite_where=sa.text("blob_sha256 IS NOT NULL"),
        postgresql_where=sa.text("blob_sha256 IS NOT NULL"),
    )
    op.create_index(
        "ix_envelope_medium_of",
        "envelope",
        ["instance_id"],
        unique=False,
        sqlite_where=sa.text("blob_sha256 IS NOT NULL"),
        postgresql_where=sa.text("blob_sha256 IS NOT NULL"),
    )
    op.add_column("interview", sa.Column("checked_basis", sa.LargeBinary(length=32), nullable=True))
    op.create_index(op.f("ix_interview_checked_basis"), "interview", ["checked_basis"], unique=False)
    op.add_column("interview", sa.Column("review", sa.String(length=20), server_default="", nullable=False))


def _add_media() -> None:
    op.create_table(
        "attachment",
        sa.Column("envelope_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name_tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("blob_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("is_beside_ciphertext", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("envelope_id", name=op.f("pk_attachment")),
    )
    op.create_index(op.f("ix_attachment_instance_id"), "attachment", ["instance_id"], unique=False)
    op.create_table(
        "wanted_medium",
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name_tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("is_here", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "name_tag", name=op.f("pk_wanted_medium")),
    )
    op.create_index(
        "ix_wanted_medium_missing",
        "wanted_medium",
        ["instance_id"],
        unique=False,
        sqlite_where=sa.text("NOT is_here"),
        postgresql_where=sa.text("NOT is_here"),
    )
    op.create_table(
        "odk_key",
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("public_key", sa.String(length=2000), nullable=False),
        sa.Column("is_managed", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_odk_key")),
    )


def _name_senders() -> None:
    """Say who sent what came to the door: an opened interview names its app user. The name of a sealed one is in it."""
    op.execute(
        "UPDATE envelope SET app_user_id = ("
        " SELECT min(app_user.app_user_id) FROM revision JOIN app_user ON app_user.name = revision.source"
        " WHERE revision.envelope_id = envelope.envelope_id"
        ") WHERE carrier = 'door' AND kind = 2"
    )


def _index_intake() -> None:
    """Let the intake page find what it shows without looking at all that ever came."""
    of_interviews = "kind = 2"
    from_collect = f"{of_interviews} AND app_user_id IS NOT NULL"
    _partial_index("ix_envelope_unopened_instance", "envelope", ["instance_id"], "state != 'opened'")
    _partial_index("ix_envelope_of_app_user", "envelope", ["app_user_id", "sequence"], from_collect)
    _partial_index(
        "ix_envelope_of_device", "envelope", ["carrier", "sequence"], f"{of_interviews} AND app_user_id IS NULL"
    )
    _partial_index("ix_envelope_of_form", "envelope", ["form_version_hash", "sequence"], of_interviews)
    _partial_index("ix_envelope_decision", "envelope", ["sequence"], "kind = 5")
    _partial_index("ix_envelope_arrived", "envelope", ["received_at", "sequence"], of_interviews)
    unsettled = "holds != '' OR state NOT IN ('current', 'incomplete-history')"
    _partial_index("ix_interview_unsettled", "interview", ["state", "current_revision_id"], unsettled)
    _partial_index("ix_interview_check_held", "interview_check", ["revision_id"], "holds != ''")


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(
        name, table, columns, unique=False, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition)
    )
