"""Entity lists, their changes and versions, and the files that tablets get of them."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from forms.definition import FormDefinition, XFormError
from forms.entities import possible_lists
from server.db.queries.schedule import AFTER_UPDATE
from server.db.tables.base import Instant, Sequence

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    _add_lists()
    _add_changes()
    _add_entities()
    _name_lists_of_published_forms()
    _note_what_is_to_be_derived()


def _add_lists() -> None:
    op.create_table(
        "entity_list",
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("needs_approval", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("properties", sa.Text(), nullable=False),
        sa.Column("assigned_property", sa.String(length=100), nullable=False),
        sa.Column("assigned_to", sa.String(length=20), nullable=False),
        sa.Column("changes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changes_in_files", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.project_id"], name=op.f("fk_entity_list_project_id")),
        sa.PrimaryKeyConstraint("list_id", name=op.f("pk_entity_list")),
    )
    op.create_index(op.f("ix_entity_list_project_id_name"), "entity_list", ["project_id", "name"], unique=True)
    op.create_table(
        "form_entity_list",
        sa.Column("form_version_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("form_version_hash", "name", name=op.f("pk_form_entity_list")),
    )


def _add_changes() -> None:
    op.create_table(
        "entity_change",
        sa.Column("change_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("entity_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("envelope_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("instance_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("answers_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("trunk_version", sa.Integer(), nullable=False),
        sa.Column("branch_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["entity_list.list_id"], name=op.f("fk_entity_change_list_id")),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_entity_change")),
    )
    op.create_index(op.f("ix_entity_change_instance_id"), "entity_change", ["instance_id"], unique=False)
    op.create_index(op.f("ix_entity_change_list_id_entity_id"), "entity_change", ["list_id", "entity_id"], unique=False)
    op.create_table(
        "entity_version",
        sa.Column("entity_version_id", Sequence, nullable=False),
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("entity_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("change_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("is_counted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("entity_version_id", name=op.f("pk_entity_version")),
    )
    op.create_index(
        op.f("ix_entity_version_list_id_entity_id"), "entity_version", ["list_id", "entity_id"], unique=False
    )


def _add_entities() -> None:
    op.create_table(
        "entity",
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("entity_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_recorded", sa.Boolean(), nullable=False),
        sa.Column("conflicts", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["entity_list.list_id"], name=op.f("fk_entity_list_id")),
        sa.PrimaryKeyConstraint("list_id", "entity_id", name=op.f("pk_entity")),
    )
    op.create_index(
        "ix_entity_unrecorded",
        "entity",
        ["list_id"],
        unique=False,
        sqlite_where=sa.text("NOT is_recorded"),
        postgresql_where=sa.text("NOT is_recorded"),
    )
    op.create_table(
        "entity_snapshot",
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("md5", sa.String(length=32), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("length_bytes", sa.Integer(), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["entity_list.list_id"], name=op.f("fk_entity_snapshot_list_id")),
        sa.PrimaryKeyConstraint("list_id", "tag", name=op.f("pk_entity_snapshot")),
    )


def _name_lists_of_published_forms() -> None:
    """Say of every version which lists it may use; the lists themselves come with their first interview or by hand."""
    connection = op.get_bind()
    versions = connection.execute(sa.text("SELECT hash, xform FROM form_version")).all()
    media = connection.execute(sa.text("SELECT form_version_hash, name FROM form_medium")).all()
    uses = [
        {"form_version_hash": bytes(digest), "name": name}
        for digest, xform in versions
        for name in sorted(_lists(bytes(xform), [name for owner, name in media if bytes(owner) == bytes(digest)]))
    ]
    if uses:
        table = sa.table("form_entity_list", sa.column("form_version_hash", sa.LargeBinary()), sa.column("name"))
        op.bulk_insert(table, uses)


def _note_what_is_to_be_derived() -> None:
    """Have the worker open former interviews again, for media that they name and entities that they write."""
    is_any = "SELECT 1 FROM envelope WHERE kind = 2 AND state = 'opened' LIMIT 1"
    if op.get_bind().execute(sa.text(is_any)).first() is None:
        return
    table = sa.table("schedule", sa.column("name"), sa.column("due_at", Instant()), sa.column("every_seconds"))
    op.bulk_insert(table, [{"name": AFTER_UPDATE, "due_at": datetime.now(UTC), "every_seconds": 0}])


def _lists(xform: bytes, media: list[str]) -> frozenset[str]:
    if b"entity" not in xform and b".csv" not in xform and b"pulldata" not in xform:
        return frozenset()
    try:
        return possible_lists(FormDefinition.parse(xform), xform, media)
    except XFormError:
        return frozenset()
