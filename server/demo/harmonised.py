"""What earlier versions of the questionnaire were told, and what of it is read as of the newest version.

Two changes leave a trace that can be counted: mobile money of version 1 has no operator, and nobody may invent one;
“does not know” of the education is not offered any more, and stays as it was told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from server.context import Context
from server.db.queries import forms
from server.demo.accidents import Plan
from server.demo.answers import answers_of
from server.demo.devices import FORM_ID, DeviceResult
from server.demo.rates import make_rates

_CHANNELS: Final = ("f_chan1", "f_chan2")
_MOBILE: Final = "4"
_MOBILE_NOT_SPLIT: Final = "4x"
_LEVEL_NOT_KNOWN: Final = "97"
_MODE: Final = "survey"


@dataclass(frozen=True, slots=True)
class Traces:
    """How many answers name mobile money without its operator, and how many a level of education that is not known."""

    mobile_not_split: int
    level_not_known: int


def told(plan: Plan, results: Iterable[DeviceResult], *, seed: int) -> Traces:
    """Count what households told on the versions that their tablets filled, of the interviews that were sent."""
    cases = {job.case.key: job.case for job in plan.all_jobs()}
    rates = make_rates()
    answers = [
        answers_of(cases[one.household_key], rates, seed=seed, version=one.version)
        for result in results
        for one in result.interviews
        if one.is_sent and one.mode == _MODE
    ]
    return _count(answers, mobile=_MOBILE)


def read(context: Context) -> Traces:
    """Count the same in the analysis store, read as of the newest version."""
    with context.database.read() as session:
        newest = forms.chain(session, FORM_ID)[-1].hash
    parts = context.microdata.read("analysis", form_id=FORM_ID, mode=_MODE, columns=("member", "sender"), as_of=newest)
    return _count([row for part in parts for row in part.table.to_pylist()], mobile=_MOBILE_NOT_SPLIT)


def _count(answers: Sequence[Mapping[str, Any]], *, mobile: str) -> Traces:
    return Traces(
        mobile_not_split=sum(
            row.get(name) == mobile for one in answers for row in one.get("sender") or () for name in _CHANNELS
        ),
        level_not_known=sum(
            row.get("c_educ") == _LEVEL_NOT_KNOWN for one in answers for row in one.get("member") or ()
        ),
    )
