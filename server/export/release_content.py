"""The content of a release: canonical JSON, written once, hashed, and never changed.

Members: ``format``, ``form_id``, ``mode``, ``cut_off`` (UTC), ``inputs_hash``, ``counts``, ``response_rate``,
``weights`` (``kish``, ``notes``), ``item_nonresponse``, ``statements`` and ``estimates``. Figures are rounded here,
once: shares to 6 decimals, USD to 2, months of earnings to 4; numbers of cases to multiples of 5. A hidden estimate has
null wherever a figure would be, its number of cases included.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from server.statistics.complete import ItemNonresponse
from server.statistics.quality import FEWEST_CASES, HIDDEN
from server.statistics.sample import Estimate

FORMAT: Final = "passerelle/release/1"

#: Members of an estimate, in the order of the columns of its CSV.
ESTIMATE_COLUMNS: Final = (
    "indicator", "statistic", "unit", "row", "domain", "domain_value",
    "value", "se", "cv", "low", "high", "df", "n", "deff", "flag",
)  # fmt: skip

STATEMENTS: Final = (
    "Households that left the country whole cannot be found by a survey of households.",
    "Amounts are as people report them: no weight repairs what is forgotten.",
    "REM-04 leaves out money from people abroad for less than a year by stay and by plan: they are residents.",
    "RCT-01 is the mean, median or P80 of each worker's own ratio; costs of nothing count, an unpaid first month is "
    "infinitely many months in the quantiles and is not in the mean.",
    "sex_head is the sex of the head of the household, sex_worker that of the worker.",
    "Flags: ok, E = use with care, F = too uncertain to rely on, hidden = too few cases or too much told by them.",
)

_DECIMALS: Final = {"share": 6, "USD": 2, "months of earnings": 4}
_ROUND_CASES_TO: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a release rests on, in households unless said otherwise; ``held`` and ``after_cut_off`` are interviews."""

    drawn: int
    received: int
    not_received: int
    respondents: int
    eligible_nonrespondents: int
    not_eligible: int
    provisional: int
    held: int
    after_cut_off: int
    open_holds: int
    psus_drawn: int
    psus_lost: int
    psus_open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a content says beside its estimates; ``response_rate`` is AAPOR's RR3, unweighted."""

    form_id: str
    mode: str
    cut_off: datetime
    inputs_hash: bytes
    counts: Counts
    response_rate: float
    kish: float
    notes: tuple[str, ...]
    item_nonresponse: Sequence[ItemNonresponse]


def write_content(basis: Basis, estimates: Iterable[Estimate]) -> bytes:
    """Write the content of a release: equal input gives equal bytes."""
    document = {
        "format": FORMAT,
        "form_id": basis.form_id,
        "mode": basis.mode,
        "cut_off": basis.cut_off.isoformat(),
        "inputs_hash": basis.inputs_hash.hex(),
        "counts": asdict(basis.counts),
        "response_rate": _rounded(basis.response_rate, 4),
        "weights": {"kish": _rounded(basis.kish, 4), "notes": list(basis.notes)},
        "item_nonresponse": [_item(one) for one in basis.item_nonresponse],
        "statements": list(STATEMENTS),
        "estimates": [_shown(one) for one in estimates],
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def content_hash(content: bytes) -> bytes:
    """Return the name of a content, (32,)."""
    return hashlib.sha256(content).digest()


def says_the_same(first: bytes, second: bytes) -> bool:
    """Say whether two contents differ at most in their cut-off."""
    return _but_cut_off(first) == _but_cut_off(second)


def _but_cut_off(content: bytes) -> Mapping[str, Any]:
    return {name: value for name, value in json.loads(content).items() if name != "cut_off"}


def _item(one: ItemNonresponse) -> Mapping[str, Any]:
    """Write what was asked and missing; few cases would say who, so they are hidden as figures are."""
    if one.asked < FEWEST_CASES:
        return {"variable": one.variable, "asked": None, "from_band": None, "from_class": None, "share": None}
    counts = {name: _cases(getattr(one, name)) for name in ("asked", "from_band", "from_class")}
    missing = one.from_band + one.from_class
    return {"variable": one.variable, **counts, "share": _rounded(missing / one.asked, 2)}


def _cases(n: int) -> int:
    return _ROUND_CASES_TO * round(n / _ROUND_CASES_TO)


def _shown(estimate: Estimate) -> Mapping[str, Any]:
    names = {name: getattr(estimate, name) for name in ESTIMATE_COLUMNS[:6]}
    if estimate.flag == HIDDEN:
        return {**names, **dict.fromkeys(ESTIMATE_COLUMNS[6:]), "flag": HIDDEN}
    decimals = _DECIMALS[estimate.unit]
    figures = {name: _rounded(getattr(estimate, name), decimals) for name in ("value", "se", "low", "high")}
    return {
        **names,
        **figures,
        "cv": _rounded(estimate.cv, 4),
        "df": estimate.df,
        "n": _cases(estimate.n),
        "deff": _rounded(estimate.deff, 3),
        "flag": estimate.flag,
    }


def _rounded(value: float, decimals: int) -> float | None:
    """Round; None where there is no finite number."""
    return round(value, decimals) + 0.0 if math.isfinite(value) else None
