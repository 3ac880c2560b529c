"""Forms and their immutable versions, with the very bytes that devices download."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.base import Base, Instant


class Form(Base):
    """A questionnaire, by its form_id."""

    __tablename__ = "form"

    form_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    title: Mapped[str] = mapped_column(String(1000))


class FormVersion(Base):
    """One published version; `hash` is the SHA-256 of `xform`, `md5` its MD5 in hex; state published | withdrawn."""

    __tablename__ = "form_version"

    hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    form_id: Mapped[str] = mapped_column(ForeignKey("form.form_id"))
    version: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(1000))
    md5: Mapped[str] = mapped_column(String(32))
    xform: Mapped[bytes] = mapped_column(LargeBinary)
    workbook: Mapped[bytes | None] = mapped_column(LargeBinary)
    workbook_name: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20))
    note: Mapped[str]
    published_at: Mapped[datetime] = mapped_column(Instant)
    published_by: Mapped[str] = mapped_column(String(200))
    feed_position: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (UniqueConstraint("form_id", "version"), Index(None, "feed_position"))
