"""The population of Lamaria: primary sampling units, households, people abroad and returned, senders.

Everything is arrays; people and senders point to their household by index. One seed gives one country. What is made
here is the truth; :mod:`server.demo.reporting` makes what people say of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.demo import parameters as p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Texts = NDArray[np.str_]

_CORRIDOR_COUNTRIES = np.array([corridor.country for corridor in p.CORRIDORS])


@dataclass(frozen=True, slots=True)
class Psus:
    """Primary sampling units; ``households`` is true and known only by listing, ``frame`` is the census count."""

    code: Texts
    province: Ints
    area: Ints
    households: Ints
    frame: Ints
    first: Ints
    migration_effect: Floats
    wealth_effect: Floats
    cost_effect: Floats

    @property
    def stratum(self) -> Ints:
        """Number of the stratum: province × area, 0 to 39."""
        return self.province * 2 + self.area


@dataclass(frozen=True, slots=True)
class HouseholdTruth:
    """Households in the order of their PSUs; ``consumption`` is XTS a month."""

    psu: Ints
    wealth: Floats
    residents: Ints
    abroad: Ints
    returnees: Ints
    female_head: Flags
    consumption: Floats

    @property
    def is_migrant(self) -> Flags:
        """Whether a member lives abroad."""
        return self.abroad > 0


@dataclass(frozen=True, slots=True)
class People:
    """Members abroad and returnees; times are years before the interview, money is USD.

    ``cost`` is what was paid to get the first job, ``earnings`` the first full month's pay (0 = not paid), both defined
    for everyone and of use only in the universe of 10.7.1.
    """

    household: Ints
    line: Ints
    is_returnee: Flags
    corridor: Ints
    female: Flags
    left: Floats
    started: Floats
    back: Floats
    to_work: Flags
    self_employed: Flags
    year_intended: Flags
    path: Ints
    irregular: Flags
    cost: Floats
    earnings: Floats
    borrowed: Flags

    @property
    def can_be_in_universe(self) -> Flags:
        """Left to work as an employee for a year or more: in the universe if the first job is recent enough."""
        return self.to_work & ~self.self_employed & self.year_intended

    @property
    def in_universe(self) -> Flags:
        """Universe of SDG 10.7.1: the first job began in the 36 months before the interview."""
        return self.can_be_in_universe & (self.started <= 3)

    @property
    def has_full_month(self) -> Flags:
        """Whether a full month has been worked in the first job."""
        return self.started >= 0.12

    @property
    def country(self) -> Texts:
        """ISO code of the country of destination."""
        return _CORRIDOR_COUNTRIES[self.corridor]


@dataclass(frozen=True, slots=True)
class SenderTruth:
    """Whoever sent money or goods in the 12 months; ``person`` is an index in People or -1, ``months`` a 12-bit set.

    Bit 0 of ``months`` is the month before the interview's month, bit 11 twelve months back.
    """

    household: Ints
    person: Ints
    corridor: Ints
    female: Flags
    nonresident: Flags
    cash: Floats
    kind: Floats
    formal_tenths: Ints
    months: Ints
    transfers: Ints

    @property
    def country(self) -> Texts:
        """ISO code of the country from which the sender sent."""
        return _CORRIDOR_COUNTRIES[self.corridor]


@dataclass(frozen=True, slots=True)
class Country:
    """One realisation of the model."""

    seed: int
    psus: Psus
    households: HouseholdTruth
    people: People
    senders: SenderTruth


def make_country(seed: int) -> Country:
    """Make the country of a seed; about a second, 305 000 households."""
    psus_rng, households_rng, people_rng, senders_rng = (np.random.default_rng([seed, stream]) for stream in range(4))
    psus = _make_psus(psus_rng)
    households = _make_households(households_rng, psus)
    people = _make_people(people_rng, psus, households)
    senders = _make_senders(senders_rng, psus, households, people)
    return Country(seed, psus, households, people, senders)


def _make_psus(rng: np.random.Generator) -> Psus:
    cells = [(number, area) for number in range(len(p.PROVINCES)) for area in (p.URBAN, p.RURAL)]
    counts = [p.PROVINCES[number].psus[area] for number, area in cells]
    province = np.repeat([number for number, _ in cells], counts)
    area = np.repeat([area for _, area in cells], counts)
    code = np.array(
        [
            f"{p.PROVINCES[number].code}{p.AREA_CODES[area]}{serial:03d}"
            for (number, area), count in zip(cells, counts, strict=True)
            for serial in range(1, count + 1)
        ]
    )
    mean = np.array(p.PSU_MEAN)[area]
    households = np.clip(np.rint(rng.gamma(9.0, mean / 9.0)), *p.PSU_RANGE).astype(np.int64)
    size = households.size
    old = households / np.array(p.GROWTH)[area] * np.exp(rng.normal(0.0, p.FRAME_SIGMA, size))
    return Psus(
        code=code,
        province=province,
        area=area,
        households=households,
        frame=np.maximum(np.rint(old), p.FRAME_MINIMUM).astype(np.int64),
        first=np.concatenate(([0], np.cumsum(households)[:-1])),
        migration_effect=rng.normal(0.0, 0.65, size),
        wealth_effect=rng.normal(0.0, 0.45, size) + np.where(area == p.URBAN, 0.35, -0.25),
        cost_effect=rng.normal(0.0, 0.20, size),
    )


def _make_households(rng: np.random.Generator, psus: Psus) -> HouseholdTruth:
    psu = np.repeat(np.arange(psus.code.size), psus.households)
    size = psu.size
    province, area = psus.province[psu], psus.area[psu]
    wealth = psus.wealth_effect[psu] + rng.normal(0.0, 0.9, size)
    prevalence = np.array([province.prevalence for province in p.PROVINCES])[province, area]
    logit = 1.06 * np.log(prevalence / (1 - prevalence)) + psus.migration_effect[psu] + 0.20 * wealth - 0.10 * wealth**2
    migrant = rng.random(size) < 1 / (1 + np.exp(-logit))
    residents = np.clip(1 + rng.poisson(np.where(migrant, 3.3, 3.7)), 1, 14)
    factor = np.array([province.consumption for province in p.PROVINCES])[province]
    log_consumption = (
        np.log(33_000 * factor)
        + np.where(area == p.URBAN, 0.18, -0.10)
        + 0.38 * wealth
        + 0.45 * np.log(residents / 4.6)
        + 0.10 * migrant
        + rng.normal(0.0, 0.25, size)
    )
    return HouseholdTruth(
        psu=psu,
        wealth=wealth,
        residents=residents,
        abroad=np.where(migrant, 1 + rng.poisson(0.24, size), 0),
        # A returnee is a resident: a household has no more of them than people.
        returnees=np.minimum(rng.poisson(np.where(migrant, 0.10, 0.055)), residents),
        # 20 % of all heads are women, 38 % where someone is abroad.
        female_head=rng.random(size) < np.where(migrant, 0.38, 0.169),
        consumption=np.exp(log_consumption),
    )


def _corridors(rng: np.random.Generator, province: Ints) -> Ints:
    shares = np.array([p.PROFILES[province.profile] for province in p.PROVINCES], dtype=float)
    upper = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)[province]
    corridor: Ints = np.minimum((rng.random(province.size)[:, None] > upper).sum(axis=1), len(p.CORRIDORS) - 1)
    return corridor


def _column(name: str) -> NDArray[Any]:
    return np.array([getattr(corridor, name) for corridor in p.CORRIDORS])


def _lines(household: Ints) -> Ints:
    """Number the members of each household from 1, in order."""
    starts = np.flatnonzero(np.concatenate(([True], household[1:] != household[:-1])))
    return np.arange(household.size) - np.repeat(starts, np.diff(np.append(starts, household.size))) + 1


def _make_people(rng: np.random.Generator, psus: Psus, households: HouseholdTruth) -> People:
    everyone = np.arange(households.psu.size)
    abroad = np.repeat(everyone, households.abroad)
    returned = np.repeat(everyone, households.returnees)
    household = np.concatenate((abroad, returned))
    is_returnee = np.arange(household.size) >= abroad.size
    corridor = _corridors(rng, psus.province[households.psu[household]])
    back = np.where(is_returnee, rng.uniform(0.0, 5.0, household.size), 0.0)
    stay = np.where(
        is_returnee, rng.gamma(2.2, 1.1, household.size), np.clip(rng.exponential(4.2, household.size), 0, 45)
    )
    wait = rng.exponential(0.12, household.size)
    female = rng.random(household.size) < _column("women")[corridor]
    path = rng.choice(len(p.PATHS), household.size, p=[share for _, share, _ in p.PATHS])
    cost, earnings = _money_of_work(
        rng, corridor, female=female, path=path, psu_effect=psus.cost_effect[households.psu[household]]
    )
    debt = -0.15 + 0.75 * np.log(np.maximum(cost, 1e-9) / 500)
    return People(
        household=household,
        line=np.concatenate((_lines(abroad), _lines(returned))),
        is_returnee=is_returnee,
        corridor=corridor,
        female=female,
        left=back + stay,
        # Some have left and not begun yet: their job counts as beginning now, without a full month.
        started=back + np.maximum(stay - wait, 0.0),
        back=back,
        to_work=rng.random(household.size) < 0.82,
        self_employed=rng.random(household.size) < 0.06,
        year_intended=rng.random(household.size) < 0.92,
        path=np.array([code for code, _, _ in p.PATHS])[path],
        irregular=rng.random(household.size) < _column("irregular")[corridor],
        cost=cost,
        earnings=earnings,
        borrowed=(cost > 0) & (rng.random(household.size) < 1 / (1 + np.exp(-debt))),
    )


def _money_of_work(
    rng: np.random.Generator, corridor: Ints, *, female: Flags, path: Ints, psu_effect: Floats
) -> tuple[Floats, Floats]:
    """Draw recruitment costs and first full month's earnings, USD, with correlated residuals (0.30)."""
    size = corridor.size
    first = rng.standard_normal(size)
    second = 0.30 * first + np.sqrt(1 - 0.30**2) * rng.standard_normal(size)
    women = np.where(female, _column("women_cost")[corridor], 1.0)
    factor = np.array([factor for _, _, factor in p.PATHS])[path]
    cost = _column("cost_usd")[corridor] * women * factor
    cost = cost * np.exp(_column("cost_sigma")[corridor] * first + psu_effect)
    cost = np.where(rng.random(size) < _column("pays_nothing")[corridor], 0.0, cost)
    earnings = _column("earnings_usd")[corridor] * np.where(female, 0.85, 1.0)
    earnings = earnings * np.exp(_column("earnings_sigma")[corridor] * second)
    return cost, np.where(rng.random(size) < 0.015, 0.0, earnings)


