"""What is under way between tablets and the office.

Media that come in parts, interviews that are given back, drafts for a replacement tablet, erasures, what waits for a
second person, and backups.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Index, LargeBinary, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.base import Base, Instant, Sequence, partial_index


class Upload(Base):
    """A sealed medium that a device sends in parts; whole when `completed_at` is set. Never removed while it is named.

    Each device that sends it has parts of its own, so that none can spoil those of another; of the one that is done
    first the medium is whole for all, and the others are forgotten.

    Attributes:
        sha256: of the whole ciphertext.
        length_bytes: as the device says.
        received_bytes: how much of it is on disk.
        carrier: the device that sends it, or did.
        is_settled: the interviews that name it say that it is here, and for the fold it is; false until the worker has
            looked. It stays so when its blob is lost and sent again.
    """

    __tablename__ = "upload"

    sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    length_bytes: Mapped[int] = mapped_column(BigInteger)
    received_bytes: Mapped[int] = mapped_column(BigInteger)
    carrier: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    begun_at: Mapped[datetime] = mapped_column(Instant)
    completed_at: Mapped[datetime | None] = mapped_column(Instant)
    is_settled: Mapped[bool] = mapped_column(default=False, server_default=false())

    __table_args__ = (
        partial_index("ix_upload_unsettled", "completed_at", where="completed_at IS NOT NULL AND NOT is_settled"),
        partial_index("ix_upload_under_way", "begun_at", where="completed_at IS NULL"),
    )


IS_UNSETTLED: Final = text("NOT upload.is_settled")
"""For queries of what is still to be done: SQLite uses their index only where its condition stands word for word."""


class ReturnedInterview(Base):
    """A revision that the office gave back to its enumerator: a projection of decisions and revisions.

    Attributes:
        instance_id: the revision that is given back.
        interview_id: its root.
        enumerator: to whom; empty where nobody can be named.
        state: returned | settled (a correction has come, or the office has decided otherwise).
        decision_id: envelope id of the last decision that gave it back.
        feed_position: where tablets find it.
    """

    __tablename__ = "returned_interview"

    instance_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    interview_id: Mapped[bytes] = mapped_column(LargeBinary(16), index=True)
    form_version_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    project_id: Mapped[int]
    enumerator: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(10))
    decision_id: Mapped[bytes] = mapped_column(LargeBinary(32))
    feed_position: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index(None, "project_id", "enumerator", "feed_position"),)


class SealedDraft(Base):
    """The last sealed draft of an instance that a device sent: for the replacement of that device, never folded."""

    __tablename__ = "sealed_draft"

    instance_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    device_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    envelope_id: Mapped[bytes] = mapped_column(LargeBinary(32))
    envelope_sequence: Mapped[int] = mapped_column(BigInteger)
    device_sequence: Mapped[int] = mapped_column(BigInteger)
    form_version_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    project_id: Mapped[int]
    enumerator: Mapped[str] = mapped_column(String(200))
    feed_position: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index(None, "project_id", "enumerator", "feed_position"),)


class Erasure(Base):
    """An instance whose people withdrew their consent. For ever: late copies are answered `erased`.

    Attributes:
        decision_id: envelope id of the decision.
        feed_position: where tablets find it.
    """

    __tablename__ = "erasure"

    instance_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    interview_id: Mapped[bytes] = mapped_column(LargeBinary(16), index=True)
    project_id: Mapped[int]
    decision_id: Mapped[bytes] = mapped_column(LargeBinary(32))
    erased_at: Mapped[datetime] = mapped_column(Instant)
    feed_position: Mapped[int] = mapped_column(BigInteger, index=True)


class Proposal(Base):
    """What takes two people: one proposes, another agrees or declines.

    Attributes:
        action: erase | wipe.
        subject: interview id in hexadecimal, or device id.
        sealed_note: why, in the first person's words, under the projection key.
        state: proposed | agreed | declined.
    """

    __tablename__ = "proposal"

    proposal_id: Mapped[int] = mapped_column(Sequence, primary_key=True)
    action: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(64), index=True)
    project_id: Mapped[int]
    sealed_note: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(20))
    proposed_by: Mapped[str] = mapped_column(String(200))
    proposed_at: Mapped[datetime] = mapped_column(Instant)
    decided_by: Mapped[str | None] = mapped_column(String(200))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)


class Backup(Base):
    """A backup that was made and read back: envelopes up to `sequence` survive the loss of this server's disk."""

    __tablename__ = "backup"

    backup_id: Mapped[int] = mapped_column(Sequence, primary_key=True)
    made_at: Mapped[datetime] = mapped_column(Instant)
    sequence: Mapped[int] = mapped_column(BigInteger)
    place: Mapped[str] = mapped_column(String(500))
