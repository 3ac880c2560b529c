from collections import Counter

import pytest

from server.demo.accidents import Clock, Plan, plan, scaled
from server.demo.cases import Case
from server.demo.fieldwork import NOT_RECEIVED

COLLECTS = frozenset(range(10, 101, 10))


@pytest.fixture(scope="module")
def planned(cases: tuple[Case, ...]) -> Plan:
    return plan(cases, seed=148, collects=COLLECTS)


def test_counts_scale_with_the_sample_and_never_vanish() -> None:
    assert scaled(160, 4480) == 160
    assert scaled(160, 1120) == 40
    assert scaled(1, 14) == 1


def test_every_reached_household_has_one_survey_job(cases: tuple[Case, ...], planned: Plan) -> None:
    survey = Counter(job.case.key for job in planned.all_jobs() if job.mode == "survey")
    assert survey == Counter(case.key for case in cases if case.disposition != NOT_RECEIVED)


def test_mistyped_keys_pass_their_check_digits_and_hit_another_household(
    cases: tuple[Case, ...], planned: Plan
) -> None:
    drawn = {case.key for case in cases}
    wrong = [job for job in planned.all_jobs() if job.key != job.case.key]
    assert all(int(job.key) % 97 == 1 for job in wrong)
    assert sum(job.key in drawn for job in wrong) == 3
    assert sum(job.key not in drawn for job in wrong) == 2
    assert len({job.key for job in wrong}) == len(wrong)


def test_accidents_do_not_meet_in_one_household(planned: Plan) -> None:
    hit = {job.key for job in planned.all_jobs() if job.key != job.case.key}
    struck = [
        job
        for job in planned.all_jobs()
        if job.mode == "survey" and (job.is_mended or not job.is_sent or job.key != job.case.key)
    ]
    assert len({job.case.key for job in struck}) == len(struck)
    assert not hit & {job.case.key for job in struck}


def test_a_lost_tablet_sent_its_first_interviews(planned: Plan) -> None:
    lost = planned.jobs[planned.lost]
    assert {job.case.enumerator for job in planned.all_jobs() if not job.is_sent} == {planned.lost}
    assert [job.is_sent for job in lost] == sorted((job.is_sent for job in lost), reverse=True)
    assert lost[0].is_sent
    assert not lost[-1].is_sent


def test_collects_have_right_clocks(planned: Plan) -> None:
    assert not COLLECTS & {*planned.clocks, planned.lost, planned.revoked}
    assert set(planned.clocks.values()) == {Clock.RESET, Clock.AHEAD, Clock.ZONE}
