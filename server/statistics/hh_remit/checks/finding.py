"""What a check is given beside the answers, and what it says; never an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from server.statistics.hh_remit.rates import Rates

Severity = Literal["hold", "error", "supervisor", "note", "flag", "score"]
SEVERITIES: Final[tuple[Severity, ...]] = ("hold", "error", "supervisor", "note", "flag", "score")
"""In the order in which people should look at them."""

Point = tuple[float, float]
"""Latitude and longitude, degrees."""


@dataclass(frozen=True, slots=True, order=True)
class CheckFinding:
    """One finding of a check.

    Attributes:
        code: of `catalogue.RULES`.
        path: question and row, as ``worker[2]/e_rci_ok``; empty for the interview as a whole.
        measure: how far, in the unit of the rule: minutes, metres, a share, a z-score; None where there is none. Scores
            have one, and it is a figure on the work of the enumerator, never an answer of the household.
    """

    code: str
    severity: Severity
    path: str
    measure: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the listing and the draw say of a household.

    Attributes:
        listing_class: 1 where the listing saw somebody abroad or lately back, 2 elsewhere.
        persons: household size by the listing, None where it did not ask.
        point: where the listing found it, None where it has no coordinates.
    """

    listing_class: int
    is_rural: bool
    persons: int | None = None
    point: Point | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known around one interview; what is not known leaves its checks out.

    Attributes:
        place: None for a household outside the draw.
        assigned_on: the day from which households could be visited.
        received_at: when the server had it first, aware.
        device_time: the tablet's clock at the end of the interview, aware; None where it told none.
        seconds: from the start of the interview to its end, None where that was not measured.
        point: where the enumerator stood.
        rates: the dated table of the office.
    """

    received_at: datetime
    place: Place | None = None
    assigned_on: date | None = None
    device_time: datetime | None = None
    seconds: float | None = None
    point: Point | None = None
    rates: Rates | None = None


Findings = Iterable[CheckFinding]
