"""One submission read back: what came of it, its history, its files, and its answers for those who may read them.

Everything is found within what an account may see; of what lies outside, it is told that it is not there.
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from forms.instance import canonical_leaves, instance_id_bytes, parse_instance
from server.blobs import Blobs
from server.db.queries import audit, intake, intake_rows, interviews, opening
from server.db.queries.intake_rows import DecisionRow, FormName, StandingRow
from server.db.scope import Scope
from server.errors import BadRequest, NotFound
from server.folding import media, reading, returns
from server.folding.answer_words import Answer, side_by_side
from server.folding.arrivals import Arrival, read_arrivals
from server.folding.media import StoredMedium
from server.folding.returns import Addressee
from server.folding.submission_members import arrival_members, revision_members
from server.folding.waiting import Waits
from server.keystore import KeyStore
from sync_protocol import reconcile
from sync_protocol.errors import EnvelopeError
from sync_protocol.reconcile import Revision

_HEX: Final = re.compile(r"[0-9a-fA-F]+\Z")
NOT_HERE: Final = "what was sent cannot be taken out of its envelope; the envelope itself is kept as it came"
READ_ANSWERS: Final = "read-answers"
READ_MEDIUM: Final = "read-medium"
READ_RAW: Final = "read-raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What is known of one instanceID, or of one envelope that nobody can read.

    Attributes:
        instance_id: (16,), None for an envelope that shows none.
        arrivals: its envelopes in order of arrival; at least one.
        files_set_aside: files of it that are in quarantine: those of a revoked app user may come after the interview.
        history: all revisions of its interview, in order of arrival; empty before it is opened.
        parents: what each revision of the history edits.
        heads: revisions of the history that no later one supersedes, the current one first.
        mates: other interviews under the same household key.
        forms: the form versions of the history, by hash.
    """

    instance_id: bytes | None
    arrivals: tuple[Arrival, ...]
    files_set_aside: tuple[Arrival, ...] = ()
    history: tuple[StandingRow, ...] = ()
    parents: Mapping[bytes, tuple[bytes, ...]]
    heads: tuple[StandingRow, ...] = ()
    mates: tuple[bytes, ...] = ()
    decisions: tuple[DecisionRow, ...] = ()
    forms: Mapping[bytes, FormName]

    @property
    def newest(self) -> Arrival:
        """The arrival that says how it stands: that of the current revision, else the last."""
        return next((one for one in self.arrivals if one.is_current), self.arrivals[-1])

    @property
    def quarantined(self) -> tuple[Arrival, ...]:
        """The arrivals that are set aside."""
        return tuple(one for one in self.arrivals if one.state == intake.QUARANTINE)

    @property
    def releasable(self) -> tuple[Arrival, ...]:
        """All that a person may let in: files first, for an interview takes files with it."""
        return (*self.files_set_aside, *self.quarantined)

    @property
    def interview_id(self) -> bytes | None:
        """Of the interview that it became part of."""
        return self.history[0].interview_id if self.history else None

    def revision(self, answers: bytes | None = None) -> StandingRow:
        """Return the revision of this instanceID with these answers; the current or the last one without.

        Raises:
            NotFound: it is not opened, or never had these answers.
        """
        own = [row for row in self.history if row.instance_id == self.instance_id]
        found = [row for row in own if answers in (None, row.answers_hash)]
        if not found:
            raise NotFound("no answers are opened under this instanceID: its state says what it waits for")
        return next((row for row in found if row.revision_id == row.current_revision_id), found[-1])


def instance_ids_of(text: str) -> tuple[bytes, ...]:
    """Return the 16 bytes that a text may mean: ``uuid:…``, a UUID, 32 hexadecimal digits, or any other instanceID."""
    plain = text.removeprefix("uuid:")
    found = [instance_id_bytes(text)]
    if len(plain) in (32, 36) and _HEX.match(plain.replace("-", "")):
        with suppress(ValueError):
            found.insert(0, uuid.UUID(plain).bytes)
    return tuple(dict.fromkeys(found))


