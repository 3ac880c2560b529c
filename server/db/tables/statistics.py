"""Estimate runs, releases, and what runs when."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.base import Base, Instant


class EstimateRun(Base):
    """One execution of the job that makes a draft release; state running | done | failed."""

    __tablename__ = "estimate_run"

    run_id: Mapped[int] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(500))
    inputs_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))


class Release(Base):
    """A set of estimates; state draft | published | withdrawn. A published one never changes."""

    __tablename__ = "release"

    release_id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("estimate_run.run_id"), index=True)
    state: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(Instant)
    cut_off: Mapped[datetime] = mapped_column(Instant)
    published_at: Mapped[datetime | None] = mapped_column(Instant)
    published_by: Mapped[str | None] = mapped_column(String(200))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    open_holds: Mapped[int]


class Schedule(Base):
    """A job that is due at a time; the lease makes it run once across processes.

    Attributes:
        failures: how often it has failed since it last succeeded.
    """

    __tablename__ = "schedule"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(Instant)
    every_seconds: Mapped[int]
    lease_holder: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    last_run_at: Mapped[datetime | None] = mapped_column(Instant)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
