"""What happens at the doors: who is reached, who answers, after how many visits, and which amounts stay unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.demo import parameters as p
from server.demo.country import Country, Flags, Floats, Ints
from server.demo.design import Survey, lost_psus
from server.demo.reporting import Reports

#: Final results, codes of the questionnaire (AAPOR).
COMPLETE, PARTIAL = 110, 120
REFUSED, BROKEN_OFF, NOT_MET, UNABLE = 211, 212, 220, 230
NOT_RECEIVED = 318
REPLACED, NOT_A_DWELLING, VACANT = 410, 450, 460


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcome of each drawn household, and which drawn PSUs were never reached."""

    disposition: Ints
    visits: Ints
    lost: Flags

    @property
    def responded(self) -> Flags:
        """Whether the household gave an interview, complete or partial."""
        return np.isin(self.disposition, (COMPLETE, PARTIAL))


def visit_households(country: Country, rng: np.random.Generator, survey: Survey) -> Outcomes:
    """Visit every drawn household."""
    drawn = survey.households
    lost = lost_psus(country, rng, survey)
    size = drawn.household.size
    eligible = drawn.household >= 0
    answers = eligible & (rng.random(size) < _response_probability(country, survey))
    refusal = rng.choice([REFUSED, NOT_MET, UNABLE, BROKEN_OFF], size, p=[0.46, 0.44, 0.06, 0.04])
    empty = rng.choice([VACANT, NOT_A_DWELLING, REPLACED], size, p=[0.6, 0.3, 0.1])
    disposition = np.where(answers, np.where(rng.random(size) < 0.02, PARTIAL, COMPLETE), refusal)
    disposition = np.where(eligible, disposition, empty)
    disposition = np.where(lost[drawn.place], NOT_RECEIVED, disposition)
    migrant = eligible & country.households.is_migrant[drawn.household]
    return Outcomes(disposition, _visits(rng, disposition, migrant), lost)


def _response_probability(country: Country, survey: Survey) -> Floats:
    drawn = survey.households
    households, people = country.households, country.people
    away = people.irregular & ~people.is_returnee
    irregular = np.zeros(households.psu.size, dtype=bool)
    irregular[people.household[away]] = True
    area = country.psus.area[survey.psus.psu][drawn.place]
    logit = (
        np.where(area == p.URBAN, 2.0, 3.0)
        - 0.25 * households.wealth[drawn.household]
        - 0.15 * (drawn.listing_class == 1)
        - 0.5 * irregular[drawn.household]
    )
    return np.asarray(1 / (1 + np.exp(-logit)))


def _visits(rng: np.random.Generator, disposition: Ints, migrant: Flags) -> Ints:
    """Count visits; households with members abroad are found a little later (× 1.15 after the third visit)."""
    third = np.where(migrant, 0.115, 0.10)
    turn = rng.random(disposition.size)
    visits = np.where(turn < third, 3, np.where(turn < third + 0.19, 2, 1))
    return np.where(disposition == NOT_MET, 3, visits)


#: How well an amount is known: as the status codes of the questionnaire.
KNOWN, ESTIMATED, UNKNOWN, SILENT = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Silences:
    """What respondents cannot or will not say, aligned with the country's senders and people.

    ``cash`` is KNOWN, UNKNOWN (a band follows where ``cash_band``) or SILENT; ``cost`` and ``earnings`` are unknown
    with a band where marked.
    """

    cash: Ints
    cash_band: Flags
    channel: Flags
    cost: Flags
    earnings: Flags


def keep_silent(country: Country, rng: np.random.Generator, reports: Reports) -> Silences:
    """Draw item non-response for everyone; large amounts stay unknown more often (logit + 0.3 a standard deviation)."""
    size = reports.cash.size
    turn = rng.random(size)
    refused = _shifted(0.04, reports.cash)
    unknown = _shifted(0.09, reports.cash)
    cash = np.where(turn < refused, SILENT, np.where(turn < refused + unknown, UNKNOWN, KNOWN))
    everyone = country.people.household.size
    return Silences(
        cash=cash,
        cash_band=rng.random(size) < 0.70,
        channel=rng.random(size) < 0.05,
        cost=rng.random(everyone) < _shifted(np.where(reports.proxy, 0.18, 0.05), reports.cost),
        earnings=rng.random(everyone) < _shifted(np.where(reports.proxy, 0.25, 0.06), reports.earnings),
    )


def _shifted(probability: float | Floats, amount: Floats) -> Floats:
    """Shift probabilities by the size of the amount: logit + 0.3 for each standard deviation of its logarithm."""
    positive = amount > 0
    log = np.log(np.where(positive, amount, 1.0))
    score = np.where(positive, (log - log[positive].mean()) / log[positive].std(), 0.0)
    base = np.asarray(probability, dtype=float)
    return np.asarray(1 / (1 + np.exp(-(np.log(base / (1 - base)) + 0.3 * score))))
