"""What devices find in the feed after a fold: verdicts, interviews given back, drafts to be taken over."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import feed, handovers, opening
from server.db.queries import interviews as queries
from server.db.queries import verdicts as verdict_queries
from server.db.queries.opening import StoredEnvelope
from server.db.queries.verdicts import NewVerdict
from server.db.tables.envelopes import LISTED, QUARANTINED
from server.folding import drafts
from server.folding.fold import Filed, Refolded, refold
from server.folding.holds import Held
from server.folding.opener import OpenedDraft, Unopened
from server.keystore import DOOR_ID, OFFICE_ID, KeyStore

FILE: Final = "file"
"""Carrier of what came in a parcel that names no device."""


def refold_all(session: Session, *, keystore: KeyStore, now: datetime) -> None:
    """Fold every interview again, and tell devices what has changed for them."""
    opening.lock_fold(session)
    touched = {row.instance_id for row in queries.all_revisions(session)}
    tell_devices(session, (), (), refold(session, touched, keystore=keystore, now=now))


def tell_devices(
    session: Session,
    filed: Sequence[Filed],
    unopened: Sequence[Unopened],
    refolded: Refolded,
    drafted: Sequence[OpenedDraft] = (),
) -> None:
    """Write what devices are told in their next exchange: of what they brought, and of what others now make of it.

    All at one position of the feed, taken when everything else is written.
    """
    told = _verdicts(session, filed, unopened, refolded)
    for one in drafted:
        told += _verdicts_of(one.envelope, one.certificate.device_id, one.header.instance_id, None)
    kept = drafts.newest(session, drafted)
    position = feed.position_once(session)
    verdict_queries.tell(session, told, position=position)
    if refolded.given_back:
        handovers.put_given_back(session, refolded.given_back, position=position())
    if kept:
        handovers.put_drafts(session, kept, position=position())


def _verdicts(
    session: Session, filed: Sequence[Filed], unopened: Sequence[Unopened], refolded: Refolded
) -> list[NewVerdict]:
    held, names = refolded.held, refolded.names
    told = [
        verdict
        for item in filed
        for verdict in _verdicts_of(
            item.opened.envelope,
            item.opened.maker,
            item.opened.revision.instance_id,
            held.get(names[item.opened.revision.instance_id]),
        )
    ]
    told += [
        NewVerdict(
            device_id=item.envelope.carrier,
            envelope_id=item.envelope.envelope_id,
            instance_id=item.envelope.instance_id,
            state=item.state,
            reason=item.reason if item.state == QUARANTINED else None,
        )
        for item in unopened
        if item.state in (QUARANTINED, LISTED)
        and item.envelope.instance_id is not None
        and _is_device(item.envelope.carrier)
    ]
    changed = held.keys() - {names[item.opened.revision.instance_id] for item in filed}
    told += [
        replace(verdict, state=state, reason=reason)
        for interview_id, verdict in verdict_queries.told_of(session, changed)
        for state, reason in (_standing_of(held[interview_id]),)
    ]
    return told


def _is_device(name: str) -> bool:
    return name not in (DOOR_ID, OFFICE_ID, FILE)


def _verdicts_of(stored: StoredEnvelope, maker: str, instance_id: bytes, held: Held | None) -> list[NewVerdict]:
    """Tell who made it, for there it may be deleted by this word; and who carried it, if that is another."""
    state, reason = _standing_of(held)
    return [
        NewVerdict(
            device_id=device_id, envelope_id=stored.envelope_id, instance_id=instance_id, state=state, reason=reason
        )
        for device_id in sorted({maker, stored.carrier})
        if _is_device(device_id)
    ]


def _standing_of(held: Held | None) -> tuple[str, str | None]:
    return ("held", ",".join(held.holds)) if held is not None and held.holds else ("opened", None)
