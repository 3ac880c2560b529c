"""Sealed mode: what the office's offline machine finds, brought back to a server that opens no interview.

The offline machine is a restored backup of the server with the survey keys put in; it opens, folds, estimates and
decides as any server does. Its results are one document that the decision key has signed: verdicts for tablets,
erasures, published releases, the office's own decisions (sealed, for the next backup to take along), and a newer
keyring. No answer is in it but the estimates of its releases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from server.db.queries import audit, envelopes, erasures, feed, opening, verdicts
from server.db.queries import statistics as queries
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.erasures import NewErasure
from server.db.queries.statistics import DONE, PUBLISHED, RunRow, StoredRelease
from server.db.queries.verdicts import NewVerdict
from server.db.tables.envelopes import LISTED
from server.errors import BadRequest, Conflict, KeyStoreSealed
from server.export.release_content import content_hash
from server.folding import erasing
from server.keystore import OFFICE_ID, KeyStore
from server.microdata import Microdata
from sync_protocol.documents import decode_bytes, document_hash, encode_bytes, read_document, sign_document
from sync_protocol.errors import EnvelopeError, ProtocolError

LABEL_RESULTS: Final = "passerelle/1 office results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was new in the results: numbers of each, and what is to be done after the commit.

    Attributes:
        swept: what the erasures have let go of, for `server.folding.erasing.clear`.
        keyring: to be put in force where it is newer, by `KeyStore.adopt_keyring`.
    """

    verdicts: int
    erased: int
    releases: int
    decisions: int
    swept: erasing.Swept
    keyring: bytes


def make_results(session: Session, *, keystore: KeyStore, now: datetime) -> bytes:
    """Return the results of this machine as a signed document.

    Raises:
        KeyStoreSealed: this machine opens nothing.
        KeyStoreLocked: without the vault.
    """
    if keystore.is_sealed:
        raise KeyStoreSealed("this server opens no interview: its results are those of the machine that does")
    payload = {
        "server_id": keystore.server_id,
        "made_at": now.isoformat(timespec="seconds"),
        "keyring": encode_bytes(keystore.keyring_document),
        "verdicts": [_told(one) for one in verdicts.all_told(session) if one.state != LISTED],
        "erased": [
            [encode_bytes(one.instance_id), encode_bytes(one.interview_id), one.project_id]
            for one in erasures.latest(session, limit=None)
        ],
        "releases": [_shown(one) for one in reversed(queries.releases(session)) if one.state == PUBLISHED],
        "envelopes": [encode_bytes(body) for body in envelopes.bodies_of(session, carrier=OFFICE_ID)],
    }
    return sign_document(payload, keystore.office.signer, LABEL_RESULTS)


def take_results(
    session: Session, document: bytes, *, keystore: KeyStore, microdata: Microdata, user: str, now: datetime
) -> Taken:
    """Take results in: once, or again without any change.

    Raises:
        BadRequest: it is no such document, or no decision key of this office has signed it.
        Conflict: this server opens interviews itself.
        KeyStoreLocked: without the vault.
    """
    try:
        payload = read_document(document, keystore.keyring.decision_keys, LABEL_RESULTS)
    except ProtocolError:
        raise BadRequest("these are no results that the office of this server has signed") from None
    if not keystore.is_sealed:
        raise Conflict("this server opens its interviews itself: it takes nobody's word for them")
    opening.lock_fold(session)
    try:
        found = [_verdict(one) for one in payload["verdicts"]]
        erased = [_erasure(one, document_hash(document), now) for one in payload["erased"]]
        releases = [_release(one) for one in payload["releases"]]
        decided = [NewEnvelope.read(decode_bytes(one)) for one in payload["envelopes"]]
        keyring = decode_bytes(payload["keyring"])
    except (KeyError, TypeError, ValueError, AttributeError, EnvelopeError):
        raise BadRequest("a member of the results is missing or not what it should be") from None
    swept = erasing.take_listed(session, erased, microdata=microdata, keystore=keystore, now=now)
    new_releases = sum(_publish(session, one) for one in releases)
    stored = envelopes.store(session, decided, carrier=OFFICE_ID, received_at=now)
    audit.write(session, at=now, actor=user, action="take-results", subject=str(payload["made_at"])[:100])
    told = [one for one in found if one.instance_id not in swept.instance_ids]
    new_verdicts = verdicts.tell(session, told, position=feed.position_once(session))
    erasing.publish(session, swept)
    return Taken(
        verdicts=new_verdicts,
        erased=len(swept.instance_ids),
        releases=new_releases,
        decisions=sum(one.is_new for one in stored.values()),
        swept=swept,
        keyring=keyring,
    )


def _told(one: NewVerdict) -> list[Any]:
    return [one.device_id, encode_bytes(one.envelope_id), encode_bytes(one.instance_id or b""), one.state, one.reason]


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
        "published_at": None if one.published_at is None else one.published_at.isoformat(),
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


def _publish(session: Session, one: StoredRelease) -> bool:
    """Publish a release of the office's as it was published there; say whether it was new."""
    if any(one.content_hash == known.content_hash for known in queries.releases(session)):
        return False
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
    return True
