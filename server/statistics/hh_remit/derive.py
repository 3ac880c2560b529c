"""Interviews and the draw become a sample: every drawn household has a row, whether anything came from it or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from server.statistics.hh_remit.answers import Answers, code, day, rows, whole
from server.statistics.hh_remit.rates import Rates
from server.statistics.hh_remit.senders import SenderRow, senders_of
from server.statistics.hh_remit.workers import WorkerRow, workers_of
from server.statistics.sample import (
    MODULE_E,
    MODULE_F,
    NO_INTERVIEW,
    NOT_RECEIVED,
    REPORTED,
    RESPONDENT,
    Costs,
    Flags,
    Floats,
    Households,
    Ints,
    Sample,
    Senders,
    Texts,
    Workers,
)

FORM_ID: Final = "hh_remit"
NOT_ANSWERED: Final = frozenset({"97", "98"})
"""Does not know, refuses."""

#: Top-level columns of the analysis store that the rules read.
COLUMNS: Final = (
    "int_date", "j_result", "last_module", "d_n", "member", "abroad", "worker", "sender", "f_any", "f_anykind",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """The drawn households, columns of equal length."""

    key: Texts
    psu: Texts
    listing_class: Ints


@dataclass(frozen=True, slots=True)
class Derived:
    """A sample, how many drawn households nothing came from, and what stands out."""

    sample: Sample
    not_received: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Household:
    disposition: int
    sex_head: int
    is_migrant: bool
    last_module: int
    senders: tuple[SenderRow, ...] = ()
    workers: tuple[WorkerRow, ...] = ()


_NOTHING: Final = _Household(NOT_RECEIVED, 0, is_migrant=False, last_module=NO_INTERVIEW)


def derive(interviews: Mapping[str, Answers], drawn: Drawn, rates: Rates) -> Derived:
    """Derive the sample of a survey.

    Args:
        interviews: answers that weigh, by household key, at most one a household; others than drawn ones are ignored.
        drawn: the draw.
        rates: dated exchange rates.
    """
    found = [_household(interviews[key], rates) if key in interviews else _NOTHING for key in drawn.key.tolist()]
    households = Households(
        key=drawn.key,
        psu=drawn.psu,
        listing_class=drawn.listing_class,
        disposition=_ints(one.disposition for one in found),
        sex_head=_ints(one.sex_head for one in found),
        is_migrant=_flags(one.is_migrant for one in found),
        last_module=_ints(one.last_module for one in found),
    )
    senders = [(row, sender) for row, one in enumerate(found) for sender in one.senders]
    workers = [(row, worker) for row, one in enumerate(found) for worker in one.workers]
    not_received = sum(key not in interviews for key in drawn.key.tolist())
    notes = []
    if rates.outside:
        notes.append(
            f"exchange rates: {rates.outside} amounts lie in months outside the table; the nearest month is used"
        )
    sample = Sample(households, _senders(senders), *_workers(workers))
    return Derived(sample, not_received, tuple(notes))


def _household(answers: Answers, rates: Rates) -> _Household:
    disposition = whole(answers, "j_result", NOT_RECEIVED)
    if disposition not in RESPONDENT:
        return _Household(disposition, 0, is_migrant=False, last_module=NO_INTERVIEW)
    last_module = whole(answers, "last_module")
    if not rows(answers, "sender") and {code(answers, "f_any"), code(answers, "f_anykind")} & NOT_ANSWERED:
        last_module = min(last_module, MODULE_E)  # who does not say whether money came is no household without
    interviewed = day(answers, "int_date") or date.max
    members = rows(answers, "member")
    return _Household(
        disposition=disposition,
        sex_head=whole(members[0], "c_sex") if members else 0,
        is_migrant=any(code(person, "d_country") for person in rows(answers, "abroad")),
        last_module=last_module,
        senders=tuple(senders_of(answers, interviewed, rates)) if last_module >= MODULE_F else (),
        workers=tuple(workers_of(answers, interviewed, rates)) if last_module >= MODULE_E else (),
    )


def _senders(found: list[tuple[int, SenderRow]]) -> Senders:
    return Senders(
        household=_ints(row for row, _ in found),
        line=_ints(one.line for _, one in found),
        country=_texts([one.country for _, one in found]),
        sex=_ints(one.sex for _, one in found),
        kind_of_sender=_ints(one.kind_of_sender for _, one in found),
        nonresident=_flags(one.nonresident for _, one in found),
        months=_ints(one.months for _, one in found),
        cash_usd=_floats(one.cash_usd for _, one in found),
        cash_low_usd=_floats(one.cash_low_usd for _, one in found),
        cash_high_usd=_floats(one.cash_high_usd for _, one in found),
        cash_imputed=np.full(len(found), REPORTED, dtype=np.int64),
        goods_usd=_floats(one.goods_usd for _, one in found),
    )


def _workers(found: list[tuple[int, WorkerRow]]) -> tuple[Workers, Costs]:
    workers = Workers(
        household=_ints(row for row, _ in found),
        line=_ints(one.line for _, one in found),
        country=_texts([one.country for _, one in found]),
        sex=_ints(one.sex for _, one in found),
        is_proxy=_flags(one.is_proxy for _, one in found),
        has_borrowed=_flags(one.has_borrowed for _, one in found),
        earnings_state=_ints(one.earnings_state for _, one in found),
        earnings_usd=_floats(one.earnings_usd for _, one in found),
        earnings_low_usd=_floats(one.earnings_low_usd for _, one in found),
        earnings_high_usd=_floats(one.earnings_high_usd for _, one in found),
        earnings_imputed=np.full(len(found), REPORTED, dtype=np.int64),
    )
    paid = [(place, cost) for place, (_, one) in enumerate(found) for cost in one.costs]
    costs = Costs(
        worker=_ints(place for place, _ in paid),
        item=_ints(cost.item for _, cost in paid),
        usd=_floats(cost.usd for _, cost in paid),
        low_usd=_floats(cost.low_usd for _, cost in paid),
        high_usd=_floats(cost.high_usd for _, cost in paid),
        imputed=np.full(len(paid), REPORTED, dtype=np.int64),
    )
    return workers, costs


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)


def _floats(values: Iterable[float]) -> Floats:
    return np.fromiter(values, dtype=np.float64)


def _flags(values: Iterable[bool]) -> Flags:
    return np.fromiter(values, dtype=np.bool_)


def _texts(values: list[str]) -> Texts:
    return np.array(values, dtype=np.str_)
