"""The sample of the survey: systematic PPS draw of PSUs, listing, draw of households in listing classes, assignment.

The frame's count is the measure of size; how many households a PSU really has is known only after listing. Listed
addresses that turn out to be no household stay in the listing and in the draw: they are found not eligible later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.demo import parameters as p
from server.demo.country import Country, Flags, Floats, Ints, Texts

FULL_PSUS = 320
HOUSEHOLDS_A_PSU = 14
CLASS_ONE_SHARE = 8 / 14
STRATA = 2 * len(p.PROVINCES)

#: Listing: share of households found, addresses listed that are none, and how well neighbours know who went abroad.
FOUND = 0.97
NOT_HOUSEHOLDS = 0.03
SENSITIVITY = 0.88
FALSE_POSITIVES = 0.03

REPLICATES = 5


class DesignError(Exception):
    """The design cannot be drawn from this frame."""


@dataclass(frozen=True, slots=True)
class DrawnPsus:
    """Drawn PSUs in the order of the frame; ``psu`` is an index in the country."""

    psu: Ints
    stratum: Ints
    drawn_in_stratum: Ints
    probability: Floats
    replicate: Ints


@dataclass(frozen=True, slots=True)
class Listing:
    """Every listed address of the drawn PSUs; ``household`` is an index in the country, -1 where nobody lives.

    ``place`` is the row of the PSU among the drawn ones, ``number`` the address within the PSU from 1.
    """

    place: Ints
    household: Ints
    number: Ints
    listing_class: Ints


@dataclass(frozen=True, slots=True)
class DrawnHouseholds:
    """Drawn addresses, rows of the listing, in the order of PSU and number."""

    place: Ints
    household: Ints
    number: Ints
    listing_class: Ints


@dataclass(frozen=True, slots=True)
class Survey:
    """One drawn sample: PSUs, what listing found by class, and the households to visit.

    ``listed`` and ``drawn`` have shape (PSUs, 2): class 1 and class 2.
    """

    psus: DrawnPsus
    listing: Listing
    households: DrawnHouseholds
    listed: Ints
    drawn: Ints


def allocation(psus: int) -> Ints:
    """Share a number of PSUs among the strata: as the full design, at least two a stratum.

    Raises:
        DesignError: fewer than two a stratum are asked for.
    """
    full = np.array([count for province in p.PROVINCES for count in province.allocation])
    if psus < 2 * STRATA:
        raise DesignError(f"a sample needs at least {2 * STRATA} PSUs, two a stratum, not {psus}")
    share: Ints = np.maximum(2, np.floor(full * psus / full.sum()).astype(np.int64))
    while share.sum() != psus:
        step = 1 if share.sum() < psus else -1
        # The stratum that is furthest from its exact share gives or takes one.
        gap = step * (full * psus / full.sum() - share)
        gap = np.where((step < 0) & (share <= 2), -np.inf, gap)
        share[int(gap.argmax())] += step
    return share


def draw_survey(
    country: Country, rng: np.random.Generator, *, psus: int = FULL_PSUS, per_psu: int = HOUSEHOLDS_A_PSU
) -> Survey:
    """Draw one sample of the country: PSUs, listing, households.

    Raises:
        DesignError: a PSU would be drawn with certainty; this frame makes no blocks to draw within.
    """
    drawn = draw_psus(country, rng, allocation(psus))
    listing = list_psus(country, rng, drawn)
    households, listed, counts = draw_households(rng, listing, psus=drawn.psu.size, per_psu=per_psu)
    return Survey(drawn, listing, households, listed, counts)


def sizes_for(households: int) -> tuple[int, int]:
    """Return how many PSUs, and households in each, make a sample of about so many households."""
    psus = max(2 * STRATA, round(households / HOUSEHOLDS_A_PSU))
    return psus, min(HOUSEHOLDS_A_PSU, max(2, round(households / psus)))


def draw_psus(country: Country, rng: np.random.Generator, share: Ints) -> DrawnPsus:
    """Draw PSUs in each stratum by systematic sampling with probability proportional to the frame's count."""
    stratum_of = country.psus.stratum
    chosen: list[Ints] = []
    probability: list[Floats] = []
    replicate: list[Ints] = []
    for stratum, count in enumerate(share):
        members = np.flatnonzero(stratum_of == stratum)
        size = country.psus.frame[members]
        inclusion = count * size / size.sum()
        if inclusion.max() >= 1:
            raise DesignError(f"stratum {stratum} has a PSU that is drawn with certainty")
        points = (rng.random() + np.arange(count)) * size.sum() / count
        picked = np.searchsorted(np.cumsum(size), points, side="right")
        chosen.append(members[picked])
        probability.append(inclusion[picked])
        replicate.append(1 + rng.permutation(count) % REPLICATES)
    return DrawnPsus(
        psu=np.concatenate(chosen),
        stratum=np.repeat(np.arange(share.size), share),
        drawn_in_stratum=np.repeat(share, share),
        probability=np.concatenate(probability),
        replicate=np.concatenate(replicate),
    )


