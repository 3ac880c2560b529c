"""Checking: a stage of its own after opening, which holds each current revision against its form and its survey.

Nothing here refuses or delays an interview, for opening has committed long before. Envelopes are opened again in
memory and findings are sealed, by code and place, never with an answer. They depend on the set of envelopes and
imported tables alone: what is killed is done again and gives the same; a check is made again where what it rests on
has changed, and a form or an interview that cannot be checked is itself a finding.
"""

import json
import logging
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from forms.structure import read_answers
from forms.validation import check
from server.blobs import Blobs
from server.db.engine import Database
from server.db.queries import audit, checks, opening
from server.db.queries.checks import CheckRow, CurrentRevision
from server.db.queries.opening import StoredEnvelope
from server.errors import KeyStoreLocked
from server.folding.batches import without_collector
from server.folding.encrypted import SIGNATURE_INVALID, EncryptedFiles, are_media_signed
from server.folding.material import Material
from server.folding.opener import Opener, ReadInterview
from server.folding.surroundings import END, Office, basis_of, moment_of
from server.folding.waiting import Waits
from server.keystore import KeyStore, KeyStoreError
from server.statistics.hh_remit import FORM_ID
from server.statistics.hh_remit.checks import CheckFinding, Severity, check_interview
from sync_protocol.documents import canonical_json
from sync_protocol.errors import EnvelopeError

LOG: Final = logging.getLogger(__name__)
CHECKER_VERSION: Final = 1
"""To be raised with every change of a rule or of the evaluator: everything is checked again then."""
BATCH: Final = 50
"""Interviews between two looks for envelopes to open: about a fifth of a second."""
QUEUE: Final = 1000
"""Interviews of which the stage makes a list at once; their envelopes are read a batch at a time."""
KEPT_FINDINGS: Final = 200
UNREADABLE: Final = "unreadable"
UNFORESEEN: Final = "unforeseen"
_CONTEXT: Final = b"check:"
_SCORE_CONTEXT: Final = b"score:"
_SEVERITIES: Final[Mapping[str, Severity]] = {"error": "error", "warning": "note", "note": "note"}


@dataclass(frozen=True, slots=True)
class CheckedBatch:
    """What became of a batch: interviews checked, and how many of them gave findings."""

    checked: int
    with_findings: int


@dataclass(slots=True)
class CheckingWorker:
    """Checks what is current and not checked yet; keeps form definitions from batch to batch."""

    database: Database
    keystore: KeyStore
    clock: Callable[[], datetime]
    blobs: Blobs | None = None
    _definitions: MutableMapping[bytes, FormDefinition] = field(default_factory=dict)
    _queue: deque[int] = field(default_factory=deque)

    def run_until_idle(self) -> CheckedBatch:
        """Check batch after batch until nothing is left to check."""
        checked = found = 0
        while (batch := self.run_once()).checked:
            checked, found = checked + batch.checked, found + batch.with_findings
        return CheckedBatch(checked, found)

    def run_once(self, limit: int = BATCH) -> CheckedBatch:
        """Check at most so many interviews, those first whose envelopes came first; none without the vault."""
        if self.keystore.is_locked:
            return CheckedBatch(0, 0)
        with without_collector():
            return self._run_once(limit)

    def _run_once(self, limit: int) -> CheckedBatch:
        while True:
            with self.database.read() as session:
                basis = basis_of(session, CHECKER_VERSION)
                if not self._queue:
                    self._queue.extend(checks.pending_ids(session, basis, limit=QUEUE))
                if not self._queue:
                    return CheckedBatch(0, 0)
                wanted = [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]
                revisions = checks.current_revisions(session, wanted)
                files = None if self.blobs is None else EncryptedFiles.of(self.database, self.blobs)
                checker = Checker.load(session, revisions, self.keystore, self._definitions, files)
            if revisions:
                return self._check(checker, revisions, basis)

    def _check(self, checker: "Checker", revisions: Sequence[CurrentRevision], basis: bytes) -> CheckedBatch:
        found = {revision: checker.check(revision) for revision in revisions}
        self._audit(checker.unwrapped)
        rows = {
            revision: row_of(revision, findings, basis=basis, keystore=self.keystore, now=self.clock())
            for revision, findings in found.items()
        }
        try:
            self._store(rows)
        except SQLAlchemyError as error:
            if len(rows) == 1:
                raise
            LOG.warning("a batch of checks cannot be stored, so one by one: %s", type(error).__name__)
            for revision, row in rows.items():
                self._store({revision: row})
        return CheckedBatch(len(found), sum(1 for findings in found.values() if findings))

    def _store(self, rows: Mapping[CurrentRevision, CheckRow]) -> None:
        """Store checks of revisions that are still what was checked; the others are looked at again."""
        with self.database.transaction() as session:
            opening.lock_fold(session)
            present = set(checks.current_revisions(session, (revision.revision_id for revision in rows)))
            checks.put_checks(session, [row for revision, row in rows.items() if revision in present])

    def _audit(self, epochs: Sequence[bytes]) -> None:
        if epochs:
            with self.database.transaction() as session:
                for digest in epochs:
                    audit.write(session, at=self.clock(), actor="checker", action="open-epoch", subject=digest.hex())


