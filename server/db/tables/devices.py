"""Devices, what lets them in, and the head of the feed that they pull."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, true
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.accounts import FIRST_PROJECT
from server.db.tables.base import Base, Instant


class Certificate(Base):
    """A signed device certificate, by the SHA-256 of its document; never changed, never deleted."""

    __tablename__ = "certificate"

    hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    document: Mapped[bytes] = mapped_column(LargeBinary)
    device_id: Mapped[str] = mapped_column(String(64), index=True)
    issued_at: Mapped[datetime] = mapped_column(Instant)


class Device(Base):
    """An enrolled tablet of one project.

    Attributes:
        counter: that of its last exchange.
        receiving_key: the last one that it named: what it pulls is sealed to it.
        revoked_position: where it finds in the feed that it is revoked.
        quota_day, quota_envelopes, quota_bytes: what it brought on that day (YYYY-MM-DD, UTC).
        quota_media_day, quota_media_bytes: the bytes of media that it brought on that day.
        backlog: what it still had to send at its last exchange, as JSON; empty before the first.
        clock_offset_seconds: its clock less the server's, then.
        keyring_serial: of the keyring that it had, then.
        wipe_document, wipe_position: the signed order to wipe it, and where it finds it in the feed.
    """

    __tablename__ = "device"

    device_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    certificate_hash: Mapped[bytes] = mapped_column(ForeignKey("certificate.hash"))
    signing_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    receiving_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    enumerator: Mapped[str] = mapped_column(String(200), index=True)
    team: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    counter: Mapped[int] = mapped_column(BigInteger, default=0)
    enrolled_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    last_seen_at: Mapped[datetime | None] = mapped_column(Instant)
    project_id: Mapped[int] = mapped_column(default=FIRST_PROJECT, server_default=str(FIRST_PROJECT))
    revoked_position: Mapped[int | None] = mapped_column(BigInteger)
    quota_day: Mapped[str] = mapped_column(String(10), default="", server_default="")
    quota_envelopes: Mapped[int] = mapped_column(default=0, server_default="0")
    quota_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    quota_media_day: Mapped[str] = mapped_column(String(10), default="", server_default="")
    quota_media_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    backlog: Mapped[str] = mapped_column(String(400), default="", server_default="")
    clock_offset_seconds: Mapped[int | None] = mapped_column(BigInteger)
    keyring_serial: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    wipe_document: Mapped[bytes | None] = mapped_column(LargeBinary)
    wipe_position: Mapped[int | None] = mapped_column(BigInteger)


class EnrolmentToken(Base):
    """A single-use token of an enrolment link, by its SHA-256.

    `device_id` is whom it let in: the same device may ask again when the answer was lost.
    """

    __tablename__ = "enrolment_token"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    enumerator: Mapped[str] = mapped_column(String(200))
    team: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)
    device_id: Mapped[str | None] = mapped_column(ForeignKey("device.device_id"))
    project_id: Mapped[int] = mapped_column(default=FIRST_PROJECT, server_default=str(FIRST_PROJECT))


class AppUser(Base):
    """A person who uses ODK Collect in one project.

    Attributes:
        token_hash: SHA-256 of the token in the path of the server's address.
        username, secret: for HTTP authentication in the place of the token: the name, and what Digest needs of the
            generated password, sealed under a key of the door; None for an app user that has a token only.
        mode: survey | training | pilot.
        language: of the messages that Collect shows; empty for both.
        is_for_every_form: otherwise `app_user_form` says which forms are given out to it. Submissions of any are taken.
    """

    __tablename__ = "app_user"

    app_user_id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.project_id"), index=True)
    enumerator: Mapped[str] = mapped_column(String(200))
    team: Mapped[str] = mapped_column(String(200))
    mode: Mapped[str] = mapped_column(String(20))
    language: Mapped[str] = mapped_column(String(10))
    is_for_every_form: Mapped[bool] = mapped_column(default=True, server_default=true())
    username: Mapped[str | None] = mapped_column(String(64), unique=True)
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)


class AppUserForm(Base):
    """A form that is given out to an app user."""

    __tablename__ = "app_user_form"

    app_user_id: Mapped[int] = mapped_column(ForeignKey("app_user.app_user_id"), primary_key=True)
    form_id: Mapped[str] = mapped_column(ForeignKey("form.form_id"), primary_key=True)


class FeedHead(Base):
    """The one row (id 1) that orders what tablets pull; `epoch` changes when a database is restored."""

    __tablename__ = "feed_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[str] = mapped_column(String(64))
    position: Mapped[int] = mapped_column(BigInteger)


class KeyringDocument(Base):
    """A keyring signed by the office root; the highest serial is in force."""

    __tablename__ = "keyring"

    serial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[bytes] = mapped_column(LargeBinary)
