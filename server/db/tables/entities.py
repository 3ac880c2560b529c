"""Entity lists, the changes of their entities, and what tablets get of them.

Lists are set up by people; which versions have been counted, and which change first counted in which, is kept for ever,
as tablets name versions. The rest is a projection. Labels and properties are sealed; ids and versions are clear.
"""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.base import Base, Instant, Sequence, partial_index


class EntityList(Base):
    """A list of entities of one project.

    Attributes:
        mode: of the interviews whose changes count; those of training never mix with the survey's.
        needs_approval: changes count when the office has approved the interview that they stand in.
        properties: their names as a JSON list, in the order of the columns that tablets get.
        assigned_property: the property that says whose an entity is; empty where everybody gets all.
        assigned_to: enumerator | team.
        changes: grows with whatever changes in the list.
        changes_in_files: how many of them are in the files of tablets, which are behind while these are fewer.
        feed_position: the last one at which tablets with our own client find something of it.
    """

    __tablename__ = "entity_list"

    list_id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.project_id"))
    name: Mapped[str] = mapped_column(String(100))
    mode: Mapped[str] = mapped_column(String(20))
    needs_approval: Mapped[bool] = mapped_column(default=False, server_default=false())
    properties: Mapped[str] = mapped_column(Text)
    assigned_property: Mapped[str] = mapped_column(String(100))
    assigned_to: Mapped[str] = mapped_column(String(20))
    changes: Mapped[int] = mapped_column(default=0, server_default="0")
    changes_in_files: Mapped[int] = mapped_column(default=0, server_default="0")
    feed_position: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[str] = mapped_column(String(200))

    __table_args__ = (Index(None, "project_id", "name", unique=True),)


class FormEntityList(Base):
    """The name of a list that a form version reads or writes, if there is such a list in its project."""

    __tablename__ = "form_entity_list"

    form_version_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)


class EntityChange(Base):
    """One change of an entity, of an interview (`instance_id`, `answers_hash`) or of the office (neither).

    See `sync_protocol.entities.EntityChange`; `sealed` holds what it writes, and what an office change had seen.
    """

    __tablename__ = "entity_change"

    change_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("entity_list.list_id"))
    entity_id: Mapped[bytes] = mapped_column(LargeBinary(16))
    action: Mapped[str] = mapped_column(String(10))
    envelope_id: Mapped[bytes] = mapped_column(LargeBinary(32))
    instance_id: Mapped[bytes | None] = mapped_column(LargeBinary(16), index=True)
    answers_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    row: Mapped[int]
    base_version: Mapped[int]
    trunk_version: Mapped[int]
    branch_id: Mapped[bytes] = mapped_column(LargeBinary(16))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (Index(None, "list_id", "entity_id"),)


class EntityVersion(Base):
    """From which version of its entity on a change counts, or does no longer; never altered, never removed."""

    __tablename__ = "entity_version"

    entity_version_id: Mapped[int] = mapped_column(Sequence, primary_key=True)
    list_id: Mapped[int]
    entity_id: Mapped[bytes] = mapped_column(LargeBinary(16))
    version: Mapped[int]
    change_id: Mapped[bytes] = mapped_column(LargeBinary(16))
    is_counted: Mapped[bool]

    __table_args__ = (Index(None, "list_id", "entity_id"),)


class Entity(Base):
    """What its changes make of an entity.

    Attributes:
        state: live | deleted | waiting (for its creation) | pending (no change counts yet).
        version: the last recorded one; 0 for none.
        is_recorded: nothing has changed since.
        conflicts: how many properties have differing claims.
        sealed: label, properties and claims.
    """

    __tablename__ = "entity"

    list_id: Mapped[int] = mapped_column(ForeignKey("entity_list.list_id"), primary_key=True)
    entity_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    version: Mapped[int]
    is_recorded: Mapped[bool]
    conflicts: Mapped[int]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (partial_index("ix_entity_unrecorded", "list_id", where="NOT is_recorded"),)


class EntityHolder(Base):
    """Whose tablets with our own client an entity was given to, and where they find its last change; never removed.

    Attributes:
        tag: zeros for those of everybody, else an HMAC of whose, as `EntitySnapshot` has it.
        is_current: False once it is theirs no more: they forget it.
        feed_position: where they find that.
    """

    __tablename__ = "entity_holder"

    list_id: Mapped[int] = mapped_column(primary_key=True)
    entity_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    tag: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    is_current: Mapped[bool]
    feed_position: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index(None, "list_id", "tag", "feed_position"),)


class EntitySnapshot(Base):
    """The file of a list as tablets get it; `tag` is zeros for the whole list, else an HMAC of whose part it is."""

    __tablename__ = "entity_snapshot"

    list_id: Mapped[int] = mapped_column(ForeignKey("entity_list.list_id"), primary_key=True)
    tag: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    md5: Mapped[str] = mapped_column(String(32))
    rows: Mapped[int]
    length_bytes: Mapped[int]
    made_at: Mapped[datetime] = mapped_column(Instant)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