def count_unchecked(session: Session) -> int:
    """Count interviews that wait to be checked, or to be checked again."""
    return checks.count_pending(session, basis_of(session, CHECKER_VERSION))


def differing_checks(session: Session, keystore: KeyStore, files: EncryptedFiles | None = None) -> Iterator[bytes]:
    """Check again, in memory, what was checked on the present basis; yield the interviews whose findings differ.

    Raises:
        KeyStoreLocked: without the vault.
    """
    basis, definitions = basis_of(session, CHECKER_VERSION), dict[bytes, FormDefinition]()
    stored = {name: row for name, row in checks.stored_checks(session).items() if row.basis == basis}
    names = sorted(stored)
    for start in range(0, len(names), BATCH):
        revisions = checks.current_revisions(session, names[start : start + BATCH])
        checker = Checker.load(session, revisions, keystore, definitions, files)
        for revision in revisions:
            row = stored[revision.revision_id]
            fresh = row_of(revision, checker.check(revision), basis=basis, keystore=keystore, now=row.checked_at)
            if _opened(fresh, revision, keystore) != _opened(row, revision, keystore):
                yield revision.interview_id


def _opened(row: CheckRow, revision: CurrentRevision, keystore: KeyStore) -> tuple[object, ...]:
    try:
        findings = open_check(row.sealed, revision.instance_id, revision.answers_hash, keystore)
    except KeyStoreError:
        return (row.holds,)
    return (row.holds, row.findings, findings)


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks one batch; holds epoch keys in memory and must not outlive it."""

    opener: Opener
    envelopes: Mapping[int, StoredEnvelope]
    office: Office

    @classmethod
    def load(
        cls,
        session: Session,
        revisions: Sequence[CurrentRevision],
        keystore: KeyStore,
        definitions: MutableMapping[bytes, FormDefinition],
        files: EncryptedFiles | None = None,
    ) -> "Checker":
        """Read what checking these revisions needs."""
        envelopes = opening.envelopes_by_sequence(session, (one.envelope_sequence for one in revisions))
        material = Material.load(session, envelopes, known_forms=definitions)
        tags = {one.household_tag for one in revisions if one.household_tag is not None}
        office = Office.load(session, tags, keystore)
        return cls(Opener(keystore, material, definitions, files), {one.sequence: one for one in envelopes}, office)

    @property
    def unwrapped(self) -> tuple[bytes, ...]:
        """The epochs whose keys were unwrapped, by hash."""
        return self.opener.unwrapped

    def check(self, revision: CurrentRevision) -> tuple[CheckFinding, ...]:
        """Return the findings on one revision, sorted; what cannot be checked is one of them.

        Raises:
            KeyStoreLocked: without the vault.
        """
        try:
            read = self.opener.read_interview(self.envelopes[revision.envelope_sequence])
            return _sorted(self._findings(revision, read))
        except KeyStoreLocked:
            raise
        except (EnvelopeError, Waits, KeyError):
            return (CheckFinding(UNREADABLE, "error", ""),)
        except Exception as error:  # noqa: BLE001 -- one interview must never stop its neighbours
            # Its text might hold an answer, so it stays here.
            place = traceback.extract_tb(error.__traceback__)[-1]
            LOG.error(  # noqa: TRY400
                "envelope %d cannot be checked: %s at %s:%s",
                revision.envelope_sequence, type(error).__name__, place.filename, place.lineno,
            )  # fmt: skip
            return (CheckFinding(UNFORESEEN, "error", ""),)

    def _findings(self, revision: CurrentRevision, read: ReadInterview) -> list[CheckFinding]:
        answers = read_answers(read.definition, read.instance)
        device_time = _device_time(read, answers.analysis)
        # Where the tablet told no time at all, the door's stamp stands in: it is part of the envelope, and for ever.
        now = device_time or moment_of(read.manifest.device_time) or datetime.fromtimestamp(0, UTC)
        found = [CheckFinding(one.code, _SEVERITIES[one.severity], one.path) for one in answers.findings]
        found += self._unsigned(revision, read)
        rules = check(read.definition, read.instance, now=now)
        found += [CheckFinding(one.code, _SEVERITIES[one.severity], one.path) for one in rules]
        if revision.form_id == FORM_ID:
            around = self.office.around(
                revision.household_tag,
                answers.analysis,
                answers.identifiers,
                received_at=revision.received_at,
                device_time=device_time,
            )
            found += check_interview(answers.analysis, around)
        return found

    def _unsigned(self, revision: CurrentRevision, read: ReadInterview) -> tuple[CheckFinding, ...]:
        """Compare the media of an encrypted interview with what was signed; done anew whenever one of them comes."""
        files, encrypted = self.opener.files, read.encrypted
        if files is None or encrypted is None or not encrypted.manifest.files:
            return ()
        is_so = are_media_signed(encrypted, revision.instance_id, files=files, keystore=self.opener.keystore)
        return (CheckFinding(SIGNATURE_INVALID, "error", ""),) if is_so is False else ()


def _device_time(read: ReadInterview, answers: Mapping[str, Any]) -> datetime | None:
    """Return the interview's own clock: its end by the tablet, or when the tablet sealed it."""
    ended = moment_of(answers.get(END))
    return ended if ended is not None or read.is_from_door else moment_of(read.manifest.device_time)


