"""What an estimate is made from and what comes out: columns of a survey's sample, its design tables, its estimates.

All columns are numpy arrays; rows of one table have equal length. Money is USD, a year's sum for transfers, one sum for
recruitment costs, one month for earnings. ``nan`` is an amount that exists and is not known; it is never zero.
Every drawn household has a row, whatever its visits came to: one without an interview has disposition 318.
Both the fold of real interviews and simulated surveys make these tables, so both run the same weights and estimators.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Texts: TypeAlias = npt.NDArray[np.str_]
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

#: AAPOR dispositions (Standard Definitions): what the visits to a drawn household came to.
RESPONDENT: Final = (110, 120)
ELIGIBLE_NONRESPONDENT: Final = (211, 212, 220, 230)
UNKNOWN_ELIGIBILITY: Final = (318,)
NOT_ELIGIBLE: Final = (410, 450, 460)
NOT_RECEIVED: Final = 318

#: ``last_module``: letters A to J as 1 to 9 without I; 9 means that nothing is missing.
NO_INTERVIEW: Final = 0
MODULE_D: Final = 4
MODULE_E: Final = 5
MODULE_F: Final = 6
ALL_MODULES: Final = 9

#: ``Workers.earnings_state``: of the first full month in the first job abroad.
PAID: Final = 1
UNPAID: Final = 2
NO_FULL_MONTH_YET: Final = 3
EARNINGS_UNKNOWN: Final = 4

#: ``imputed``: how an amount came about.
REPORTED: Final = 0
FROM_BAND: Final = 1
FROM_CLASS: Final = 2

#: ``Costs.item``: 1 to 16 are the choices of the list ``costitem``.
LUMP_SUM: Final = 0
INTEREST: Final = 15
RECOVERED_FROM_WAGES: Final = 90


@dataclass(frozen=True, slots=True)
class Households:
    """Every drawn household, one row each.

    Args:
        key: unique household key; every ordered sum runs in its order.
        psu: of the draw, a row of :class:`Psus`.
        listing_class: 1 = someone abroad or lately back, 2 = other, as listed.
        disposition: AAPOR code; 318 where nothing was received.
        sex_head: 1 male, 2 female, 0 not known (no interview).
        is_migrant: has a member abroad; False without an interview.
        last_module: last complete module, ``NO_INTERVIEW`` to ``ALL_MODULES``.
    """

    key: Texts
    psu: Texts
    listing_class: Ints
    disposition: Ints
    sex_head: Ints
    is_migrant: Flags
    last_module: Ints


@dataclass(frozen=True, slots=True)
class Senders:
    """People abroad who sent money or goods, of households with module F.

    Args:
        household: row of :class:`Households`.
        line: of the sender within the household, from 1.
        country: from which it was sent, ISO 3166-1 alpha-3 or ``OTH``.
        sex: 1 male, 2 female, 0 not known.
        kind_of_sender: list ``sendertype``: 1 = a person of module D … 4.
        nonresident: by the 12-month test of BPM6; what a resident working abroad sends is no personal transfer.
        months: number of months in which money came, 0 to 12.
        cash_usd: of the 12 months; 0 if only goods came, ``nan`` if not known.
        cash_low_usd, cash_high_usd: limits of the band where one was given, else ``nan``; high may be ``inf``.
        cash_imputed: ``REPORTED`` … ``FROM_CLASS``; all ``REPORTED`` before imputation.
        goods_usd: value of goods, 0 if none.
    """

    household: Ints
    line: Ints
    country: Texts
    sex: Ints
    kind_of_sender: Ints
    nonresident: Flags
    months: Ints
    cash_usd: Floats
    cash_low_usd: Floats
    cash_high_usd: Floats
    cash_imputed: Ints
    goods_usd: Floats


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers in the universe of SDG 10.7.1, of households with module E.

    Args:
        household: row of :class:`Households`.
        line: key of the worker within the household: 100 + line of module C, or 200 + line of module D.
        country: of the first job.
        sex: 1 male, 2 female.
        is_proxy: someone else answered.
        has_borrowed: from family, bank or money-lender.
        earnings_state: ``PAID`` … ``EARNINGS_UNKNOWN``; a refusal and a paid amount not known are both unknown.
        earnings_usd: first full month, with what was held back for recruitment costs added back; ``nan`` unless paid.
        earnings_low_usd, earnings_high_usd: limits of the band where one was given, else ``nan``.
        earnings_imputed: ``REPORTED`` … ``FROM_CLASS``.
    """

    household: Ints
    line: Ints
    country: Texts
    sex: Ints
    is_proxy: Flags
    has_borrowed: Flags
    earnings_state: Ints
    earnings_usd: Floats
    earnings_low_usd: Floats
    earnings_high_usd: Floats
    earnings_imputed: Ints


