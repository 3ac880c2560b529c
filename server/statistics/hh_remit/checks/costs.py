"""E1 to E4: what a worker paid for the first job abroad, against its earnings and how it was found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from server.statistics.hh_remit.answers import Answers, code, codes, day, rows, whole
from server.statistics.hh_remit.checks.finding import CheckFinding, Surroundings
from server.statistics.hh_remit.rates import DOLLAR, Rates
from server.statistics.hh_remit.workers import WorkerRow, workers_of
from server.statistics.sample import INTEREST, PAID

MOST_MONTHS: Final = 30
FEWEST_MONTHS: Final = 0.1
HIGHEST_LOCAL: Final = 1_000_000
LOWEST_LOCAL: Final = 3_000
_VISA: Final = "2"
_AGENCY_FEE: Final = 8
_EMPLOYER: Final = "4"
_AGENTS: Final = frozenset({"1", "2"})
_AMOUNT_KNOWN: Final = frozenset({"1", "2"})


def check_costs(answers: Answers, around: Surroundings) -> Iterator[CheckFinding]:
    """Yield E1, E2, E3 and E4."""
    interviewed = day(answers, "int_date")
    asked = rows(answers, "worker")
    for place, row in enumerate(asked, 1):
        yield from _finding_the_job(row, f"worker[{place}]")
        if around.rates is not None and code(row, "e_earn_cur") == around.rates.local and _has_earnings(row):
            yield CheckFinding("E3", "note", f"worker[{place}]/e_earn_cur")
    if interviewed is None or around.rates is None:
        return
    places = {whole(row, "e_key"): place for place, row in enumerate(asked, 1)}
    for worker in workers_of(answers, interviewed, around.rates):
        place = places[worker.line]
        yield from _amounts(worker, asked[place - 1], f"worker[{place}]", around.rates)


def _finding_the_job(row: Answers, path: str) -> Iterator[CheckFinding]:
    found = code(row, "e_path") or code(row, "e_found")  # later versions of the form call it e_found
    name = "e_found" if code(row, "e_found") else "e_path"
    is_direct = found == _EMPLOYER and code(row, "e_lump") == "1" and _VISA in codes(row, "e_lump_for")
    has_fee = any(whole(one, "k_item") == _AGENCY_FEE for one in rows(row, "cost"))
    if is_direct or (has_fee and found not in ("", *_AGENTS)):
        yield CheckFinding("E2", "note", f"{path}/{name}")


def _has_earnings(row: Answers) -> bool:
    return code(row, "e_earn_st") in _AMOUNT_KNOWN


def _amounts(worker: WorkerRow, row: Answers, path: str, rates: Rates) -> Iterator[CheckFinding]:
    costs = [cost.usd for cost in worker.costs if cost.item != INTEREST]
    unknown = sum(math.isnan(usd) for usd in costs)
    if worker.earnings_state == PAID:
        if _is_implausible(costs, worker.earnings_usd) and code(row, "e_rci_ok") != "1":
            yield CheckFinding("E1", "hold", f"{path}/e_rci_ok")
        local = worker.earnings_usd * float(rates.of(DOLLAR, worker.started))
        if local > HIGHEST_LOCAL or local < LOWEST_LOCAL:
            yield CheckFinding("E3", "note", f"{path}/e_earn")
    if unknown * 2 > len(costs):
        yield CheckFinding("E4", "flag", f"{path}/cost")


def _is_implausible(costs: Sequence[float], earnings: float) -> bool:
    """Say whether costs are out of reach, in months of earnings; with a cost unknown they can only be too high."""
    known = math.fsum(usd for usd in costs if not math.isnan(usd))
    if earnings <= 0:
        return known > 0
    months = known / earnings
    is_whole = not any(math.isnan(usd) for usd in costs)
    return months > MOST_MONTHS or (is_whole and 0 < months < FEWEST_MONTHS)