def _make_senders(rng: np.random.Generator, psus: Psus, households: HouseholdTruth, people: People) -> SenderTruth:
    away = people.left
    probability = np.select([away < 0.5, away <= 10.0], [0.35, 0.86], 0.55)
    person = np.flatnonzero(~people.is_returnee & (rng.random(away.size) < probability))
    other = np.flatnonzero(rng.random(households.psu.size) < np.where(households.is_migrant, 0.060, 0.045))
    household = np.concatenate((people.household[person], other))
    corridor = np.concatenate((people.corridor[person], _corridors(rng, psus.province[households.psu[other]])))
    female = np.concatenate((people.female[person], rng.random(other.size) < _column("women")[corridor[person.size :]]))
    years = np.minimum(away[person], 1.0)
    median = _column("sends_usd")[corridor[: person.size]] * np.where(female[: person.size], 0.80, 1.0)
    noise = np.exp(0.80 * rng.standard_normal(person.size) + 0.15 * households.wealth[people.household[person]])
    cash = np.concatenate((median * noise * years, 260 * np.exp(0.9 * rng.standard_normal(other.size))))
    goods_only = rng.random(cash.size) < 0.04
    goods = goods_only | (rng.random(cash.size) < 0.40)
    resident = (away[person] < 1.0) & ~(people.to_work[person] & people.year_intended[person])
    transfers = 1 + rng.poisson(7.0, cash.size)
    window = np.concatenate((np.ceil(np.clip(12 * years, 1, 12)).astype(np.int64), np.full(other.size, 12)))
    return SenderTruth(
        household=household,
        person=np.concatenate((person, np.full(other.size, -1))),
        corridor=corridor,
        female=female,
        nonresident=~np.concatenate((resident, np.zeros(other.size, dtype=bool))),
        cash=np.where(goods_only, 0.0, cash),
        kind=np.where(goods, 130 * np.exp(0.7 * rng.standard_normal(cash.size)), 0.0),
        formal_tenths=_formal_tenths(rng, corridor),
        months=_months(rng, transfers, window),
        transfers=transfers,
    )


def _formal_tenths(rng: np.random.Generator, corridor: Ints) -> Ints:
    mean = _column("formal")[corridor]
    share = rng.beta(1.4 * mean, 1.4 * (1 - mean))
    share = np.where(share > 0.85, 1.0, np.where(share < 0.15, 0.0, share))
    return np.rint(share * 10).astype(np.int64)


def _months(rng: np.random.Generator, transfers: Ints, window: Ints) -> Ints:
    """Spread transfers over the months a sender was away; the month before the main feast (bit 5) counts twice."""
    weight = np.where(np.arange(12) == 5, 2.0, 1.0) * (np.arange(12)[None, :] < window[:, None])
    upper = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)
    months = np.zeros(transfers.size, dtype=np.int64)
    for turn in range(int(transfers.max(initial=0))):
        month = np.minimum((rng.random(transfers.size)[:, None] > upper).sum(axis=1), 11)
        months |= np.where(turn < transfers, np.left_shift(1, month), 0)
    return months
