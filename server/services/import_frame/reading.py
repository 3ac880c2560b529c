"""Reads the frame files into rows, with the checks that one line or one file is enough for."""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeVar

from server.db.queries.frame_rows import HouseholdRow, ListingRow, PsuRow, RateRow, TotalRow
from server.services.import_frame.cells import Errors, Line, read_lines
from server.services.import_frame.check_digits import has_valid_check_digits
from server.services.import_frame.columns import Kind

_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
_MONTH: Final = re.compile(r"[12][0-9]{3}-(0[1-9]|1[0-2])", re.ASCII)
_SMALLEST_RATE: Final = Decimal("0.00000001")
_LARGEST_RATE: Final = Decimal(10**9)

Row = TypeVar("Row")


@dataclass(slots=True)
class Tables:
    """The rows of a set of files with the line of each; a table is None when its file was not given."""

    frame: dict[str, tuple[int, PsuRow]] | None = None
    listing: dict[tuple[str, int], tuple[int, ListingRow]] | None = None
    draw: dict[str, tuple[int, HouseholdRow]] | None = None
    rates: dict[tuple[str, str], tuple[int, RateRow]] | None = None
    totals: dict[tuple[str, str], tuple[int, TotalRow]] | None = None
    errors: Errors = field(default_factory=Errors)


def read_tables(files: Mapping[Kind, bytes]) -> Tables:
    """Read the given files; what is wrong is in ``errors``."""
    tables = Tables()
    errors = tables.errors
    if "frame" in files:
        tables.frame = _by_key(read_lines("frame", files["frame"], errors), _psu, lambda row: row.psu)
    if "listing" in files:
        lines = read_lines("listing", files["listing"], errors)
        tables.listing = _by_key(lines, _listing, lambda row: (row.psu, row.listing_class))
    if "draw" in files:
        tables.draw = _by_key(read_lines("draw", files["draw"], errors), _household, lambda row: row.household_key)
    if "rates" in files:
        lines = read_lines("rates", files["rates"], errors)
        tables.rates = _by_key(lines, _rate, lambda row: (row.currency, row.month))
    if "totals" in files:
        lines = read_lines("totals", files["totals"], errors)
        tables.totals = _by_key(lines, _total, lambda row: (row.province, row.area))
    return tables


Key = TypeVar("Key", bound=Hashable)


def _by_key(
    lines: Iterator[Line], read: Callable[[Line], Row], key_of: Callable[[Row], Key]
) -> dict[Key, tuple[int, Row]]:
    table: dict[Key, tuple[int, Row]] = {}
    for line in lines:
        row = read(line)
        key = key_of(row)
        if key in table:
            line.refuse(None, f"repeats line {table[key][0]}")
        else:
            table[key] = (line.number, row)
    return table


def _psu(line: Line) -> PsuRow:
    drawn = line.truth("drawn")
    row = PsuRow(
        psu=line.text("psu"),
        stratum=line.text("stratum"),
        province=line.text("province"),
        area=line.text("area"),
        frame_households=line.integer("frame_households", least=1),
        stratum_frame_households=line.integer("stratum_frame_households", least=1),
        drawn=drawn,
        drawn_in_stratum=line.integer("drawn_in_stratum", least=1 if drawn else 0, default=None if drawn else 0),
        certainty=line.truth("certainty", default=False),
        segments=line.integer("segments", least=1, most=1000, default=1),
        replicate=line.optional_integer("replicate", least=1),
    )
    if row.stratum_frame_households < row.frame_households:
        line.refuse("stratum_frame_households", "is less than frame_households of this unit alone")
    return row


def _listing(line: Line) -> ListingRow:
    row = ListingRow(
        psu=line.text("psu"),
        listing_class=line.integer("listing_class", least=1, most=9),
        listed=line.integer("listed"),
        drawn=line.integer("drawn"),
    )
    if row.drawn > row.listed:
        line.refuse("drawn", "is more than listed")
    return row


def _household(line: Line) -> HouseholdRow:
    key = line.text("household_key")
    if key and not has_valid_check_digits(key):
        line.refuse(
            "household_key", "fails its check digits: the whole number modulo 97 must be 1 (ISO 7064 MOD 97-10)"
        )
    return HouseholdRow(
        household_key=key,
        psu=line.text("psu"),
        listing_class=line.integer("listing_class", least=1, most=9),
        enumerator=line.text("enumerator"),
        head=line.text("head", longest=120, may_be_empty=True),
        position=_position(line),
        persons=line.optional_integer("persons"),
    )


def _position(line: Line) -> str:
    """Return ``latitude longitude`` as ODK's geopoint writes them, or nothing."""
    if not line.cells.get("latitude") and not line.cells.get("longitude"):
        return ""
    latitude = line.decimal("latitude", least=Decimal(-90), most=Decimal(90))
    longitude = line.decimal("longitude", least=Decimal(-180), most=Decimal(180))
    return f"{latitude} {longitude}"


def _rate(line: Line) -> RateRow:
    row = RateRow(
        currency=line.text("currency"),
        month=line.text("month"),
        lcu_per_unit=line.decimal("lcu_per_unit", least=_SMALLEST_RATE, most=_LARGEST_RATE),
    )
    if row.currency and not _CURRENCY.fullmatch(row.currency):
        line.refuse("currency", "must be an ISO 4217 code: three capital letters")
    if row.month and not _MONTH.fullmatch(row.month):
        line.refuse("month", "must be YYYY-MM")
    return row


def _total(line: Line) -> TotalRow:
    return TotalRow(
        province=line.text("province"), area=line.text("area"), households=line.integer("households", least=1)
    )
