"""The drawn households one by one, with what each would tell: the step from arrays to interviews."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from server.demo import parameters as p
from server.demo.country import Country, Ints
from server.demo.design import REPLICATES, Assignment, Survey
from server.demo.fieldwork import Outcomes, Silences
from server.demo.frame_files import keys_of
from server.demo.reporting import Reports


@dataclass(frozen=True, slots=True)
class PersonReport:
    """A member abroad or a returnee as reported; times in years before the interview, money in USD."""

    line: int
    is_returnee: bool
    corridor: p.Corridor
    female: bool
    left: float
    started: float
    back: float
    to_work: bool
    self_employed: bool
    year_intended: bool
    path: int
    irregular: bool
    cost: float
    earnings: float
    borrowed: bool
    proxy: bool
    cost_unknown: bool
    earnings_unknown: bool

    @property
    def in_universe(self) -> bool:
        """Whether the reported dates and reasons put the person in the universe of 10.7.1."""
        return self.to_work and not self.self_employed and self.year_intended and self.started <= 3

    @property
    def has_full_month(self) -> bool:
        """Whether a full month has been worked in the first job."""
        return self.started >= 0.12


@dataclass(frozen=True, slots=True)
class SenderReport:
    """A sender as reported: USD before rounding in local currency; ``line`` in module D, 0 for anyone else.

    ``months`` is a 12-bit set, bit 0 the month before the interview's; ``known`` is a code of KNOWN … SILENT.
    """

    line: int
    corridor: p.Corridor
    female: bool
    nonresident: bool
    cash: float
    kind: float
    formal_tenths: int
    months: int
    transfers: int
    known: int
    has_band: bool
    channel_unknown: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One drawn household at the end of its visits; ``household`` is -1 where the address is none."""

    key: str
    enumerator: int
    disposition: int
    visits: int
    day: date
    listing_class: int
    place: int
    psu: str
    number: int
    household: int
    residents: int
    female_head: bool
    wealth: float
    consumption: float
    people: tuple[PersonReport, ...]
    senders: tuple[SenderReport, ...]

    @property
    def is_urban(self) -> bool:
        """Whether the household lies in an urban stratum."""
        return self.psu[2] == p.AREA_CODES[p.URBAN]


def working_day(number: int) -> date:
    """Return a day of fieldwork, from 0: weeks of six days from the first day on."""
    return p.FIELDWORK_START + timedelta(days=7 * (number // 6) + number % 6)


@dataclass(frozen=True, slots=True)
class Fieldwork:
    """Everything about one survey in the field: who is drawn, who visits, what happens, what is said."""

    country: Country
    reports: Reports
    silences: Silences
    survey: Survey
    assignment: Assignment
    outcomes: Outcomes
    seed: int


class _ByHousehold:
    """Rows of a table by the household they belong to."""

    def __init__(self, household: Ints, households: int) -> None:
        self._order = np.argsort(household, kind="stable")
        self._starts = np.searchsorted(household[self._order], np.arange(households + 1))

    def rows(self, household: int) -> Iterator[int]:
        """Yield the rows of a household, in the order of the table."""
        if household >= 0:
            yield from self._order[self._starts[household] : self._starts[household + 1]].tolist()


def make_cases(fieldwork: Fieldwork) -> tuple[Case, ...]:
    """Return every drawn household of a survey, in the order of the draw."""
    country, survey, outcomes = fieldwork.country, fieldwork.survey, fieldwork.outcomes
    households, drawn = country.households, survey.households
    people = _ByHousehold(country.people.household, households.psu.size)
    senders = _ByHousehold(country.senders.household, households.psu.size)
    days = _days(fieldwork)
    codes = country.psus.code[survey.psus.psu]
    cases = []
    for row, key in enumerate(keys_of(country, survey)):
        household, place = int(drawn.household[row]), int(drawn.place[row])
        cases.append(
            Case(
                key=str(key),
                enumerator=int(fieldwork.assignment.enumerator[row]),
                disposition=int(outcomes.disposition[row]),
                visits=int(outcomes.visits[row]),
                day=working_day(int(days[row])),
                listing_class=int(drawn.listing_class[row]),
                place=place,
                psu=str(codes[place]),
                number=int(drawn.number[row]),
                household=household,
                residents=int(households.residents[household]),
                female_head=bool(households.female_head[household]),
                wealth=float(households.wealth[household]),
                consumption=float(fieldwork.reports.consumption[household]),
                people=tuple(_person(fieldwork, index) for index in people.rows(household)),
                senders=tuple(_sender(fieldwork, index) for index in senders.rows(household)),
            )
        )
    return tuple(cases)


def _days(fieldwork: Fieldwork) -> Ints:
    """Choose a working day for each household: replicates one after the other, visits within the same days."""
    rng = np.random.default_rng([fieldwork.seed, 30])
    length = p.FIELDWORK_DAYS / REPLICATES
    place = fieldwork.survey.households.place
    start = np.floor((fieldwork.survey.psus.replicate - 1) * length)[place]
    last = math.floor(length) - 1
    days: Ints = (start + np.maximum(rng.integers(0, last + 1, place.size), fieldwork.outcomes.visits - 1)).astype(int)
    return days


def _person(fieldwork: Fieldwork, index: int) -> PersonReport:
    people, reports = fieldwork.country.people, fieldwork.reports
    return PersonReport(
        line=int(people.line[index]),
        is_returnee=bool(people.is_returnee[index]),
        corridor=p.CORRIDORS[people.corridor[index]],
        female=bool(people.female[index]),
        left=float(people.left[index]),
        started=float(reports.started[index]),
        back=float(people.back[index]),
        to_work=bool(people.to_work[index]),
        self_employed=bool(people.self_employed[index]),
        year_intended=bool(people.year_intended[index]),
        path=int(people.path[index]),
        irregular=bool(people.irregular[index]),
        cost=float(reports.cost[index]),
        earnings=float(reports.earnings[index]),
        borrowed=bool(reports.borrowed[index]),
        proxy=bool(reports.proxy[index]),
        cost_unknown=bool(fieldwork.silences.cost[index]),
        earnings_unknown=bool(fieldwork.silences.earnings[index]),
    )


def _sender(fieldwork: Fieldwork, index: int) -> SenderReport:
    senders, silences = fieldwork.country.senders, fieldwork.silences
    person = int(senders.person[index])
    return SenderReport(
        line=int(fieldwork.country.people.line[person]) if person >= 0 else 0,
        corridor=p.CORRIDORS[senders.corridor[index]],
        female=bool(senders.female[index]),
        nonresident=bool(senders.nonresident[index]),
        cash=float(fieldwork.reports.cash[index]),
        kind=float(fieldwork.reports.kind[index]),
        formal_tenths=int(senders.formal_tenths[index]),
        months=int(senders.months[index]),
        transfers=int(senders.transfers[index]),
        known=int(silences.cash[index]),
        has_band=bool(silences.cash_band[index]),
        channel_unknown=bool(silences.channel[index]),
    )