def list_psus(country: Country, rng: np.random.Generator, drawn: DrawnPsus) -> Listing:
    """List the drawn PSUs: most households, some addresses that are none, and a class by what neighbours know."""
    households = country.households
    sizes = country.psus.households[drawn.psu]
    place = np.repeat(np.arange(drawn.psu.size), sizes)
    everyone = np.arange(place.size) - np.repeat(np.cumsum(sizes) - sizes, sizes) + country.psus.first[drawn.psu][place]
    found = rng.random(everyone.size) < FOUND
    empty = np.repeat(np.arange(drawn.psu.size), rng.binomial(sizes, NOT_HOUSEHOLDS))
    place = np.concatenate((place[found], empty))
    household = np.concatenate((everyone[found], np.full(empty.size, -1)))
    order = np.lexsort((rng.random(place.size), place))
    place, household = place[order], household[order]
    concerned = (household >= 0) & (households.is_migrant | (households.returnees > 0))[household]
    one = rng.random(place.size) < np.where(concerned, SENSITIVITY, FALSE_POSITIVES)
    one &= household >= 0
    return Listing(place, household, _rank(place), np.where(one, 1, 2))


def draw_households(
    rng: np.random.Generator, listing: Listing, *, psus: int, per_psu: int
) -> tuple[DrawnHouseholds, Ints, Ints]:
    """Draw addresses a PSU: up to 8 in 14 of class 1, the rest of class 2, and conversely where a class is short."""
    cell = listing.place * 2 + listing.listing_class - 1
    listed = np.bincount(cell, minlength=2 * psus).reshape(psus, 2)
    one = np.minimum(listed[:, 0], max(1, round(per_psu * CLASS_ONE_SHARE)))
    two = np.minimum(listed[:, 1], per_psu - one)
    one = np.minimum(listed[:, 0], per_psu - two)
    counts = np.stack((one, two), axis=1)
    order = np.lexsort((rng.random(cell.size), cell))
    rank = np.empty(cell.size, dtype=np.int64)
    rank[order] = _rank(cell[order])
    taken = rank <= counts.reshape(-1)[cell]
    households = DrawnHouseholds(
        place=listing.place[taken],
        household=listing.household[taken],
        number=listing.number[taken],
        listing_class=listing.listing_class[taken],
    )
    return households, listed, counts


def _rank(group: Ints) -> Ints:
    """Number the rows of each group from 1; equal groups lie together."""
    starts = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    return np.arange(group.size) - np.repeat(starts, np.diff(np.append(starts, group.size))) + 1


def check_digits(nine: str) -> str:
    """Return the two check digits of a household key (ISO 7064 MOD 97-10)."""
    return f"{(1 - 100 * int(nine)) % 97:02d}"


def household_keys(country: Country, psus: DrawnPsus, households: DrawnHouseholds) -> Texts:
    """Return the keys on the assignment cards: province 2, area 1, PSU 3, household 3, check digits 2."""
    code = country.psus.code[psus.psu][households.place]
    nine = [f"{psu}{number:03d}" for psu, number in zip(code, households.number, strict=True)]
    return np.array([text + check_digits(text) for text in nine])


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who visits whom: enumerator and team by drawn household, numbers from 1."""

    enumerator: Ints
    team: Ints


def assign(rng: np.random.Generator, survey: Survey, *, enumerators: int) -> Assignment:
    """Give each PSU to two enumerators of one team, its households split between them at random."""
    teams = max(1, enumerators // 4)
    members = [np.arange(team, enumerators, teams) for team in range(teams)]
    psus = survey.psus.psu.size
    enumerator = np.zeros(survey.households.place.size, dtype=np.int64)
    team_of = np.arange(psus) * teams // psus
    turn = dict.fromkeys(range(teams), 0)
    for place in range(psus):
        team = int(team_of[place])
        crew = members[team]
        pair = crew[[(2 * turn[team]) % crew.size, (2 * turn[team] + 1) % crew.size]]
        turn[team] += 1
        rows = np.flatnonzero(survey.households.place == place)
        enumerator[rng.permutation(rows)] = pair[np.arange(rows.size) % 2] + 1
    return Assignment(enumerator, team_of[survey.households.place] + 1)


def lost_psus(country: Country, rng: np.random.Generator, survey: Survey) -> Flags:
    """Mark the PSUs never reached: 4 of 320, in the rural strata of provinces 14 and 20, at least one."""
    psus = survey.psus
    lost = np.zeros(psus.psu.size, dtype=bool)
    total = max(1, round(4 * psus.psu.size / FULL_PSUS))
    province = country.psus.province[psus.psu]
    area = country.psus.area[psus.psu]
    for turn in range(total):
        number = 19 if turn % 2 == 0 else 13
        rows = np.flatnonzero((province == number) & (area == p.RURAL) & ~lost)
        lost[rng.choice(rows)] = True
    return lost
