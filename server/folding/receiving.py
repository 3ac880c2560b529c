"""What every door does with an envelope that arrives: sent by a device, or carried in a file."""

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from server.db.queries import erasures
from server.db.queries.envelopes import NewEnvelope
from server.db.tables.envelopes import ERASED, QUARANTINED
from server.folding import erasing
from sync_protocol.messages import ReceiptCode


def code_of(envelope: NewEnvelope, *, is_new: bool) -> ReceiptCode:
    """Return the receipt code of an envelope that is kept; `is_new`: nobody had brought it before."""
    if envelope.state == ERASED:
        return ReceiptCode.ERASED
    if not is_new:
        return ReceiptCode.DUPLICATE
    return ReceiptCode.QUARANTINED if envelope.state == QUARANTINED else ReceiptCode.STORED


def without_erased(session: Session | Connection, arrived: Sequence[NewEnvelope]) -> Sequence[NewEnvelope]:
    """Put tombstones in the place of what is erased: by its instanceID, or by a parent of it.

    Parents that stand in the same exchange count too, for a chain of edits may come at once. What was stored before
    its interview was erased is emptied by the fold. One cheap query where nothing was ever erased.
    """
    if not erasures.has_any(session):
        return arrived
    shown = [(envelope, erasing.parents_of(envelope.body)) for envelope in arrived]
    own, as_parent = erasures.known(
        session,
        {node for one, parents in shown for node in (one.instance_id, *parents) if node is not None},
    )
    erased = set(as_parent)
    was = -1
    while len(erased) != was:
        was = len(erased)
        erased.update(
            one.instance_id
            for one, parents in shown
            if one.instance_id and one.kind in erasures.OF_INTERVIEWS and erased.intersection(parents)
        )
    return [
        _emptied(one, is_named=one.instance_id in own, by_parent=bool(erased.intersection(parents)))
        for one, parents in shown
    ]


def _emptied(envelope: NewEnvelope, *, is_named: bool, by_parent: bool) -> NewEnvelope:
    if envelope.kind not in erasures.OF_INTERVIEWS or not (is_named or by_parent):
        return envelope
    return envelope.emptied(reason=None if is_named else erasures.LATE)