@dataclass(frozen=True, slots=True)
class Costs:
    """Sums that a worker paid to get the job; a worker who paid nothing has no row and costs of 0.

    Args:
        worker: row of :class:`Workers`.
        item: ``LUMP_SUM``, a code of the list ``costitem`` (``INTEREST`` stays out of C), or ``RECOVERED_FROM_WAGES``.
        usd: ``nan`` if not known.
        low_usd, high_usd: limits of the band where one was given, else ``nan``.
        imputed: ``REPORTED`` … ``FROM_CLASS``.
    """

    worker: Ints
    item: Ints
    usd: Floats
    low_usd: Floats
    high_usd: Floats
    imputed: Ints


@dataclass(frozen=True, slots=True)
class Sample:
    """A survey's sample as answered: what :func:`server.statistics.indicators.estimate_all` takes."""

    households: Households
    senders: Senders
    workers: Workers
    costs: Costs


@dataclass(frozen=True, slots=True)
class Psus:
    """Drawn primary sampling units, one row each.

    Args:
        psu: unique code.
        stratum, province, area: codes of the frame.
        frame_households: F, the frame's count, the measure of size of the draw.
        stratum_frame_households: the sum of F over the stratum's frame, certainty PSUs left out.
        drawn_in_stratum: n of the draw, certainty PSUs left out.
        is_certain: drawn with certainty: a stratum of its own.
        segments: into how many the PSU was cut, one of them listed; 1 if whole.
        is_worked: False if lost (never reached); a PSU worked without a respondent is worked.
    """

    psu: Texts
    stratum: Texts
    province: Texts
    area: Texts
    frame_households: Ints
    stratum_frame_households: Ints
    drawn_in_stratum: Ints
    is_certain: Flags
    segments: Ints
    is_worked: Flags


@dataclass(frozen=True, slots=True)
class Listings:
    """Listing and draw of households, one row a PSU and listing class."""

    psu: Texts
    listing_class: Ints
    listed: Ints
    drawn: Ints


@dataclass(frozen=True, slots=True)
class Totals:
    """Households of the country by province and area, from a source outside the survey, to calibrate weights to."""

    province: Texts
    area: Texts
    households: Ints


@dataclass(frozen=True, slots=True)
class DesignTables:
    """The frame, the draw and the calibration totals of a survey."""

    psus: Psus
    listings: Listings
    totals: Totals


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure of an indicator in one domain.

    Args:
        indicator: code, e.g. ``REM-02``.
        statistic: ``proportion``, ``mean``, ``total``, ``median`` or ``p80``.
        unit: of the value: ``share`` (0 to 1), ``USD`` or ``months of earnings``.
        row: what is counted: ``household``, ``sender`` or ``worker``.
        domain: ``national``, ``province``, ``area``, ``sex_head``, …
        domain_value: code within the domain; empty for ``national``.
        value, se: ``nan`` where the domain has no case.
        cv: se / abs(value); ``nan`` where the value is 0.
        low, high: 95 % interval by t with ``df``.
        df: PSUs less strata among those that hold cases of the domain.
        n: cases of the denominator.
        contributors: households with a non-zero part in the figure.
        sum_weights: of the denominator's cases.
        deff: variance over that of a simple random sample with replacement of the denominator's cases; ``nan`` for
            quantiles.
        flag: ``ok``, ``E`` (use with care), ``F`` (too uncertain) or ``hidden``.
    """

    indicator: str
    statistic: str
    unit: str
    row: str
    domain: str
    domain_value: str
    value: float
    se: float
    cv: float
    low: float
    high: float
    df: int
    n: int
    contributors: int
    sum_weights: float
    deff: float
    flag: str


Table = TypeVar("Table", Households, Senders, Workers, Costs, Psus, Listings, Totals)


def take(table: Table, rows: npt.NDArray[Any]) -> Table:
    """Return the given rows of a table, in their order; ``rows`` are indices or flags."""
    return type(table)(*(getattr(table, field.name)[rows] for field in fields(table)))
