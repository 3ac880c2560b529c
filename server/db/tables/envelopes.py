"""The truth: every envelope ever received, as it came.

Rows are added; only `state` and `reason` ever change, and an erasure takes the bytes.
"""

from datetime import datetime

from sqlalchemy import LargeBinary, SmallInteger, String, literal_column
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.base import Base, Instant, Sequence, partial_index
from sync_protocol.constants import Kind

RECEIVED = "received"
OPENED = "opened"
WAITING_FOR_EPOCH = "waiting-for-epoch"
WAITING_FOR_FORM = "waiting-for-form"
WAITING_FOR_KEY = "waiting-for-key"
WAITING_FOR_MEDIA = "waiting-for-media"
WAITING_FOR_ODK_KEY = "waiting-for-odk-key"
LISTED = "listed"
"""Whole, and of a server that has not the keys to open it: another machine of the office has them."""
QUARANTINED = "quarantined"
ERASED = "erased"
"""Its bytes are gone for ever; the row is the tombstone, so that a late copy is known."""
UNOPENED = (
    RECEIVED,
    WAITING_FOR_EPOCH,
    WAITING_FOR_FORM,
    WAITING_FOR_KEY,
    WAITING_FOR_MEDIA,
    WAITING_FOR_ODK_KEY,
    LISTED,
    QUARANTINED,
)
"""Every state but opened."""


class Envelope(Base):
    """One envelope.

    Attributes:
        sequence: the server's number, in its receipt; grows, with gaps on PostgreSQL.
        envelope_id: SHA-256 of `body`.
        kind: `sync_protocol.constants.Kind`, 0 for bytes that nobody here can read.
        carrier: the device id that brought it, or `door` for the OpenRosa door.
        state: one of the constants of this module; `reason` says why it waits or is quarantined.
        door_tag: HMAC over (form, instanceID, answers), or over (instanceID, file name, content) of a medium, so that a
            repeat at the OpenRosa door is found.
        app_user_id: who sent it to that door.
        form_named: form_id and version, as a submission names them for which no version is published.
        blob_sha256: of an attachment: SHA-256 of the sealed medium in the blob store.
    """

    __tablename__ = "envelope"

    sequence: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    envelope_id: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    kind: Mapped[int] = mapped_column(SmallInteger)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    epoch_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    instance_id: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    certificate_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    form_version_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    carrier: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(200))
    door_tag: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    app_user_id: Mapped[int | None]
    form_named: Mapped[str | None] = mapped_column(String(420))
    blob_sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))

    __table_args__ = (
        # Only what is still to be done is indexed: a few rows, whatever the size of the survey.
        partial_index("ix_envelope_unopened", "state", "sequence", where="state != 'opened'"),
        partial_index("ix_envelope_blob", "blob_sha256", where="blob_sha256 IS NOT NULL"),
        partial_index("ix_envelope_unopened_instance", "instance_id", where="state != 'opened'"),
        # Made when an envelope is opened, so that receiving pays nothing: whatever has come under an instanceID.
        partial_index(
            "ix_envelope_opened_instance", "instance_id", where="state = 'opened' AND instance_id IS NOT NULL"
        ),
        # Drafts, few beside interviews: an erasure looks whether one of them edits what is erased.
        partial_index("ix_envelope_draft", "sequence", where="kind = 3"),
        # What arrived, newest first: by whom it came, by its form, by its day.
        partial_index(
            "ix_envelope_of_app_user", "app_user_id", "sequence", where="kind = 2 AND app_user_id IS NOT NULL"
        ),
        partial_index("ix_envelope_of_device", "carrier", "sequence", where="kind = 2 AND app_user_id IS NULL"),
        partial_index("ix_envelope_of_form", "form_version_hash", "sequence", where="kind = 2"),
        partial_index("ix_envelope_arrived", "received_at", "sequence", where="kind = 2"),
        partial_index("ix_envelope_medium_of", "instance_id", where="blob_sha256 IS NOT NULL"),
        partial_index("ix_envelope_decision", "sequence", where="kind = 5"),
        {"sqlite_autoincrement": True},  # a number that was in a receipt is never given twice
    )


IS_UNOPENED = Envelope.state != literal_column(f"'{OPENED}'")
"""For queries of what is still to be done: SQLite uses their index only where its condition stands word for word."""
IS_DRAFT = Envelope.kind == literal_column(str(int(Kind.DRAFT)))
IS_DECISION = Envelope.kind == literal_column(str(int(Kind.DECISION)))
"""As above: for the office's chain."""
