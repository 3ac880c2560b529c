"""Module E: the first job abroad and what it cost to get it, for every worker of the universe of 10.7.1."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date

from server.demo import parameters as p
from server.demo.answers.members import member_line
from server.demo.answers.money import MOST
from server.demo.answers.values import Answers, amount, month_of, pick, rounded, start_month
from server.demo.cases import Case, PersonReport
from server.demo.rates import Rates, month_name

_COST_BANDS = (50_000, 100_000, 200_000, 400_000, 800_000)
_EARNING_BANDS = (20_000, 35_000, 50_000, 80_000, 150_000)

#: Codes of items in a lump sum: visa and ticket; the agency or the broker comes between them.
_VISA, _AGENCY, _BROKER, _TICKET = 2, 8, 9, 13

#: Work of men and of women: words, ISCO-08 sub-major group, ISIC section.
_MEN = (
    ("mason on building sites", "71", "F"), ("labourer", "93", "F"), ("lorry driver", "83", "H"),
    ("factory worker", "82", "C"), ("cook in a restaurant", "51", "I"), ("welder", "72", "C"), ("guard", "54", "N"),
)  # fmt: skip
_WOMEN = (
    ("housemaid", "91", "T"), ("nanny", "53", "T"), ("care of an old person", "53", "Q"), ("seamstress", "75", "C"),
    ("hotel cleaner", "91", "I"), ("shop assistant", "52", "G"),
)  # fmt: skip

_PAYEES = {8: "2", 9: "3", 13: "6", 3: "6", 5: "6", 6: "6", 11: "6", 2: "1", 1: "1", 10: "1", 4: "1", 14: "96"}


def work(case: Case, rates: Rates, rng: random.Random) -> Answers:
    """Answer module E: returnees by their line, then members abroad by theirs."""
    workers = [person for person in case.people if person.in_universe]
    workers.sort(key=lambda one: (not one.is_returnee, member_line(case, one) if one.is_returnee else one.line))
    return {"worker": [_worker(case, rates, rng, person) for person in workers]} if workers else {}


def _worker(case: Case, rates: Rates, rng: random.Random, person: PersonReport) -> Answers:
    words, isco, isic = rng.choice(_WOMEN if person.female else _MEN)
    answers: Answers = {
        "e_source": _source(rng, person),
        "e_occ_txt": words,
        "e_isco1": isco[0],
        "e_isco2": isco,
        "e_isic": isic,
        "e_path": str(person.path),
        "e_visa": rng.choice("35") if person.irregular else pick(rng, (("1", 85.0), ("2", 10.0), ("4", 5.0))),
        "e_contract": pick(rng, (("1", 55.0), ("2", 20.0), ("3", 25.0))),
        "e_contract_lang": pick(rng, (("1", 60.0), ("2", 30.0), ("97", 10.0))),
        "e_idheld": pick(rng, (("1", 55.0), ("2", 20.0), ("3", 22.0), ("97", 3.0))),
        "e_rci_ok": "1",
    }
    if answers["e_contract"] != "1":
        del answers["e_contract_lang"]
    wages = _wages(case, rates, rng, person)
    cost = person.cost - wages.recovered
    return answers | _costs(_Payment(case.day, rates, person, cost), rng) | wages.answers


def _source(rng: random.Random, person: PersonReport) -> str:
    if person.proxy:
        return rng.choice("3444")
    return "1" if person.is_returnee else "2"


@dataclass(frozen=True, slots=True)
class _Payment:
    """What one worker paid, USD, without what an employer took back from the wages."""

    day: date
    rates: Rates
    person: PersonReport
    cost: float

    @property
    def paid(self) -> date:
        """Month in which most was paid: the one of departure, within the table of rates."""
        return month_of(min(self.person.left, 5.5), self.day)

    def local(self, usd: float) -> float:
        """Convert USD to local currency at the rate of the month of payment."""
        return usd * self.rates.of("USD", month_name(self.paid))


def _costs(payment: _Payment, rng: random.Random) -> Answers:
    """Answer the questions on costs: a lump sum first, then the items outside it."""
    if payment.cost <= 0:
        return {"e_lump": "2", "e_items": "0"}
    middle = _AGENCY if payment.person.path == 1 else _BROKER
    lump = payment.cost * rng.uniform(0.70, 0.90) if rng.random() < 0.45 else 0.0
    covered = (_VISA, middle, _TICKET) if lump else ()
    items = _split(payment.cost - lump, rng, middle=middle, covered=covered)
    unknown = payment.person.cost_unknown
    answers: Answers = _lump_sum(payment, rng, lump, covered=covered) if lump else {"e_lump": "2"}
    answers["e_items"] = " ".join(str(code) for code, _ in items)
    answers["cost"] = [
        _item(payment, rng, code, usd, unknown=unknown and not lump and index == 0)
        for index, (code, usd) in enumerate(items)
    ]
    answers["e_paid"] = payment.paid.isoformat()
    return answers | _finance(payment, rng)


def _split(cost: float, rng: random.Random, *, middle: int, covered: tuple[int, ...]) -> list[tuple[int, float]]:
    """Split USD over cost items, largest first; items under USD 5 are forgotten and the rest takes their place."""
    parts = []
    for code, weight in p.COST_ITEMS:
        item = middle if code == _AGENCY else code
        if item not in covered:
            parts.append((item, rng.gammavariate(weight / 10, 1.0)))
    whole = sum(part for _, part in parts)
    kept = [(code, part) for code, part in parts if cost * part / whole >= 5] or [max(parts, key=lambda one: one[1])]
    rest = sum(part for _, part in kept)
    return sorted(((code, cost * part / rest) for code, part in kept), key=lambda one: -one[1])


def _lump_sum(payment: _Payment, rng: random.Random, usd: float, *, covered: tuple[int, ...]) -> Answers:
    answers: Answers = {"e_lump": "1", "e_lump_for": " ".join(map(str, covered))}
    local = rounded(payment.local(usd), 100)
    if payment.person.cost_unknown:
        band = str(_band(local, _COST_BANDS)) if rng.random() < 0.7 else "97"
        return answers | {"e_lump_st": "3", "e_lump_band": band}
    return answers | {"e_lump_st": rng.choice("112"), "e_lump_cur": "XTS", "e_lump_amt": amount(local)}


def _item(payment: _Payment, rng: random.Random, code: int, usd: float, *, unknown: bool) -> Answers:
    row: Answers = {"k_payee": _PAYEES.get(code, "97")}
    if unknown:
        return row | {"k_st": rng.choice("3334")}
    row["k_st"] = rng.choice("112")
    if rng.random() < 0.9:
        return row | {"k_cur": "XTS", "k_amt": amount(rounded(payment.local(usd), 10))}
    currency = payment.person.corridor.currency if rng.random() < 0.5 else "USD"
    told = payment.local(usd) / payment.rates.of(currency, month_name(payment.paid))
    if told > MOST:
        currency, told = "XTS", payment.local(usd)
    return row | {"k_cur": currency, "k_amt": amount(rounded(told, 0.01))}


def _finance(payment: _Payment, rng: random.Random) -> Answers:
    if not payment.person.borrowed:
        return {"e_fin": rng.choice(("1", "2", "1 2", "6", "1 6"))}
    loan = rounded(payment.local(payment.cost) * rng.uniform(0.4, 0.9), 1000)
    return {"e_fin": rng.choice(("3", "4", "5", "1 3", "2 5")), "e_loan": amount(loan), "e_loan_int": "3"}


@dataclass(frozen=True, slots=True)
class _Wages:
    """Answers on the first full month, and USD of recruitment costs an employer took back from it and later months."""

    answers: Answers
    recovered: float


def _wages(case: Case, rates: Rates, rng: random.Random, person: PersonReport) -> _Wages:
    if not person.has_full_month:
        return _Wages({"e_recov": "2", "e_fullmonth": "2"}, 0.0)
    answers: Answers = {"e_recov": "2", "e_fullmonth": "1", "e_hours": str(rng.randint(40, 80))}
    month = month_name(start_month(person.started, case.day, recent=True))
    dollar = rates.of("USD", month)
    if person.earnings <= 0:
        return _Wages(answers | {"e_earn_st": "5"}, 0.0)
    if person.earnings_unknown:
        band = str(_band(person.earnings * dollar, _EARNING_BANDS)) if rng.random() < 0.7 else "97"
        refused: Answers = {"e_earn_st": "4"}
        return _Wages(answers | (refused if rng.random() < 0.1 else {"e_earn_st": "3", "e_earn_band": band}), 0.0)
    unit = rates.of(person.corridor.currency, month) / dollar
    recovered, held = 0.0, 0.0
    if person.path in (1, 4) and person.cost > 100 and not person.cost_unknown and rng.random() < 0.12:
        recovered = 0.1 * person.cost
        held = min(recovered / 3, 0.2 * person.earnings)
        answers |= {"e_recov": "1", "e_recov_amt": amount(rounded(recovered / unit, 0.01))}
        answers["e_earn_ded"] = amount(rounded(held / unit, 0.01))
    promised = person.earnings / unit * rng.choice((1.0, 1.0, 1.1, 1.25))
    answers |= {
        "e_earn_st": rng.choice("112"),
        "e_earn_cur": person.corridor.currency,
        "e_earn": amount(rounded((person.earnings - held) / unit, 0.01)),
        "e_promised": amount(rounded(promised, 1)),
    }
    return _Wages(answers, recovered)


def _band(local: float, limits: tuple[int, ...]) -> int:
    """Return the number of the band, from 1, that holds an amount of local currency."""
    return 1 + sum(local >= limit for limit in limits)
