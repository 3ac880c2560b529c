"""Interviews that the office gives back to the enumerator of a device, sealed to it and signed by the decision key."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Final

from server.db.queries import handovers
from server.db.queries.handovers import OPEN, GivenBack
from server.db.queries.pull import RETURNED
from server.folding import handing
from server.folding.waiting import Waits
from server.services.news.source import Asked, Entry
from sync_protocol.documents import key_id
from sync_protocol.errors import EnvelopeError
from sync_protocol.handover import Address, seal_handover
from sync_protocol.pull_items import ReturnedPull

LOG: Final = logging.getLogger(__name__)


def returned_interviews(asked: Asked) -> Iterator[Entry]:
    """Yield what was given back, or settled since; a device without an enumerator gets none."""
    carrier = asked.carrier
    if RETURNED not in asked.kinds or not carrier.enumerator:
        return
    for place, given in handovers.returned_since(
        asked.session,
        project_id=carrier.project_id,
        enumerator=carrier.enumerator,
        after=asked.after,
        limit=asked.limit + 1,
    ):
        yield place, partial(_item, asked, given)


def _item(asked: Asked, given: GivenBack) -> ReturnedPull | None:
    if given.state != OPEN:
        return _settled(given)
    keystore, carrier = asked.keystore, asked.carrier
    if keystore.is_locked:
        return None
    try:
        handover = handing.returned_interview(
            asked.session, given.interview_id, given.decision_id, keystore=keystore, blobs=asked.blobs
        )
    except Waits as waits:  # for a key or a file that may come back: `settled` would take the interview away for good
        LOG.warning("interview %s waits before it is given back: %s", given.interview_id.hex(), waits.state)
        return None
    except EnvelopeError:
        LOG.error("interview %s cannot be read back for its enumerator", given.interview_id.hex())  # noqa: TRY400
        return _settled(given)
    address = Address("returned", carrier.device_id, given.instance_id, given.form_version_hash)
    return ReturnedPull(
        instance_id=given.instance_id,
        form_version_hash=given.form_version_hash,
        sealed=seal_handover(handover, address, receiving_key=carrier.receiving_key, signer=keystore.office.signer),
        sealed_to=key_id(carrier.receiving_key),
    )


def _settled(given: GivenBack) -> ReturnedPull:
    return ReturnedPull(
        instance_id=given.instance_id, form_version_hash=given.form_version_hash, state="settled", sealed=None
    )
