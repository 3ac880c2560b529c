"""Interviews of hh_remit as tablets seal them, in an office with a draw and rates: for tests of findings."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from forms.definition import FormDefinition
from forms.filling import fill
from forms.library import workbook
from forms.xlsform import convert
from server.context import Context
from server.db.queries import fieldwork
from server.db.queries.frame_rows import RateRow
from server.folding.checking import CheckingWorker
from tests.forms.interviews import COMPLETE, Answers, household_key
from tests.office import NOW
from tests.server.opening.kit import Tablet, deliver, draw, number_id, open_all, publish_xform

ENUMERATOR = "0123"
MADE = datetime(2026, 11, 20, 10, tzinfo=UTC)
"""When the tablet made them: the day that they give."""


@cache
def xform() -> bytes:
    return convert(workbook("hh_remit@1"), "hh_remit.xlsx").xform


@cache
def definition() -> FormDefinition:
    return FormDefinition.parse(xform())


def key(number: int) -> str:
    """Return the household key of a number."""
    return household_key(f"072031{number:03d}")


def open_office(context: Context, *, households: int = 20, device_id: str = "tablet-1") -> Tablet:
    """Publish the form, import rates and a draw of one unit, enrol a tablet."""
    months = [f"{year}-{month:02d}" for year in range(2024, 2027) for month in range(1, 13)]
    rates = {"USD": 120, "SAR": 32, "EUR": 130}
    with context.database.transaction() as session:
        fieldwork.replace_rates(
            session,
            [
                RateRow(currency=currency, month=month, lcu_per_unit=Decimal(rate))
                for currency, rate in rates.items()
                for month in months
            ],
        )
    publish_xform(context, xform())
    draw(context, [(key(number), "072031", ENUMERATOR) for number in range(households)])
    return Tablet(context.keystore, device_id, enumerator=ENUMERATOR).enrol(context)


def interview(number: int, change: Callable[[Answers], object] = lambda _: None, *, base: Answers = COMPLETE) -> bytes:
    """Fill one interview; what the form refuses is a mistake of the test."""
    answers: dict[str, Any] = copy.deepcopy(base) | {"household_key": key(number)}
    change(answers)
    made = fill(
        definition(), answers, now=MADE, new_uuid=lambda: "0" * 36, device_id="tablet", instance_id=number_id(number)
    )
    assert made.problems == ()
    return made.xml


def implausible(answers: Answers) -> None:
    """Let the first worker pay more than thirty months of earnings, and nobody confirm it."""
    answers["worker"][0] |= {"e_lump_amt": 3_000_000, "e_rci_ok": "2"}


def bring(context: Context, tablet: Tablet, *instances: tuple[int, bytes]) -> None:
    """Seal, deliver, open and check."""
    sealed = [
        tablet.seal(xml, number=number, form_version_hash=definition().hash, device_time=MADE.isoformat())
        for number, xml in instances
    ]
    deliver(context, [tablet.epoch(), *sealed], at=NOW + timedelta(hours=1))
    open_all(context)
    check(context)


def check(context: Context) -> int:
    """Check what is to be checked."""
    return CheckingWorker(context.database, context.keystore, lambda: NOW).run_until_idle().checked
