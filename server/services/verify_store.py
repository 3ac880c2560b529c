"""Verify a store: hash every envelope, check every signature, fold all of it afresh, compare with what is stored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from server.blobs import Blobs
from server.db.engine import Database
from server.db.queries import envelopes, erasures, opening, schedule, uploads
from server.db.queries.opening import AFTER_REVOCATION, WIPED, StoredEnvelope
from server.db.tables.envelopes import ERASED, OPENED, RECEIVED
from server.errors import KeyStoreLocked
from server.folding import checking, state
from server.folding.encrypted import EncryptedFiles
from server.folding.entity_state import stored_entities
from server.folding.material import Material
from server.folding.opener import (
    OpenedAttachment,
    OpenedDecision,
    OpenedDraft,
    OpenedInterview,
    Opener,
    Outcome,
    Unopened,
)
from server.folding.state import Lines
from server.folding.whole import WholeFold
from server.keystore import KeyStore
from server.microdata import Microdata
from sync_protocol.errors import EnvelopeError
from sync_protocol.media import verify_medium

SLICE = 500
SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What verifying found.

    Attributes:
        envelopes: how many there are, each hashed and its signature checked.
        pending: received and not yet opened.
        interviews, revisions: how many the fresh fold has.
        unchecked: interviews that wait for checking; what has been checked is checked afresh and compared.
        state_hash: hexadecimal, of the fresh fold.
        is_catching_up: media and entities of interviews from before an update are yet to be derived, and not compared.
        differences: one line each, at most a few; without answers.
        difference_count: all of them.
    """

    envelopes: int
    by_state: Mapping[str, int]
    pending: int
    interviews: int
    unchecked: int
    revisions: int
    state_hash: str
    is_catching_up: bool
    differences: tuple[str, ...]
    difference_count: int

    @property
    def is_sound(self) -> bool:
        """Everything stored is what the envelopes say."""
        return self.difference_count == 0

    def __str__(self) -> str:
        states = ", ".join(f"{count} {name}" for name, count in sorted(self.by_state.items()))
        lines = [
            f"{self.envelopes} envelopes hashed and their signatures checked ({states or 'none'})",
            f"{self.interviews} interviews of {self.revisions} revisions folded afresh, state {self.state_hash[:16]}",
            *self.differences,
        ]
        if self.pending:
            lines.append(f"{self.pending} envelopes wait for the worker")
        if self.unchecked:
            lines.append(f"{self.unchecked} interviews wait to be checked")
        if self.is_catching_up:
            lines.append(
                "media and entities of interviews from before the update are not compared: the worker derives them "
                "when it runs, or passerelle rebuild"
            )
        hidden = self.difference_count - len(self.differences)
        if hidden:
            lines.append(f"and {hidden} more differences")
        lines.append("all is as it should be" if self.is_sound else f"{self.difference_count} differences")
        return "\n".join(lines)


@dataclass(slots=True)
class _Found:
    """Counts and differences on the way."""

    envelopes: int = 0
    pending: int = 0
    by_state: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, difference: str) -> None:
        self.count += 1
        if len(self.differences) < SHOWN:
            self.differences.append(difference)