def find(session: Session, scope: Scope, name: str) -> Submission:
    """Return the submission of a name: an instanceID in any spelling, or 64 hexadecimal digits of an envelope.

    Raises:
        NotFound: there is none that this account sees.
    """
    for instance_id in instance_ids_of(name):
        found = _of_instance(session, scope, instance_id)
        if found is not None:
            return found
    if len(name) == 64 and _HEX.match(name):
        envelope = intake.by_envelope_id(session, scope, bytes.fromhex(name))
        if envelope is not None:
            return Submission(instance_id=None, arrivals=read_arrivals(session, [envelope]), parents={}, forms={})
    raise NotFound("no submission of this name is here, or not for you to see")


def _of_instance(session: Session, scope: Scope, instance_id: bytes) -> Submission | None:
    standing = intake_rows.standings(session, [instance_id])
    if standing and not intake_rows.sees_interview(session, scope, standing[0].interview_id):
        return None
    envelopes = intake.arrivals_of(session, scope, instance_id)
    if not envelopes:
        return None
    history = intake_rows.history(session, standing[0].interview_id) if standing else ()
    members = {row.instance_id for row in history}
    parents = intake_rows.parents(session, members)
    return Submission(
        instance_id=instance_id,
        arrivals=read_arrivals(session, envelopes),
        files_set_aside=read_arrivals(session, intake.files_set_aside(session, scope, instance_id)),
        history=history,
        parents=parents,
        heads=_heads(history, parents),
        mates=intake_rows.household_mates(session, scope, history[0].interview_id) if history else (),
        decisions=intake_rows.decisions(session, members | {row.interview_id for row in history}),
        forms=intake_rows.form_names(session, {row.form_version_hash for row in history}),
    )


def _heads(history: Sequence[StandingRow], parents: Mapping[bytes, tuple[bytes, ...]]) -> tuple[StandingRow, ...]:
    by_key = {(row.instance_id, row.answers_hash): row for row in history}
    folded = reconcile.fold(
        Revision(
            instance_id=row.instance_id,
            answers_hash=row.answers_hash,
            parents=parents.get(row.instance_id, ()),
            envelope_id=row.envelope_id,
            form_version_hash=row.form_version_hash,
            role=row.role,
            mode=row.mode,
            project=row.project,
        )
        for row in history
    )
    found = [by_key[key] for interview in folded for key in (interview.current, *interview.conflicts)]
    return tuple(sorted(found, key=lambda row: row.revision_id != row.current_revision_id))


def read_xml(session: Session, revision: StandingRow, *, keystore: KeyStore, blobs: Blobs) -> bytes:
    """Return the XML of a revision as it was sent, byte for byte.

    Raises:
        NotFound: its envelope cannot be opened any more.
        KeyStoreLocked: without the vault.
    """
    (stored,) = interviews.revisions_by_id(session, [revision.revision_id])
    try:
        return reading.instance_xml(session, stored, keystore=keystore, blobs=blobs)
    except (EnvelopeError, Waits):
        raise NotFound(NOT_HERE) from None


def read_raw(session: Session, arrival: Arrival, *, keystore: KeyStore) -> bytes:
    """Return what was sent in an envelope that could not be read.

    Raises:
        NotFound: it cannot be taken out.
        KeyStoreLocked: without the vault.
    """
    (stored,) = opening.envelopes_by_sequence(session, [arrival.sequence])
    try:
        return reading.sealed_xml(session, stored, keystore=keystore)
    except (EnvelopeError, Waits):
        raise NotFound(NOT_HERE) from None


def read_answers(
    session: Session,
    revisions: Sequence[StandingRow],
    *,
    keystore: KeyStore,
    blobs: Blobs,
    definition: FormDefinition | None,
    language: str,
) -> tuple[Answer, ...]:
    """Return the answers of some revisions side by side, in the order of the first that has each.

    Raises:
        KeyStoreLocked: without the vault.
    """
    columns: list[dict[str, str]] = []
    for revision in revisions:
        xml = read_xml(session, revision, keystore=keystore, blobs=blobs)
        columns.append({path: value for path, value in canonical_leaves(parse_instance(xml)) if value})
    return side_by_side(columns, definition, language)


