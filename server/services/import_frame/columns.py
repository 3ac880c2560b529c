"""The columns of the five frame files; docs/reference/frame-files.md explains each."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal["frame", "listing", "draw", "rates", "totals"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Header:
    """The columns that a file must have, and those it may have."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, required ones first."""
        return self.required + self.optional


HEADERS: Final[dict[Kind, Header]] = {
    "frame": Header(
        (
            "psu", "stratum", "province", "area",
            "frame_households", "stratum_frame_households", "drawn", "drawn_in_stratum",
        ),
        ("certainty", "segments", "replicate"),
    ),
    "listing": Header(("psu", "listing_class", "listed", "drawn")),
    "draw": Header(
        ("household_key", "psu", "listing_class", "enumerator"), ("head", "latitude", "longitude", "persons")
    ),
    "rates": Header(("currency", "month", "lcu_per_unit")),
    "totals": Header(("province", "area", "households")),
}  # fmt: skip