def verify(
    database: Database,
    *,
    keystore: KeyStore,
    microdata: Microdata | None = None,
    blobs: Blobs | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> VerifyReport:
    """Verify everything, on one snapshot of the database; change nothing.

    Args:
        database: to read from.
        keystore: opens the envelopes again, in memory.
        microdata: whose files are hashed too, where given.
        blobs: the sealed media, hashed too, where given.
        progress: is told how many envelopes are done.

    Raises:
        KeyStoreLocked: without the vault nothing can be folded.
    """
    if keystore.is_locked:
        raise KeyStoreLocked("nothing can be folded afresh while the key store is locked: set PASSERELLE_PASSPHRASE")
    found, whole = _Found(), WholeFold()
    with database.read() as session:
        files = None if blobs is None else EncryptedFiles.within(session, blobs)
        for outcome in _open_again(session, keystore, files, found):
            _compare_state(outcome, found)
            _gather(outcome, whole)
            progress(found.envelopes)
        revisions, interviews = whole.revision_lines(), whole.interview_lines(session, keystore)
        _compare("revision", revisions, state.stored_revisions(session, keystore), found)
        _compare("interview", interviews, state.stored_interviews(session, keystore), found)
        medium_lines, entities = whole.media_lines(session, keystore), whole.entity_lines(session)
        is_catching_up = schedule.has(session, schedule.AFTER_UPDATE)
        if not is_catching_up:
            _compare("medium", medium_lines, state.stored_media(session, keystore), found)
            _compare("entity", entities, stored_entities(session, keystore), found)
        for sequence in erasures.living(session):
            found.add(f"envelope {sequence} is erased, and its bytes are still there")
        handovers = whole.handover_lines(session)
        _compare("handover", handovers, state.stored_handovers(session), found)
        unchecked = checking.count_unchecked(session)
        for interview_id in checking.differing_checks(session, keystore, files):
            found.add(f"check of interview {interview_id.hex()} is stored otherwise")
        if blobs is not None:
            _compare_blobs(session, blobs, found)
    if microdata is not None:
        for path in microdata.differing_parts():
            found.add(f"microdata file {path} is missing or altered")
    return VerifyReport(
        envelopes=found.envelopes,
        by_state=found.by_state,
        pending=found.pending,
        interviews=len(interviews),
        unchecked=unchecked,
        revisions=len(revisions),
        state_hash=state.hash_of(
            line for lines in (revisions, interviews, medium_lines, entities, handovers) for line in lines.values()
        ).hex(),
        is_catching_up=is_catching_up,
        differences=tuple(found.differences),
        difference_count=found.count,
    )


def _open_again(session: Session, keystore: KeyStore, files: EncryptedFiles | None, found: _Found) -> Iterator[Outcome]:
    definitions: dict[bytes, FormDefinition] = {}
    for part in _slices(_with_bytes(opening.every_envelope(session), found)):
        material = Material.load(session, part, known_forms=definitions)
        yield from Opener(keystore, material, definitions, files).open_all(part)


def _with_bytes(stored: Iterator[StoredEnvelope], found: _Found) -> Iterator[StoredEnvelope]:
    """Yield envelopes but tombstones, which are sound when they hold nothing."""
    for envelope in stored:
        if envelope.state != ERASED:
            yield envelope
            continue
        found.envelopes += 1
        found.by_state[ERASED] = found.by_state.get(ERASED, 0) + 1
        if envelope.body:
            found.add(f"envelope {envelope.sequence} is erased, and its bytes are still there")


def _slices(envelopes: Iterator[StoredEnvelope]) -> Iterator[Sequence[StoredEnvelope]]:
    while part := list(islice(envelopes, SLICE)):
        yield part


def _gather(outcome: Outcome, whole: WholeFold) -> None:
    if isinstance(outcome, OpenedDecision):
        whole.add_entity_decision(outcome)
    if outcome.envelope.state != OPENED:
        return  # what waits or is set aside is not in the stored state either
    if isinstance(outcome, OpenedInterview):
        whole.add_interview(outcome)
    elif isinstance(outcome, OpenedDecision):
        whole.add_decision(outcome)
    elif isinstance(outcome, OpenedDraft):
        whole.add_draft(outcome)
    elif isinstance(outcome, OpenedAttachment):
        whole.add_attachment(outcome)


def _compare_state(outcome: Outcome, found: _Found) -> None:
    stored = outcome.envelope
    found.envelopes += 1
    found.by_state[stored.state] = found.by_state.get(stored.state, 0) + 1
    if stored.state == RECEIVED:
        found.pending += 1
        return
    says = (outcome.state, outcome.reason) if isinstance(outcome, Unopened) else (OPENED, "")
    if stored.reason in (AFTER_REVOCATION, WIPED) or says[0] == stored.state:
        return
    found.add(f"envelope {stored.sequence} is stored as {stored.state}, and now reads {' '.join(says).strip()}")


def _compare_blobs(session: Session, blobs: Blobs, found: _Found) -> None:
    named = ((f"of envelope {sequence}", digest) for sequence, digest in envelopes.every_blob(session))
    sent = ((digest.hex()[:16], digest) for digest in uploads.every_whole(session))
    for what, digest in chain(named, sent):
        try:
            verify_medium(blobs.chunks(digest), digest)
        except FileNotFoundError:
            found.add(f"the medium {what} is missing")
        except EnvelopeError:
            found.add(f"the medium {what} is altered")


def _compare(what: str, fresh: Lines, stored: Lines, found: _Found) -> None:
    for name in sorted(fresh.keys() | stored.keys()):
        if fresh.get(name) == stored.get(name):
            continue
        how = (
            "has no envelope" if name not in fresh else "is not stored" if name not in stored else "is stored otherwise"
        )
        found.add(f"{what} {name[:16].hex()} {how}")