def _sorted(found: Sequence[CheckFinding]) -> tuple[CheckFinding, ...]:
    unique = {(finding.code, finding.path): finding for finding in found}
    return tuple(finding for _, finding in sorted(unique.items())[:KEPT_FINDINGS])


def row_of(
    revision: CurrentRevision, findings: Sequence[CheckFinding], *, basis: bytes, keystore: KeyStore, now: datetime
) -> CheckRow:
    """Return the row of a check, its findings sealed.

    Raises:
        KeyStoreLocked: without the vault.
    """
    holds = sorted({finding.code for finding in findings if finding.severity == "hold"})
    return CheckRow(
        revision_id=revision.revision_id,
        checked_at=now,
        form_version_hash=revision.form_version_hash,
        checker_version=CHECKER_VERSION,
        basis=basis,
        household_tag=revision.household_tag,
        findings=len(findings),
        holds=",".join(holds),
        sealed=seal_findings(findings, keystore, _CONTEXT + revision.instance_id + revision.answers_hash),
    )


def open_check(sealed: bytes, instance_id: bytes, answers_hash: bytes, keystore: KeyStore) -> tuple[CheckFinding, ...]:
    """Open the findings on a revision.

    Raises:
        KeyStoreLocked: without the vault.
    """
    return open_findings(sealed, keystore, _CONTEXT + instance_id + answers_hash)


def seal_findings(findings: Sequence[CheckFinding], keystore: KeyStore, context: bytes) -> bytes:
    """Seal findings under the projection key."""
    lines = [[one.code, one.severity, one.path, one.measure] for one in findings]
    return keystore.seal_projection(canonical_json(lines), context)


def open_findings(sealed: bytes, keystore: KeyStore, context: bytes) -> tuple[CheckFinding, ...]:
    """Open sealed findings."""
    return tuple(CheckFinding(*line) for line in json.loads(keystore.open_projection(sealed, context)))


def score_context(scope: str, subject: str) -> bytes:
    """Return the context in which the scores of an interview or an enumerator are sealed."""
    return _SCORE_CONTEXT + scope.encode() + b":" + subject.encode()
