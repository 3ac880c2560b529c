"""The five frame files of a survey as CSV: frame, listing, draw, rates, totals.

These are what an office brings to ``passerelle frame import``. Heads' names and positions are in the draw only, because
only drawn households reach a tablet.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from server.demo import parameters as p
from server.demo.country import Country, Texts
from server.demo.design import Assignment, Survey, household_keys
from server.demo.names import first_name
from server.demo.rates import Rates


@dataclass(frozen=True, slots=True)
class FrameFiles:
    """CSV files, UTF-8 with a header line, by what they hold."""

    frame: bytes
    listing: bytes
    draw: bytes
    rates: bytes
    totals: bytes


def stratum_code(number: int) -> str:
    """Return the code of a stratum: province 2, area 1."""
    return p.PROVINCES[number // 2].code + p.AREA_CODES[number % 2]


def position(psu_code: str, number: int) -> tuple[float, float]:
    """Return where a listed address lies: made latitude and longitude, households some 40 m apart."""
    rng = random.Random(f"place {psu_code}")  # noqa: S311 - made data, not a secret
    latitude, longitude = rng.uniform(-4.5, -0.5), rng.uniform(-32.5, -27.5)
    return round(latitude + (number // 16) * 0.0004, 6), round(longitude + (number % 16) * 0.0004, 6)


def make_frame_files(country: Country, survey: Survey, assignment: Assignment, rates: Rates) -> FrameFiles:
    """Write the tables of one survey."""
    return FrameFiles(
        frame=_csv(
            (
                *("psu", "stratum", "province", "area", "frame_households", "stratum_frame_households"),
                *("drawn", "drawn_in_stratum", "certainty", "segments", "replicate"),
            ),
            _frame(country, survey),
        ),
        listing=_csv(("psu", "listing_class", "listed", "drawn"), _listing(country, survey)),
        draw=_csv(
            ("household_key", "psu", "listing_class", "enumerator", "head", "latitude", "longitude"),
            _households(country, survey, assignment),
        ),
        rates=_csv(
            ("currency", "month", "lcu_per_unit"),
            ((currency, month, str(rate)) for (currency, month), rate in sorted(rates.lcu_per_unit.items())),
        ),
        totals=_csv(("province", "area", "households"), _totals(country)),
    )


def enumerator_code(number: int) -> str:
    """Return the four-digit code of an enumerator."""
    return f"{number:04d}"


def keys_of(country: Country, survey: Survey) -> Texts:
    """Return the household keys of a survey, in the order of its drawn households."""
    return household_keys(country, survey.psus, survey.households)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _frame(country: Country, survey: Survey) -> Iterable[Sequence[object]]:
    psus, drawn = country.psus, survey.psus
    sizes = np.bincount(psus.stratum, psus.frame, 2 * len(p.PROVINCES)).astype(int)
    place = {int(psu): row for row, psu in enumerate(drawn.psu)}
    for index, code in enumerate(psus.code):
        stratum = int(psus.stratum[index])
        common = (code, stratum_code(stratum), code[:2], code[2], int(psus.frame[index]), int(sizes[stratum]))
        row = place.get(index)
        if row is None:
            yield (*common, 0, "", "", "", "")
        else:
            yield (*common, 1, int(drawn.drawn_in_stratum[row]), 0, 1, int(drawn.replicate[row]))


def _listing(country: Country, survey: Survey) -> Iterable[Sequence[object]]:
    for code, listed, drawn in zip(country.psus.code[survey.psus.psu], survey.listed, survey.drawn, strict=True):
        for column in (0, 1):
            yield code, column + 1, int(listed[column]), int(drawn[column])


def _households(country: Country, survey: Survey, assignment: Assignment) -> Iterable[Sequence[object]]:
    drawn = survey.households
    codes = country.psus.code[survey.psus.psu][drawn.place]
    for row, key in enumerate(keys_of(country, survey)):
        code, number, household = str(codes[row]), int(drawn.number[row]), int(drawn.household[row])
        head = first_name(f"head {household}", female=bool(country.households.female_head[household]))
        yield (
            key,
            code,
            int(drawn.listing_class[row]),
            enumerator_code(int(assignment.enumerator[row])),
            head if household >= 0 else "",
            *position(code, number),
        )


def _totals(country: Country) -> Iterable[Sequence[object]]:
    households = np.bincount(country.psus.stratum, country.psus.households, 2 * len(p.PROVINCES))
    for stratum, count in enumerate(households):
        code = stratum_code(stratum)
        yield code[:2], code[2], int(count)
