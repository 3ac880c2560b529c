"""Q1 and Q2: how long the interview took, and where it was made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from server.statistics.hh_remit.answers import Answers, code, rows
from server.statistics.hh_remit.checks.finding import CheckFinding, Point, Surroundings

SHORT_MINUTES: Final = 12
SHORT_MINUTES_WITH_WORKER: Final = 22
FAR_METRES: Final = 500
FAR_METRES_RURAL: Final = 1000
EARTH_METRES: Final = 6_371_009
"""Mean radius (IUGG)."""
_COMPLETE: Final = "110"


def check_visit(answers: Answers, around: Surroundings) -> Iterator[CheckFinding]:
    """Yield Q1 for complete interviews that were too short, and Q2.

    Start and end at one moment, or backwards, measure nothing: a form filled by a programme, or a clock that was set.
    """
    least = SHORT_MINUTES_WITH_WORKER if rows(answers, "worker") else SHORT_MINUTES
    seconds = around.seconds
    if code(answers, "j_result") == _COMPLETE and seconds is not None and 0 < seconds < least * 60:
        yield CheckFinding("Q1", "score", "", round(seconds / 60, 1))
    if around.place is None or around.place.point is None or around.point is None:
        return
    far = metres_between(around.place.point, around.point)
    if far > (FAR_METRES_RURAL if around.place.is_rural else FAR_METRES):
        yield CheckFinding("Q2", "score", "j_gps", float(round(far, -2)))


def metres_between(one: Point, other: Point) -> float:
    """Return the great-circle distance of two points by the haversine formula (R. W. Sinnott, 1984)."""
    (north, east), (other_north, other_east) = (
        (math.radians(latitude), math.radians(longitude)) for latitude, longitude in (one, other)
    )
    half = (
        math.sin((other_north - north) / 2) ** 2
        + math.cos(north) * math.cos(other_north) * math.sin((other_east - east) / 2) ** 2
    )
    return 2 * EARTH_METRES * math.asin(math.sqrt(min(1.0, half)))
