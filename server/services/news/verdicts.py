"""What opening found of the envelopes that a device made."""

from collections.abc import Iterator
from functools import partial
from typing import Literal, cast

from server.db.queries import pull
from server.db.queries.pull import VERDICT, PulledVerdict
from server.services.news.source import Asked, Entry
from sync_protocol.pull_items import VerdictPull


def verdicts(asked: Asked) -> Iterator[Entry]:
    """Yield the device's verdicts."""
    if VERDICT not in asked.kinds:
        return
    device_id = asked.carrier.device_id
    # One more than fit, so that a cut answer is seen to be cut.
    for verdict in pull.verdicts(asked.session, device_id=device_id, after=asked.after, limit=asked.limit + 1):
        yield verdict.place, partial(_item, verdict)


def _item(verdict: PulledVerdict) -> VerdictPull:
    return VerdictPull(
        instance_id=verdict.instance_id,
        envelope_id=verdict.envelope_id,
        state=cast(Literal["opened", "quarantined", "held", "listed"], verdict.state),
        reason=verdict.reason,
    )
