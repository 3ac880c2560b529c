"""Checks between the frame files: what one says of a unit, stratum or class, the others must bear out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from server.db.queries.frame_rows import HouseholdRow, ListingRow, PsuRow
from server.services.import_frame.cells import Errors


def check_strata(frame: Mapping[str, tuple[int, PsuRow]], errors: Errors) -> None:
    """Check that the units of each stratum agree on its size and its draw; certainty units stand for themselves."""
    if not any(row.drawn for _, row in frame.values()):
        errors.add("frame", None, "drawn", "no unit is marked as drawn")
    strata: dict[str, list[tuple[int, PsuRow]]] = {}
    for line, row in frame.values():
        if not row.certainty:
            strata.setdefault(row.stratum, []).append((line, row))
    for stratum, units in strata.items():
        _check_stratum(stratum, units, errors)


def _check_stratum(stratum: str, units: Sequence[tuple[int, PsuRow]], errors: Errors) -> None:
    head = units[0][1]
    drawn = sum(row.drawn for _, row in units)
    households = sum(row.frame_households for _, row in units)
    for line, row in units:
        if row.stratum_frame_households != head.stratum_frame_households:
            errors.add("frame", line, "stratum_frame_households", f"differs from unit {head.psu} of the same stratum")
        if row.drawn and row.drawn_in_stratum != drawn:
            errors.add("frame", line, "drawn_in_stratum", f"is not the {drawn} units of the stratum marked drawn")
    if households > head.stratum_frame_households:
        what = f"stratum {stratum} has {households} households in its units, more than {head.stratum_frame_households}"
        errors.add("frame", units[0][0], "stratum_frame_households", what)


def check_listing(
    listing: Mapping[tuple[str, int], tuple[int, ListingRow]], frame: Mapping[str, PsuRow], errors: Errors
) -> None:
    """Check that only drawn units are listed."""
    for line, row in listing.values():
        if row.psu not in frame or not frame[row.psu].drawn:
            errors.add("listing", line, "psu", "is not a drawn unit of the frame")


def check_draw(
    draw: Mapping[str, tuple[int, HouseholdRow]], listing: Mapping[tuple[str, int], ListingRow], errors: Errors
) -> None:
    """Check that the drawn households are those that the listing counts as drawn."""
    counted: Counter[tuple[str, int]] = Counter()
    for line, row in draw.values():
        place = (row.psu, row.listing_class)
        counted[place] += 1
        if place not in listing:
            errors.add("draw", line, "psu", "has no line in listing.csv for this unit and listing class")
    for place, entry in listing.items():
        if counted[place] != entry.drawn:
            unit = f"unit {entry.psu}, class {entry.listing_class}"
            what = f"{unit} has {counted[place]} households; listing.csv says {entry.drawn} drawn"
            errors.add("draw", None, None, what)


def check_totals(totals: frozenset[tuple[str, str]], frame: Mapping[str, PsuRow], errors: Errors) -> None:
    """Check that every province and area with a drawn unit has a total."""
    needed = {(row.province, row.area) for row in frame.values() if row.drawn}
    for province, area in sorted(needed - totals):
        errors.add("totals", None, None, f"province {province}, area {area} has drawn units but no total")


Key = TypeVar("Key")
Row = TypeVar("Row")


def rows_of(table: Mapping[Key, tuple[int, Row]]) -> dict[Key, Row]:
    """Return the rows of a read table without their lines."""
    return {key: row for key, (_, row) in table.items()}
