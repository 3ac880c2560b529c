"""Projects, and who may use the office's side: people with one role each, their projects and their API tokens.

Of passwords and tokens only hashes are kept.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, true
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.base import Base, Instant, Sequence

FIRST_PROJECT = 1
"""Made with the database: an office with one survey need not think of projects."""


class Project(Base):
    """A survey beside others: forms, app users and devices belong to one each."""

    __tablename__ = "project"

    project_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    archived_at: Mapped[datetime | None] = mapped_column(Instant)


class User(Base):
    """A person of the office; `password_hash` is Argon2id, None for an account that only uses tokens.

    Attributes:
        team: a supervisor's: of other teams no row is shown; empty for all.
        enumerator: an enumerator's code: of others no row is shown.
        is_in_every_project: otherwise `project_member` says in which.
        disabled_at: since when neither password nor token nor session lets in.
        session_epoch: counts what ended all sessions: another password, another role, being disabled.
    """

    __tablename__ = "user"

    user_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(Instant)
    team: Mapped[str] = mapped_column(String(200), default="", server_default="")
    enumerator: Mapped[str] = mapped_column(String(200), default="", server_default="")
    is_in_every_project: Mapped[bool] = mapped_column(default=True, server_default=true())
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)
    session_epoch: Mapped[int] = mapped_column(default=0, server_default="0")


class ProjectMember(Base):
    """A person's place in a project."""

    __tablename__ = "project_member"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.user_id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.project_id"), primary_key=True)


class ApiToken(Base):
    """A bearer token, by its SHA-256; `label` says what it is for."""

    __tablename__ = "api_token"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.user_id"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    label: Mapped[str] = mapped_column(String(200), default="", server_default="")
    expires_at: Mapped[datetime | None] = mapped_column(Instant)


class FailedLogin(Base):
    """One failed attempt to log in, under a keyed hash of the name or of the address; old ones are removed."""

    __tablename__ = "failed_login"

    failed_login_id: Mapped[int] = mapped_column(Sequence, primary_key=True)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (Index(None, "key_hash", "at"),)
