"""Lengths and areas of geopoints, geotraces and geoshapes."""

import itertools
import math
from collections.abc import Mapping
from typing import Final

from forms.xpath.compiler import Builder
from forms.xpath.functions.building import of_lists, of_values
from forms.xpath.values import NAN, Value, to_text

EARTH_RADIUS_METRES: Final = 6_378_100.0
"""The radius that Collect's engine uses."""

Point = tuple[float, float]


def points(values: list[Value]) -> list[Point] | None:
    """Read latitude and longitude (degrees) of each point; None where a text is no point."""
    found: list[Point] = []
    for value in values:
        for part in to_text(value).split(";"):
            if not part.strip():
                continue
            try:
                latitude, longitude = (float(number) for number in part.split()[:2])
            except ValueError:
                return None
            found.append((latitude, longitude))
    return found


def distance(values: list[Value]) -> float:
    """Return the length in metres of a line through points, by great circles."""
    line = points(values)
    if line is None:
        return NAN
    return math.fsum(_great_circle(start, end) for start, end in itertools.pairwise(line))


def area(values: list[Value]) -> float:
    """Return the area in square metres within a closed line, laid out flat around its first point.

    Good to a few parts in a million for what one walks around; the same figure as Collect shows.
    """
    line = points(values)
    if line is None:
        return NAN
    if len(line) < 3:
        return 0.0
    metres_a_degree = math.tau * EARTH_RADIUS_METRES / 360
    first_latitude, first_longitude = line[0]
    flat = [
        (
            (longitude - first_longitude) * metres_a_degree * math.cos(math.radians(latitude)),
            (latitude - first_latitude) * metres_a_degree,
        )
        for latitude, longitude in line[1:]
    ]
    doubled = [y * next_x - x * next_y for (x, y), (next_x, next_y) in itertools.pairwise(flat)]
    return abs(math.fsum(doubled)) / 2


def is_inside(point: Value, closed_line: Value) -> bool:
    """Say whether a point lies within a closed line, by the number of sides that a ray from it crosses.

    Degrees are taken as flat, as Collect does; a line over the 180th meridian has no inside.
    """
    place, line = points([point]), points([closed_line])
    if not place or line is None:
        return False
    latitude, longitude = place[0]
    crossings = 0
    for (start_latitude, start_longitude), (end_latitude, end_longitude) in itertools.pairwise(line):
        if (start_latitude > latitude) != (end_latitude > latitude):
            share = (latitude - end_latitude) / (start_latitude - end_latitude)
            crossings += longitude < (start_longitude - end_longitude) * share + end_longitude
    return crossings % 2 == 1


def _great_circle(start: Point, end: Point) -> float:
    """Return the distance by the spherical law of cosines, as Collect computes it (2 mm off at 5 km)."""
    latitude, next_latitude = math.radians(start[0]), math.radians(end[0])
    turn = math.radians(end[1] - start[1])
    cosine = math.sin(latitude) * math.sin(next_latitude)
    cosine += math.cos(latitude) * math.cos(next_latitude) * math.cos(turn)
    return EARTH_RADIUS_METRES * math.acos(max(min(cosine, 1.0), -1.0))


FUNCTIONS: Final[Mapping[str, Builder]] = {
    "distance": of_lists(distance, 1, None),
    "area": of_lists(area, 1, None),
    "enclosed-area": of_lists(area, 1, None),
    "geofence": of_values(is_inside, 2),
}
