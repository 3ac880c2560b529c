"""What the imported tables of a survey say, row by row; checked values between the import and the database."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PsuRow:
    """A primary sampling unit of the frame; `drawn_in_stratum`, `segments` and `replicate` matter when drawn."""

    psu: str
    stratum: str
    province: str
    area: str
    frame_households: int
    stratum_frame_households: int
    drawn: bool
    drawn_in_stratum: int
    certainty: bool
    segments: int
    replicate: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingRow:
    """Households listed and drawn in one listing class of a unit."""

    psu: str
    listing_class: int
    listed: int
    drawn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdRow:
    """A drawn household; `head` and `position` identify it and are sealed before they are stored."""

    household_key: str
    psu: str
    listing_class: int
    enumerator: str
    head: str
    position: str
    persons: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """Units of local currency for one unit of a currency, average of a month ``YYYY-MM``."""

    currency: str
    month: str
    lcu_per_unit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalRow:
    """Households of a province and area, known from elsewhere."""

    province: str
    area: str
    households: int
