"""What the checks of the household survey are given beside the answers: the draw, the rates, the clocks.

Read for a batch at a time. The identities of drawn households are unsealed in memory only.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Self

from sqlalchemy.orm import Session

from server.db.queries import checks, fieldwork
from server.db.queries import statistics as statistics_queries
from server.db.queries.checks import ListedHousehold
from server.keystore import KeyStore
from server.statistics.design import DesignError
from server.statistics.hh_remit.checks import Place, Point, Surroundings
from server.statistics.hh_remit.rates import Rates
from sync_protocol.documents import canonical_json

START: Final = "start_time"
END: Final = "end_time"
POSITION: Final = "j_gps"
RURAL: Final = "2"
_DRAW: Final = "draw"
_RATES: Final = "rates"


def basis_of(session: Session, checker_version: int) -> bytes:
    """Return what all checks rest on beside the envelopes, (32,): the checker, the draw and the rates in force."""
    assigned = _assigned_on(session)
    documents = [[kind, digest.hex()] for kind, digest in checks.documents_in_force(session, (_DRAW, _RATES))]
    members = [checker_version, None if assigned is None else assigned.isoformat(), documents]
    return hashlib.sha256(canonical_json(members)).digest()


def _assigned_on(session: Session) -> date | None:
    """Return the day of the first draw: no household could be visited for the survey before it."""
    first = checks.first_imported_at(session, _DRAW)
    return None if first is None else first.date()


@dataclass(frozen=True, slots=True)
class Office:
    """What the office knows around a batch of interviews, by household tag."""

    assigned_on: date | None
    rates: Rates | None
    places: Mapping[bytes, Place]

    @classmethod
    def load(cls, session: Session, tags: Iterable[bytes], keystore: KeyStore) -> Self:
        """Read what concerns these households.

        Raises:
            KeyStoreLocked: without the vault.
        """
        listed = checks.listed_households(session, tags)
        return cls(_assigned_on(session), _rates(session), {tag: _place(one, keystore) for tag, one in listed.items()})

    def around(
        self,
        tag: bytes | None,
        answers: Mapping[str, Any],
        identifiers: Mapping[str, Any],
        *,
        received_at: datetime,
        device_time: datetime | None,
    ) -> Surroundings:
        """Return what is known around one interview."""
        return Surroundings(
            received_at=received_at,
            place=None if tag is None else self.places.get(tag),
            assigned_on=self.assigned_on,
            device_time=device_time,
            seconds=_seconds(answers),
            point=point_of(identifiers.get(POSITION)),
            rates=self.rates,
        )


def moment_of(text: Any) -> datetime | None:
    """Read a moment with its zone, as tablets write it; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.utcoffset() is not None else None
    except ValueError:
        return None


def point_of(text: Any) -> Point | None:
    """Read the latitude and longitude of a geopoint (``14.6 -17.4 10.0 5.0``); None for anything else."""
    parts = text.split() if isinstance(text, str) and len(text) < 200 else []
    try:
        latitude, longitude = (float(part) for part in parts[:2])
    except ValueError:
        return None
    is_on_earth = math.isfinite(latitude) and abs(latitude) <= 90 and math.isfinite(longitude) and abs(longitude) <= 180
    return (latitude, longitude) if is_on_earth else None


def _seconds(answers: Mapping[str, Any]) -> float | None:
    start, end = moment_of(answers.get(START)), moment_of(answers.get(END))
    return None if start is None or end is None else (end - start).total_seconds()


def _rates(session: Session) -> Rates | None:
    try:
        return Rates(statistics_queries.exchange_rates(session))
    except DesignError:
        return None


def _place(listed: ListedHousehold, keystore: KeyStore) -> Place:
    identity: dict[str, Any] = {}
    if listed.sealed:
        context = fieldwork.identity_context(listed.household_key)
        identity = json.loads(keystore.open_projection(listed.sealed, context))
    persons = identity.get("persons")
    return Place(
        listing_class=listed.listing_class,
        is_rural=listed.area == RURAL,
        persons=persons if isinstance(persons, int) else None,
        point=point_of(identity.get("position")),
    )
