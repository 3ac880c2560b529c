"""What checking found: projections of opened interviews that can be dropped and made again.

`sealed` columns hold codes and places of findings under the projection key. In clear are a count and the codes of holds
only: as much as the table of interviews shows of its own holds.
"""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.base import Base, Instant, Sequence, partial_index


class InterviewCheck(Base):
    """The findings on one revision.

    `basis` says what they rest on beside the envelope: the checker's version, the draw and the exchange rates in force.
    Where it, or the household that the interview counts for, is no longer the present one, the check is made again.
    """

    __tablename__ = "interview_check"

    revision_id: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    checked_at: Mapped[datetime] = mapped_column(Instant)
    form_version_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    checker_version: Mapped[int]
    basis: Mapped[bytes] = mapped_column(LargeBinary(32))
    household_tag: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    findings: Mapped[int]
    holds: Mapped[str] = mapped_column(String(100))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (partial_index("ix_interview_check_held", "revision_id", where="holds != ''"),)


class CheckScore(Base):
    """What comparing interviews found; scope interview (subject: its id in hexadecimal) or enumerator (his code)."""

    __tablename__ = "check_score"

    scope: Mapped[str] = mapped_column(String(20), primary_key=True)
    subject: Mapped[str] = mapped_column(String(200), primary_key=True)
    computed_at: Mapped[datetime] = mapped_column(Instant)
    findings: Mapped[int]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
