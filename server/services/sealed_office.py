"""Sealed mode: what the office's offline machine finds, brought back to a server that opens no interview.

The offline machine is a restored backup of the server with the survey keys put in; it opens, folds, estimates and
decides as any server does. Its results are one document that the decision key has signed: verdicts for tablets,
erasures, what was let in from quarantine, published releases, the office's own decisions (sealed, for the next backup
to take along), and a newer keyring. No answer is in it but the estimates of its releases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from server.db.queries import audit, devices, envelopes, erasures, feed, opening, set_aside, verdicts
from server.db.queries import statistics as queries
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.erasures import NewErasure
from server.db.queries.statistics import DONE, PUBLISHED, RunRow, StoredRelease
from server.db.queries.verdicts import NewVerdict
from server.db.tables.envelopes import LISTED
from server.errors import BadRequest, Conflict, KeyStoreSealed
from server.export.release_content import content_hash
from server.folding import erasing
from server.keystore import OFFICE_ID, KeyStore, newer_keyring
from server.microdata import Microdata
from sync_protocol.documents import decode_bytes, document_hash, encode_bytes, read_document, sign_document
from sync_protocol.errors import EnvelopeError, ProtocolError
from sync_protocol.messages import HAVE_BYTES

LABEL_RESULTS: Final = "passerelle/1 office results"
TAKEN: Final = "take-results"
AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What the offline machine has found."""

    made_at: datetime
    keyring: bytes
    verdicts: tuple[NewVerdict, ...]
    erased: tuple[NewErasure, ...]
    let_in: tuple[tuple[bytes, str], ...]
    releases: tuple[StoredRelease, ...]
    decisions: tuple[NewEnvelope, ...]
    emptied: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was new in the results: numbers of each; `swept` is for `server.folding.erasing.clear`, after the commit."""

    verdicts: int
    erased: int
    releases: int
    decisions: int
    swept: erasing.Swept


def seal(
    session: Session, *, keystore: KeyStore, path: Path, passphrase: str, keeps: bool, user: str, now: datetime
) -> None:
    """Move the private survey keys into a file, or copy them.

    Raises:
        Conflict: they are to leave a server on which something has been opened, or may have been.
        KeyStoreLocked: without the vault.
        KeyStoreError: as `KeyStore.take_out_survey_keys`.
    """
    if not keeps and envelopes.has_answers(session):
        raise Conflict("interviews have come to this server: seal a new one, before the first of them")
    keystore.take_out_survey_keys(path, passphrase, keeps=keeps)
    audit.write(session, at=now, actor=user, action="copy-survey-keys" if keeps else "seal", subject="survey keys")


def unseal(session: Session, *, keystore: KeyStore, path: Path, passphrase: str, user: str, now: datetime) -> None:
    """Take the private survey keys from a file.

    Raises:
        KeyStoreLocked: without the vault.
        KeyStoreError: as `KeyStore.put_in_survey_keys`.
    """
    keystore.put_in_survey_keys(path, passphrase)
    audit.write(session, at=now, actor=user, action="unseal", subject="survey keys")


def make_results(session: Session, *, keystore: KeyStore, now: datetime) -> bytes:
    """Return the results of this machine as a signed document.

    Raises:
        Conflict: tablets would be told to seal to a key that is on this machine only.
        KeyStoreSealed: this machine opens nothing.
        KeyStoreLocked: without the vault.
    """
    if keystore.is_sealed:
        raise KeyStoreSealed("this server opens no interview: its results are those of the machine that does")
    if keystore.uncopied_survey_keys:
        raise Conflict("new survey keys are on this machine only: write them out, `passerelle key seal FILE --keep`")
    payload = {
        "made_at": now.isoformat(timespec="seconds"),
        "keyring": encode_bytes(keystore.keyring_document),
        "verdicts": [_told(one) for one in verdicts.all_told(session) if one.state != LISTED],
        "erased": [
            [encode_bytes(one.instance_id), encode_bytes(one.interview_id), one.project_id]
            for one in erasures.latest(session, limit=None)
        ],
        "let_in": [[encode_bytes(one), mark] for one, mark in set_aside.marks(session)],
        "releases": [_shown(one) for one in reversed(queries.releases(session)) if one.state == PUBLISHED],
        "decisions": [encode_bytes(body) for body in envelopes.bodies_of(session, carrier=OFFICE_ID)],
        "emptied": [encode_bytes(one) for one in envelopes.emptied(session, carrier=OFFICE_ID)],
    }
    return sign_document(payload, keystore.office.signer, LABEL_RESULTS)


def read_results(document: bytes, *, keystore: KeyStore, now: datetime) -> Results:
    """Check results and read them.

    Raises:
        BadRequest: it is no such document, or no decision key of this office has signed it.
    """
    try:
        payload = read_document(document, keystore.keyring.decision_keys, LABEL_RESULTS)
    except ProtocolError:
        raise BadRequest(
            "these are no results that the office of this server has signed: bring the file that `passerelle office "
            "results` wrote on its machine"
        ) from None
    try:
        return Results(
            made_at=datetime.fromisoformat(payload["made_at"]),
            keyring=decode_bytes(payload["keyring"]),
            verdicts=tuple(map(_verdict, payload["verdicts"])),
            erased=tuple(_erasure(one, document_hash(document), now) for one in payload["erased"]),
            let_in=tuple((decode_bytes(one), str(mark)) for one, mark in payload["let_in"]),
            releases=tuple(map(_release, payload["releases"])),
            decisions=tuple(NewEnvelope.read(decode_bytes(one)) for one in payload["decisions"]),
            emptied=tuple(map(decode_bytes, payload["emptied"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError, EnvelopeError):
        raise BadRequest(
            "a member of the results is missing or not what it should be: run the same release on both machines, and "
            "make them again with `passerelle office results`"
        ) from None


def take_results(
    session: Session, results: Results, *, keystore: KeyStore, microdata: Microdata, user: str, now: datetime
) -> Taken:
    """Take results in: once, or again without any change. Their keyring is put in force after the commit.

    Raises:
        Conflict: this server opens interviews itself, or has taken newer results.
        KeyStoreLocked: without the vault.
        KeyStoreError: their keyring lacks what this server has done since the backup.
    """
    if not keystore.is_sealed:
        raise Conflict("this server opens its interviews itself: it takes nobody's word for them")
    last = audit.last_subject(session, action=TAKEN)
    if last is not None and results.made_at < datetime.fromisoformat(last):
        raise Conflict(f"these results are older than those of {last}, which were taken in")
    keyring = newer_keyring(keystore.keyring, results.keyring)
    opening.lock_fold(session)
    if keyring is not None:
        devices.keep_keyring(session, serial=keyring.serial, document=results.keyring)
    swept = erasing.take_listed(session, results.erased, microdata=microdata, keystore=keystore, now=now)
    erasures.empty_decisions(session, results.emptied)
    set_aside.set_marks(session, results.let_in)
    new_releases = _publish(session, results.releases)
    new_decisions = _store(session, results.decisions, now)
    audit.write(session, at=now, actor=user, action=TAKEN, subject=results.made_at.isoformat())
    told = _of_what_is_here(session, results)
    new_verdicts = verdicts.tell(session, told, position=feed.position_once(session))
    erasing.publish(session, swept)
    return Taken(
        verdicts=new_verdicts,
        erased=len(swept.instance_ids),
        releases=new_releases,
        decisions=new_decisions,
        swept=swept,
    )


def _store(session: Session, decisions: Sequence[NewEnvelope], now: datetime) -> int:
    new = 0
    for start in range(0, len(decisions), AT_ONCE):
        chunk = decisions[start : start + AT_ONCE]
        kept = envelopes.store(session, chunk, carrier=OFFICE_ID, received_at=now)
        new += sum(one.is_new for one in kept.values())
    return new


def _of_what_is_here(session: Session, results: Results) -> list[NewVerdict]:
    """Return the verdicts on envelopes that this server has, and that are not erased here."""
    known = envelopes.sequences_by_prefix(session, sorted({one.envelope_id[:HAVE_BYTES] for one in results.verdicts}))
    here = {prefix for prefix, recalled in known.items() if not recalled.is_erased}
    return [one for one in results.verdicts if one.envelope_id[:HAVE_BYTES] in here]


def _told(one: NewVerdict) -> list[Any]:
    assert one.instance_id is not None  # noqa: S101 -- a verdict is about an instance
    return [one.device_id, encode_bytes(one.envelope_id), encode_bytes(one.instance_id), one.state, one.reason]


def _verdict(written: Any) -> NewVerdict:
    device_id, envelope_id, instance_id, state, reason = written
    return NewVerdict(
        device_id=str(device_id),
        envelope_id=decode_bytes(envelope_id),
        instance_id=decode_bytes(instance_id),
        state=str(state),
        reason=None if reason is None else str(reason),
    )


def _erasure(written: Any, decision_id: bytes, now: datetime) -> NewErasure:
    instance_id, interview_id, project_id = written
    return NewErasure(
        instance_id=decode_bytes(instance_id),
        interview_id=decode_bytes(interview_id),
        project_id=int(project_id),
        decision_id=decision_id,
        erased_at=now,
    )


def _shown(one: StoredRelease) -> dict[str, Any]:
    return {
        "created_at": one.created_at.isoformat(),
        "cut_off": one.cut_off.isoformat(),
        "published_at": one.published_at and one.published_at.isoformat(),
        "published_by": one.published_by,
        "content": encode_bytes(one.content),
        "open_holds": one.open_holds,
    }


def _release(written: Mapping[str, Any]) -> StoredRelease:
    content = decode_bytes(written["content"])
    return StoredRelease(
        release_id=0,
        run_id=0,
        state=PUBLISHED,
        created_at=datetime.fromisoformat(written["created_at"]),
        cut_off=datetime.fromisoformat(written["cut_off"]),
        published_at=datetime.fromisoformat(written["published_at"]),
        published_by=str(written["published_by"]),
        content_hash=content_hash(content),
        content=content,
        open_holds=int(written["open_holds"]),
    )


def _publish(session: Session, releases: Sequence[StoredRelease]) -> int:
    """Publish releases of the office's as they were published there; return how many were new."""
    known = {one.content_hash for one in queries.releases(session)}
    new = [one for one in releases if one.content_hash not in known]
    for one in new:
        _publish_one(session, one)
    return len(new)


def _publish_one(session: Session, one: StoredRelease) -> None:
    run = RunRow(
        due_at=one.created_at,
        started_at=one.created_at,
        finished_at=one.created_at,
        state=DONE,
        reason=None,
        inputs_hash=None,
    )
    release_id = queries.add_draft(
        session,
        run_id=queries.add_run(session, run),
        now=one.created_at,
        cut_off=one.cut_off,
        content=one.content,
        content_hash=one.content_hash,
        open_holds=one.open_holds,
    )
    assert one.published_at is not None  # noqa: S101 -- `_release` reads no other
    queries.set_published(session, release_id, by=one.published_by or "", at=one.published_at)