def list_media(
    session: Session, scope: Scope, submission: Submission, *, keystore: KeyStore
) -> tuple[StoredMedium, ...]:
    """Return the files of a submission that are here and that an account sees.

    Whoever sees an interview sees its files, whichever team brought them, but for those of another project, which came
    to the same instanceID by a mistake or malice.

    Raises:
        KeyStoreLocked: without the vault.
    """
    within = Scope(projects=scope.projects) if submission.history else scope
    return media.media_of(session, submission.instance_id or b"", keystore=keystore, scope=within)


def missing_names(session: Session, submission: Submission, *, keystore: KeyStore) -> tuple[str, ...]:
    """Return the names of the files that an instance names and that have not come.

    Raises:
        KeyStoreLocked: without the vault.
    """
    if submission.instance_id is None or not submission.newest.media.missing:
        return ()
    return media.missing_names(session, submission.instance_id, keystore=keystore)


def addressee(session: Session, submission: Submission, *, keystore: KeyStore) -> Addressee | None:
    """Return to whom the interview of a submission can be returned; None before it is opened or while it is locked."""
    if keystore.is_locked or not submission.history:
        return None
    current = next(
        (row.revision_id for row in submission.history if row.revision_id == row.current_revision_id),
        submission.history[-1].revision_id,
    )
    (stored,) = interviews.revisions_by_id(session, [current])
    return returns.addressee(session, stored, keystore)


def pick_medium(found: Sequence[StoredMedium], name: str, sha256: str | None = None) -> StoredMedium:
    """Return the file of a name; of two with one name, the one with this ciphertext, else the last.

    Raises:
        NotFound: none has this name.
    """
    named = [one for one in found if one.name == name and (sha256 is None or one.blob_sha256.hex() == sha256)]
    if not named:
        raise NotFound("no file of this name has come with this submission")
    return named[-1]


def medium_chunks(medium: StoredMedium, *, keystore: KeyStore, blobs: Blobs) -> Iterator[bytes]:
    """Yield the content of a file piece by piece, after all of it has been compared with its hash.

    Raises:
        EnvelopeError: before the first piece, when it is not what came.
        KeyStoreLocked: without the vault.
    """
    return media.plain_chunks(medium, keystore=keystore, blobs=blobs)


def note_look(session: Session, *, what: str, subject: bytes, user: str, now: datetime, detail: str = "") -> None:
    """Record that somebody has read answers: before they are shown."""
    audit.write(session, at=now, actor=user, action=what, subject=subject.hex(), detail=detail)


def interview_of(found: Submission) -> bytes:
    """Return the interview that a decision about a submission is about, (16,).

    Raises:
        BadRequest: it is not opened yet.
    """
    if found.interview_id is None:
        raise BadRequest("it is not opened yet: there is nothing to decide about")
    return found.interview_id


def head_of(submission: Submission, text: str) -> tuple[bytes, bytes]:
    """Return the (instance_id, answers_hash) of a head that a form names as ``instance.answers``, hexadecimal.

    Raises:
        BadRequest: it is none of the heads.
    """
    for row in submission.heads:
        if text == head_name(row):
            return (row.instance_id, row.answers_hash)
    raise BadRequest("choose one of the versions that the page shows; it may have changed meanwhile")


def head_name(row: StandingRow) -> str:
    """Return how a form names a head."""
    return f"{row.instance_id.hex()}.{row.answers_hash.hex()}"


def members_of(found: Submission) -> dict[str, Any]:
    """Return the members of a submission as JSON knows them, without its files."""
    return arrival_members(found.newest) | {
        "arrivals": [arrival_members(one) for one in found.arrivals],
        "files_set_aside": [arrival_members(one) for one in found.files_set_aside],
        "revisions": [
            revision_members(row, found.forms.get(row.form_version_hash), found.parents.get(row.instance_id, ()))
            for row in found.history
        ],
        "conflict": [head_name(row) for row in found.heads] if len(found.heads) > 1 else [],
        "household_mates": [mate.hex() for mate in found.mates],
        "decisions": [
            {"action": one.action, "by": one.decided_by, "at": one.decided_at.isoformat()} for one in found.decisions
        ],
    }
