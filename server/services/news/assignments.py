"""The drawn households of an enumerator, sealed to the device."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from server.db.queries import fieldwork, pull
from server.db.queries.pull import ASSIGNMENTS
from server.services.news.source import Asked, Entry
from sync_protocol.assignments import Household, seal_assignments
from sync_protocol.documents import key_id
from sync_protocol.pull_items import AssignmentsPull


def assignments(asked: Asked) -> Iterator[Entry]:
    """Yield the units of the enumerator in which something changed: households, or whether fieldwork is over."""
    if ASSIGNMENTS not in asked.kinds:
        return
    carrier = asked.carrier
    for place, psu in pull.assigned_psus(
        asked.session, project_id=carrier.project_id, enumerator=carrier.enumerator, after=asked.after
    ):
        yield place, partial(_item, asked, psu)


def _item(asked: Asked, psu: str) -> AssignmentsPull | None:
    carrier, keystore = asked.carrier, asked.keystore
    if keystore.is_locked:
        return None
    households = []
    for identity in pull.assigned_households(
        asked.session, project_id=carrier.project_id, enumerator=carrier.enumerator, psu=psu
    ):
        context = fieldwork.identity_context(identity.household_key)
        members = json.loads(keystore.open_projection(identity.sealed, context))
        households.append(Household(identity.household_key, members["head"], members["position"]))
    sealed = seal_assignments(households, psu=psu, device_id=carrier.device_id, receiving_key=carrier.receiving_key)
    unit = fieldwork.psu_status(asked.session, psu)
    is_closed = unit is not None and unit.status != fieldwork.OPEN
    return replace(sealed, sealed_to=key_id(carrier.receiving_key), closed=is_closed)
