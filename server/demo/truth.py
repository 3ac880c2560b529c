"""The indicators of Lamaria computed on everyone: truth T1 from what is so, T2 from what everyone would report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.demo.country import Country, Flags, Floats
from server.demo.reporting import Reports, census_cash, true_reports


@dataclass(frozen=True, slots=True)
class Figures:
    """The indicators of a population: shares 0 to 1, money in USD (``rem_04`` a year), costs in months of earnings.

    Quantiles of RCT-01 take an unpaid first month as infinitely many months; the mean leaves it out.
    """

    households: int
    mig_01: float
    rem_01: float
    rem_02: float
    rem_04: float
    rem_09: float
    rct_01_mean: float
    rct_01_median: float
    rct_01_p80: float
    rct_02: float
    rct_03: float


def true_figures(country: Country, keep: Flags | None = None) -> Figures:
    """Return truth T1 of the country, or of the households that ``keep`` marks."""
    reports = true_reports(country)
    return _figures(country, reports, reports.cash, keep)


def reported_figures(country: Country, reports: Reports, keep: Flags | None = None) -> Figures:
    """Return truth T2: what a census by the same enumerators would find."""
    return _figures(country, reports, census_cash(reports), keep)


def _figures(country: Country, reports: Reports, cash: Floats, keep: Flags | None) -> Figures:
    households, people, senders = country.households, country.people, country.senders
    kept = np.ones(households.psu.size, dtype=bool) if keep is None else keep
    amount = cash + reports.kind
    received = np.bincount(senders.household, amount, kept.size)[kept]
    mine = kept[senders.household]
    universe = reports.in_universe(people) & kept[people.household]
    months = cost_in_months(
        reports.cost, np.where(reports.has_full_month(), reports.earnings, np.nan), universe=universe
    )
    paid = months[np.isfinite(months)]
    return Figures(
        households=int(kept.sum()),
        mig_01=float(households.is_migrant[kept].mean()),
        rem_01=float((received > 0).mean()),
        rem_02=float(received[received > 0].mean()),
        rem_04=float(amount[mine & senders.nonresident].sum()),
        rem_09=float(reports.kind[mine].sum() / received.sum()),
        rct_01_mean=float(paid.mean()),
        rct_01_median=float(np.quantile(months, 0.5)),
        rct_01_p80=float(np.quantile(months, 0.8)),
        rct_02=float((reports.cost[universe] > 0).mean()),
        rct_03=float(reports.borrowed[universe].mean()),
    )


def cost_in_months(cost: Floats, earnings: Floats, *, universe: Flags) -> Floats:
    """Return costs in months of earnings: infinite where unpaid; those without a full month are left out."""
    chosen = universe & ~np.isnan(earnings)
    unpaid = earnings[chosen] <= 0
    return np.where(unpaid, np.inf, cost[chosen] / np.where(unpaid, 1.0, earnings[chosen]))
