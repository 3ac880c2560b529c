"""Unfinished interviews of the devices that an enumerator had before, for the one that takes their place."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Final

from server.db.queries import handovers
from server.db.queries.handovers import StoredDraft
from server.db.queries.pull import DRAFT
from server.folding import handing
from server.folding.waiting import Waits
from server.services.news.source import Asked, Entry, Skipped
from sync_protocol.documents import key_id
from sync_protocol.errors import EnvelopeError
from sync_protocol.handover import Address, seal_handover
from sync_protocol.pull_items import DraftPull

LOG: Final = logging.getLogger(__name__)


def sealed_drafts(asked: Asked) -> Iterator[Entry]:
    """Yield the drafts of revoked devices of the same enumerator and project that nothing newer has replaced."""
    carrier = asked.carrier
    if DRAFT not in asked.kinds or not carrier.enumerator:
        return
    for place, draft in handovers.drafts_since(
        asked.session,
        project_id=carrier.project_id,
        enumerator=carrier.enumerator,
        device_id=carrier.device_id,
        after=asked.after,
        limit=asked.limit + 1,
    ):
        yield place, partial(_item, asked, draft)


def _item(asked: Asked, draft: StoredDraft) -> DraftPull | Skipped | None:
    keystore, carrier = asked.keystore, asked.carrier
    if keystore.is_locked:
        return None
    try:
        handover = handing.draft(asked.session, draft.envelope_sequence, keystore=keystore)
    except Waits as waits:  # for a key or a file that may come back: stepped over, it would never reach the next tablet
        LOG.warning("the draft in envelope %d waits before it is handed on: %s", draft.envelope_sequence, waits.state)
        return None
    except EnvelopeError:
        LOG.error("the draft in envelope %d cannot be read back", draft.envelope_sequence)  # noqa: TRY400
        return Skipped.SKIPPED
    address = Address("draft", carrier.device_id, draft.instance_id, draft.form_version_hash)
    return DraftPull(
        instance_id=draft.instance_id,
        form_version_hash=draft.form_version_hash,
        sealed=seal_handover(handover, address, receiving_key=carrier.receiving_key, signer=keystore.office.signer),
        sealed_to=key_id(carrier.receiving_key),
    )
