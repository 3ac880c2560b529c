"""Projections of the envelopes: revisions, interviews, verdicts and microdata parts. All can be dropped and rebuilt.

Answers are never here in clear: `sealed` columns are AES-GCM under the projection key, tags are HMACs.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    false,
    literal_column,
)
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.base import Base, Instant, Sequence, partial_index

UNSETTLED: Final = "holds != '' OR state NOT IN ('current', 'incomplete-history')"
"""Of an interview: the fold found what a person must look at."""


class MicrodataPart(Base):
    """Two immutable encrypted Parquet files of one form version and mode, row by row side by side."""

    __tablename__ = "microdata_part"

    part_id: Mapped[int] = mapped_column(primary_key=True)
    form_version_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    mode: Mapped[str] = mapped_column(String(20))
    rows: Mapped[int]
    analysis_path: Mapped[str] = mapped_column(String(500))
    identifiers_path: Mapped[str] = mapped_column(String(500))
    analysis_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    identifiers_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(Instant)


class Revision(Base):
    """One version of an interview; its answers are row `row` of part `part_id`.

    `source` is the device id or the name of the app user; `device_time` is what the device said, as it wrote it;
    `sealed` holds what folding needs of the answers again: household key, mode, outcome, enumerator, findings.
    """

    __tablename__ = "revision"

    revision_id: Mapped[int] = mapped_column(Sequence, primary_key=True)
    instance_id: Mapped[bytes] = mapped_column(LargeBinary(16))
    answers_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    envelope_sequence: Mapped[int] = mapped_column(BigInteger)
    envelope_id: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    interview_id: Mapped[bytes] = mapped_column(LargeBinary(16), index=True)
    form_version_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    mode: Mapped[str] = mapped_column(String(20))
    role: Mapped[str] = mapped_column(String(20))
    source: Mapped[str] = mapped_column(String(200))
    device_time: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(Instant)
    part_id: Mapped[int] = mapped_column(ForeignKey("microdata_part.part_id"), index=True)
    row: Mapped[int]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (UniqueConstraint("instance_id", "answers_hash"),)


class RevisionParent(Base):
    """An edge of the revision graph, by instanceIDs; the parent may not have come yet."""

    __tablename__ = "revision_parent"

    child: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    parent: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True, index=True)


class Interview(Base):
    """The fold of one connected graph of revisions, named by the instanceID of its root.

    `state` is that of `sync_protocol.reconcile`; `holds` is e.g. `K1,K3`, empty for none;
    `household_tag` is equal for equal household keys and shows nothing else; `sealed` holds findings and outcome.
    `review` is the office's last word on it: empty | approved | rejected | returned.
    `checked_basis` is that of the check of its current revision and household, None until there is one.
    """

    __tablename__ = "interview"

    interview_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    form_id: Mapped[str] = mapped_column(String(200))
    mode: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    current_revision_id: Mapped[int | None] = mapped_column(ForeignKey("revision.revision_id"), index=True)
    household_tag: Mapped[bytes | None] = mapped_column(LargeBinary(32), index=True)
    holds: Mapped[str] = mapped_column(String(40), default="")
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    updated_at: Mapped[datetime] = mapped_column(Instant)
    review: Mapped[str] = mapped_column(String(20), default="", server_default="")
    checked_basis: Mapped[bytes | None] = mapped_column(LargeBinary(32), index=True)

    __table_args__ = (
        # What waits for a person: few, whatever the size of the survey.
        partial_index("ix_interview_unsettled", "state", "current_revision_id", where=UNSETTLED),
    )


class Attachment(Base):
    """A medium that has come, of the instance that it belongs to; `sealed` holds name, type, key and content hash.

    `name_tag` is an HMAC of instanceID and file name; two attachments with one tag differ in content, and both stay.
    `is_beside_ciphertext` where it came in clear to an instance whose files should all be encrypted: it is never read.
    """

    __tablename__ = "attachment"

    envelope_id: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    instance_id: Mapped[bytes] = mapped_column(LargeBinary(16), index=True)
    name_tag: Mapped[bytes] = mapped_column(LargeBinary(32))
    blob_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    length_bytes: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime] = mapped_column(Instant)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    is_beside_ciphertext: Mapped[bool] = mapped_column(default=False, server_default=false())


class ManifestMedium(Base):
    """A medium that the manifest of an opened interview names; here when its upload is settled.

    `envelope_id` is the interview's; `sealed` holds name, type and key. One that an edit takes over is named by both.
    """

    __tablename__ = "manifest_medium"

    envelope_id: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    name_tag: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    instance_id: Mapped[bytes] = mapped_column(LargeBinary(16), index=True)
    blob_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    length_bytes: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime] = mapped_column(Instant)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class WantedMedium(Base):
    """A medium that an opened instance names; `is_here` when an attachment of this name has come, to it or an ancestor.

    `sealed` holds the name, and what opens the file where ODK Collect has encrypted it.
    """

    __tablename__ = "wanted_medium"

    instance_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    name_tag: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    is_here: Mapped[bool] = mapped_column(default=False, server_default=false())
    sealed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (partial_index("ix_wanted_medium_missing", "instance_id", where="NOT is_here"),)


IS_MISSING: Final[ColumnElement[bool]] = literal_column("(NOT wanted_medium.is_here)")
"""For queries: SQLite uses the index of what is missing only where its condition stands word for word."""


class OdkKey(Base):
    """A key to which ODK Collect encrypts: made here (managed) or the office's own; `sealed` holds its private half.

    `key_hash` is the SHA-256 of the public key, `public_key` what a form names as base64RsaPublicKey.
    """

    __tablename__ = "odk_key"

    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    public_key: Mapped[str] = mapped_column(String(2000))
    is_managed: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Instant)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class Verdict(Base):
    """What a device is told about an envelope of its own: state opened | quarantined | held | listed, and why."""

    __tablename__ = "verdict"

    device_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    envelope_id: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    instance_id: Mapped[bytes] = mapped_column(LargeBinary(16))
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(200))
    feed_position: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index(None, "device_id", "feed_position"),)


class Decision(Base):
    """What a person settled about the interview that holds an instanceID; its envelope is the truth.

    `sequence` is that of the office's chain: the highest wins.
    """

    __tablename__ = "decision"

    envelope_id: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    instance_id: Mapped[bytes] = mapped_column(LargeBinary(16), index=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    action: Mapped[str] = mapped_column(String(40))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    decided_by: Mapped[str] = mapped_column(String(200))
    decided_at: Mapped[datetime] = mapped_column(Instant)
