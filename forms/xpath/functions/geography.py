"""Lengths and areas of geopoints, geotraces and geoshapes."""

import math
from collections.abc import Mapping
from typing import Final

from forms.xpath.compiler import Builder
from forms.xpath.functions.building import of_lists
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
    return math.fsum(_great_circle(line[place], line[place + 1]) for place in range(len(line) - 1))


def area(values: list[Value]) -> float:
    """Return the area in square metres within a closed line, on the sphere.

    Source: Chamberlain and Duquette, "Some algorithms for polygons on a sphere", JPL 07-3, 2007, equation 1.
    """
    line = points(values)
    if line is None:
        return NAN
    if len(line) < 3:
        return 0.0
    total = 0.0
    for place, (latitude, longitude) in enumerate(line):
        next_latitude, next_longitude = line[(place + 1) % len(line)]
        rise = 2 + math.sin(math.radians(latitude)) + math.sin(math.radians(next_latitude))
        total += math.radians(next_longitude - longitude) * rise
    return abs(total) * EARTH_RADIUS_METRES**2 / 2


def _great_circle(start: Point, end: Point) -> float:
    latitude, next_latitude = math.radians(start[0]), math.radians(end[0])
    half_rise = math.sin((next_latitude - latitude) / 2) ** 2
    half_turn = math.sin(math.radians(end[1] - start[1]) / 2) ** 2
    chord = half_rise + math.cos(latitude) * math.cos(next_latitude) * half_turn
    return 2 * EARTH_RADIUS_METRES * math.asin(math.sqrt(min(chord, 1.0)))


FUNCTIONS: Final[Mapping[str, Builder]] = {
    "distance": of_lists(distance, 1, None),
    "area": of_lists(area, 1, None),
}
