"""Forms, their immutable versions with the very bytes that devices download, their media, and who did what to them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.accounts import FIRST_PROJECT
from server.db.tables.base import Base, Instant, Sequence


class Form(Base):
    """A questionnaire of one project, by its form_id; `needs_approval`: a second person publishes what one wrote."""

    __tablename__ = "form"

    form_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    title: Mapped[str] = mapped_column(String(1000))
    needs_approval: Mapped[bool] = mapped_column(default=False, server_default=false())
    project_id: Mapped[int] = mapped_column(default=FIRST_PROJECT, server_default=str(FIRST_PROJECT))


class FormVersion(Base):
    """One version; what tablets may have seen of it never changes.

    Attributes:
        hash: SHA-256 of `xform`; `md5` is its MD5 in hex, as OpenRosa lists show it.
        state: draft | published | closed | retired.
        package_hash: SHA-256 of the canonical manifest: the XForm and all media by name and hash.
        map_document: how answers of the version published before this one are read under it; None without a map.
        previous_hash: the version published before this one, None for the first of a form. Of a draft: the one that it
            was compared with.
        published_at, published_by, published_position: when, by whom and where in the feed it was first published; None
            for a draft. The positions order the versions of a form; they never change.
        retired_at: interviews that arrive later are set aside.
        feed_position: where tablets find its last change of state; None for a draft, which they never see.
        dictionary_hash: SHA-256 of the file with which tablets deflate interviews on it, one of its media's contents;
            None for a version from before dictionaries.
    """

    __tablename__ = "form_version"

    hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    form_id: Mapped[str] = mapped_column(ForeignKey("form.form_id"))
    version: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(1000))
    md5: Mapped[str] = mapped_column(String(32))
    xform: Mapped[bytes] = mapped_column(LargeBinary)
    workbook: Mapped[bytes | None] = mapped_column(LargeBinary)
    workbook_name: Mapped[str | None] = mapped_column(String(200))
    package_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    map_document: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    state: Mapped[str] = mapped_column(String(20))
    note: Mapped[str]
    submitted_at: Mapped[datetime] = mapped_column(Instant)
    submitted_by: Mapped[str] = mapped_column(String(200))
    published_at: Mapped[datetime | None] = mapped_column(Instant)
    published_by: Mapped[str | None] = mapped_column(String(200))
    published_position: Mapped[int | None] = mapped_column(BigInteger)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)
    feed_position: Mapped[int | None] = mapped_column(BigInteger)
    dictionary_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))

    __table_args__ = (UniqueConstraint("form_id", "version"), Index(None, "feed_position"))


class FormEvent(Base):
    """What a person did to a version: action submitted | approved | published | closed | reopened | retired.

    It names form, version and hash itself, for a draft that is submitted anew leaves nothing but its events.
    """

    __tablename__ = "form_event"

    event_id: Mapped[int] = mapped_column(Sequence, primary_key=True)
    form_id: Mapped[str] = mapped_column(ForeignKey("form.form_id"))
    version: Mapped[str] = mapped_column(String(200))
    form_version_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(20))
    note: Mapped[str]

    __table_args__ = (Index(None, "form_id", "version"),)


class FormMediumContent(Base):
    """The bytes of media, by their SHA-256, so that versions with the same pictures and lists hold them once."""

    __tablename__ = "form_medium_content"

    sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    md5: Mapped[str] = mapped_column(String(32))
    length_bytes: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class FormMedium(Base):
    """A file of a version, by the name under which its questions ask for it."""

    __tablename__ = "form_medium"

    form_version_hash: Mapped[bytes] = mapped_column(
        ForeignKey("form_version.hash", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(100))
    sha256: Mapped[bytes] = mapped_column(ForeignKey("form_medium_content.sha256"), index=True)
