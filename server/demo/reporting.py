"""What the households of Lamaria would say to the enumerators of this survey: the truth with its usual errors.

Made once for the whole country, so that "a census by the same enumerators" has known results (truth T2): intervals of a
survey are judged against these, since no weight repairs what people forget. Refusals and "don't know" are not here;
they belong to :mod:`server.demo.fieldwork`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.demo import parameters as p
from server.demo.country import Country, Flags, Floats, People, SenderTruth

#: Dollar rate at which a census of the whole country would be rounded: the mean of the 12 months before fieldwork.
CENSUS_RATE = 122.0


@dataclass(frozen=True, slots=True)
class Reports:
    """What everyone would report, aligned with the people, senders and households of the country.

    ``cash`` is USD before people round it in their own currency (:func:`round_local`); ``cost`` and ``earnings`` are
    USD; ``started`` is years before the interview.
    """

    cost: Floats
    earnings: Floats
    borrowed: Flags
    started: Floats
    proxy: Flags
    cash: Floats
    kind: Floats
    consumption: Floats

    def in_universe(self, people: People) -> Flags:
        """Universe of SDG 10.7.1 as reported dates make it."""
        return people.can_be_in_universe & (self.started <= 3)

    def has_full_month(self) -> Flags:
        """Whether, by the reported dates, a full month has been worked."""
        return self.started >= 0.12


def true_reports(country: Country) -> Reports:
    """Return reports without any error."""
    people, senders = country.people, country.senders
    return Reports(
        cost=people.cost,
        earnings=people.earnings,
        borrowed=people.borrowed,
        started=people.started,
        proxy=np.zeros(people.household.size, dtype=bool),
        cash=senders.cash,
        kind=senders.kind,
        consumption=country.households.consumption,
    )


def make_reports(country: Country, seed: int, *, heaping: bool = True) -> Reports:
    """Report the whole country with the errors of memory, proxies and caution.

    Args:
        country: the truth.
        seed: of the errors.
        heaping: whether dates of first jobs heap on Januaries and round numbers of months, which moves people over the
            line of 36 months both ways.
    """
    rng = np.random.default_rng([seed, 10])
    people, senders = country.people, country.senders
    size = people.household.size
    proxy = ~people.is_returnee & (rng.random(size) < 0.85)
    cost = people.cost * np.exp(-0.04 * people.started + rng.normal(-0.02, 0.20, size)) * np.where(proxy, 0.94, 1.0)
    cost = np.where(proxy & (rng.random(size) < 0.015), 0.0, cost)
    error = np.where(proxy, rng.normal(0.03, 0.20, size), rng.normal(0.0, 0.08, size))
    cash, kind = _transfers(rng, senders)
    households = country.households.consumption
    return Reports(
        cost=cost,
        earnings=people.earnings * np.exp(error),
        borrowed=people.borrowed & (cost > 0) & (rng.random(size) >= 0.07),
        started=_heap(rng, people) if heaping else people.started,
        proxy=proxy,
        cash=cash,
        kind=kind,
        consumption=households * 0.94 * np.exp(rng.normal(-0.02, 0.20, households.size)),
    )


def _transfers(rng: np.random.Generator, senders: SenderTruth) -> tuple[Floats, Floats]:
    size = senders.cash.size
    cash = senders.cash * 0.88 * np.exp(rng.normal(-0.031, 0.25, size))
    kind = np.where(rng.random(size) < 0.25, 0.0, senders.kind)
    forgotten = (senders.cash + senders.kind < 150) & (rng.random(size) < 0.35)
    return np.where(forgotten, 0.0, cash), np.where(forgotten, 0.0, kind)


def _heap(rng: np.random.Generator, people: People) -> Floats:
    """Give 30 % of first jobs a round date: January of the year, or 6, 12, 24 or 36 months ago."""
    begin = p.FIELDWORK_START
    since_january = (begin - begin.replace(month=1, day=1)).days / p.DAYS_A_YEAR
    january = np.floor(people.started - since_january) + 1 + since_january
    rounds = np.array([0.5, 1.0, 2.0, 3.0])
    nearest = rounds[np.abs(people.started[:, None] - rounds).argmin(axis=1)]
    turn = rng.random(people.started.size)
    # Nobody who has not worked a month yet, or who began long ago, uses these round numbers.
    usual = (people.started > 0.4) & (people.started < 4)
    heaped = np.where(turn < 0.15, np.minimum(january, people.left), np.where(usual, nearest, people.started))
    heaped = np.clip(heaped, people.back, people.left)
    return np.where((turn < 0.30) & people.has_full_month, heaped, people.started)


def round_local(amount: Floats) -> Floats:
    """Round amounts of local currency as people do: to 1 000, 5 000 or 10 000 by size, never to nothing."""
    step = np.select([amount < 20_000, amount < 200_000], [1_000.0, 5_000.0], 10_000.0)
    rounded = np.rint(amount / step) * step
    return np.where(amount > 0, np.maximum(rounded, step), 0.0)


def census_cash(reports: Reports) -> Floats:
    """Return the money of each sender as a census would publish it: USD, after rounding in local currency."""
    return round_local(reports.cash * CENSUS_RATE) / CENSUS_RATE
