"""What the server derives from filled interviews is what the made households report, up to the rounding of money."""

import math
import uuid
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from forms.definition import FormDefinition
from forms.filling import fill
from forms.instance import parse_instance
from forms.library import workbook
from forms.structure import read_answers
from forms.xlsform import convert
from server.demo.answers import VERSIONS, answers_of
from server.demo.answers.members import member_line
from server.demo.answers.money import months_of
from server.demo.cases import Case, PersonReport, SenderReport
from server.demo.fieldwork import COMPLETE, KNOWN, PARTIAL
from server.demo.rates import Rates as DemoRates
from server.demo.rates import make_rates
from server.demo.reporting import round_local
from server.statistics.hh_remit import Rates
from server.statistics.hh_remit.senders import SenderRow, senders_of
from server.statistics.hh_remit.workers import WorkerRow, workers_of
from server.statistics.sample import EARNINGS_UNKNOWN, NO_FULL_MONTH_YET, PAID, UNPAID


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def definition(version: int) -> FormDefinition:
    return FormDefinition.parse(convert(workbook(f"hh_remit@{version}"), "hh_remit.xlsx").xform)


@pytest.fixture(scope="module")
def respondents(cases: tuple[Case, ...], definition: FormDefinition, version: int) -> list[tuple[Case, dict[str, Any]]]:
    """Return respondents who have anything to tell with their answers as the server reads them."""
    rates = make_rates()
    found = []
    for case in cases:
        if case.disposition in (COMPLETE, PARTIAL) and (case.people or case.senders):
            filled = fill(
                definition,
                answers_of(case, rates, seed=148, version=version),
                now=datetime(2026, 10, 5, 12, tzinfo=UTC),
                new_uuid=lambda: str(uuid.uuid4()),
                device_id="demo:0001",
            )
            opened = read_answers(definition, parse_instance(filled.xml))
            assert opened.findings == ()
            found.append((case, opened.analysis))
    return found


def told(sender: SenderReport, case: Case, rates: DemoRates) -> float:
    """Return the USD that a sender's money comes to after rounding in local currency."""
    if sender.cash <= 0:
        return 0.0
    if sender.known != KNOWN:
        return math.nan
    rate = rates.mean("USD", months_of(sender, case.day))
    return float(round_local(np.array([sender.cash * rate]))[0]) / rate


def test_every_sender_comes_back(respondents: list[tuple[Case, dict[str, Any]]]) -> None:
    demo_rates = make_rates()
    rates = Rates(demo_rates.lcu_per_unit)
    for case, answers in respondents:
        derived = senders_of(answers, case.day, rates)
        expected = [sender for sender in case.senders if sender.cash > 0 or sender.kind > 0][:10]
        assert len(derived) == len(expected)
        for row, sender in zip(derived, expected, strict=True):
            compare_sender(row, sender, told(sender, case, demo_rates))
    assert rates.outside == 0


def compare_sender(row: SenderRow, sender: SenderReport, cash: float) -> None:
    assert row.country == sender.corridor.country
    assert row.nonresident == sender.nonresident
    assert row.sex == (2 if sender.female else 1)
    assert row.months == (sender.months.bit_count() if sender.cash > 0 else 0)
    # A usual amount is rounded to 100 XTS each time; months in which the dollar moved are averaged.
    assert row.cash_usd == pytest.approx(cash, rel=0.05, abs=5, nan_ok=True)
    assert row.goods_usd == pytest.approx(sender.kind, rel=0.01, abs=1)


def test_every_worker_comes_back(respondents: list[tuple[Case, dict[str, Any]]]) -> None:
    rates = Rates(make_rates().lcu_per_unit)
    count = 0
    for case, answers in respondents:
        derived = {row.line: row for row in workers_of(answers, case.day, rates)}
        expected = {
            (100 + member_line(case, one)) if one.is_returnee else (200 + one.line): one
            for one in case.people
            if one.in_universe
        }
        assert set(derived) == set(expected)
        for line, person in expected.items():
            compare_worker(derived[line], person)
            count += 1
    assert count > 150
    assert rates.outside == 0


def compare_worker(row: WorkerRow, person: PersonReport) -> None:
    assert row.country == person.corridor.country
    assert row.is_proxy == person.proxy
    assert row.has_borrowed == person.borrowed
    state = UNPAID if person.earnings <= 0 else EARNINGS_UNKNOWN if person.earnings_unknown else PAID
    assert row.earnings_state == (state if person.has_full_month else NO_FULL_MONTH_YET)
    if row.earnings_state == PAID:
        assert row.earnings_usd == pytest.approx(person.earnings, rel=0.001)
    paid = [cost.usd for cost in row.costs if cost.item != 15]
    if person.cost_unknown and person.cost > 0:
        assert any(math.isnan(usd) for usd in paid)
    else:
        assert sum(paid) == pytest.approx(person.cost, rel=0.01, abs=1)


def test_every_household_has_its_members_abroad(respondents: list[tuple[Case, dict[str, Any]]]) -> None:
    for case, answers in respondents:
        abroad = [person for person in case.people if not person.is_returnee]
        assert answers.get("d_n", 0) == len(abroad)
        assert answers["member"][0]["c_sex"] == ("2" if case.female_head else "1")
