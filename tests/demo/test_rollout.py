"""Who carries which version, and when: every job is done once, in order, on a version that is out by then."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms import library
from forms.definition import FormDefinition
from forms.xlsform import convert
from server.demo.accidents import Clock, Job, Plan, plan
from server.demo.answers import VERSIONS
from server.demo.cases import Case
from server.demo.devices import DeviceResult, FilledInterview
from server.demo.rollout import HABITS, Stage, joined, parts_of, tasks_of, version_name


def test_no_team_fills_a_version_before_it_is_published_or_goes_back_to_an_older_one() -> None:
    for stages in HABITS:
        assert all(stage.version <= stage.published for stage in stages)
        assert list(stages) == sorted(stages, key=lambda stage: (stage.published, stage.version))
    assert {stage.version for stages in HABITS for stage in stages} == set(VERSIONS)
    assert Stage(published=VERSIONS[-1], version=1) in HABITS[0]


def test_a_version_has_the_name_that_its_form_carries() -> None:
    for number in VERSIONS:
        workbook = library.workbook(f"hh_remit@{number}")
        definition = FormDefinition.parse(convert(workbook, "hh_remit.xlsx").xform)
        assert definition.version == version_name(number)


@pytest.fixture(scope="module")
def made_plan(cases: tuple[Case, ...]) -> Plan:
    return plan(cases, seed=8, collects=frozenset(range(10, 101, 10)))


def test_every_job_of_a_survey_is_done_once_and_in_the_order_of_days(made_plan: Plan) -> None:
    teams = {number: number % 25 + 1 for number in made_plan.jobs}
    parts = parts_of(made_plan, teams)
    assert {number: [job for part in mine for job in part.jobs] for number, mine in parts.items()} == {
        number: list(jobs) for number, jobs in made_plan.jobs.items()
    }
    assert len(parts[made_plan.revoked]) == 1
    for mine in parts.values():
        assert all(job.is_sent for part in mine[:-1] for job in part.jobs), "a lost tablet is lost at its end"


@given(st.integers(min_value=1, max_value=30), st.integers(min_value=0, max_value=10))
def test_jobs_are_divided_without_a_rest(count: int, team: int) -> None:
    jobs = tuple(Job(_case(number), f"{number}") for number in range(count))
    (mine,) = parts_of(Plan({7: jobs}, {}, 0, 0), {7: team}).values()
    assert tuple(job for part in mine for job in part.jobs) == jobs
    assert all(part.jobs for part in mine)
    assert [part.stage for part in mine] == list(HABITS[team % len(HABITS)][: len(mine)])


def test_a_tablet_enrols_with_its_first_part_and_the_tasks_say_which_version(made_plan: Plan, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("tablets")
    teams = {number: number % 25 + 1 for number in made_plan.jobs}
    tasks = tasks_of(
        made_plan, teams=teams, addresses=dict.fromkeys(made_plan.jobs, "x"), folder=folder, seed=8, observing={10: "y"}
    )
    for number, mine in tasks.items():
        assert [task.part for task in mine] == list(range(len(mine)))
        assert {task.clock for task in mine} == {made_plan.clocks.get(number, Clock.RIGHT)}
        assert all(task.version_name == version_name(task.version) for task in mine)
        assert [task.published for task in mine] == sorted(task.published for task in mine)
    assert all(task.is_collect == (number == 10) for number, mine in tasks.items() for task in mine)


def test_the_parts_of_a_tablet_are_one_result() -> None:
    parts = [_result(("uuid:1",), assigned=5, outcome="interrupted"), _result(("uuid:2", "uuid:3"), assigned=7)]
    whole = joined(parts)
    assert [one.instance_ids for one in whole.interviews] == [("uuid:1",), ("uuid:2", "uuid:3")]
    assert (whole.assigned, whole.bytes_up, whole.lost_answers, whole.outcome) == (7, 20, 2, "synced")
    assert whole.problems == ("required /data/x", "required /data/x")


def _result(ids: tuple[str, ...], *, assigned: int, outcome: str = "synced") -> DeviceResult:
    interview = FilledInterview("key", "key", "survey", ids, is_sent=True, version=1)
    return DeviceResult(
        enumerator=7,
        interviews=(interview,),
        assigned=assigned,
        lost_answers=1,
        repeated=1,
        bytes_up=10,
        bytes_down=10,
        fill_seconds=0.1,
        problems=("required /data/x",),
        outcome=outcome,
    )


def _case(number: int) -> Case:
    return Case(
        key=f"{number}",
        enumerator=7,
        disposition=110,
        visits=1,
        day=date(2026, 10, 5),
        listing_class=1,
        place=0,
        psu="010101",
        number=number,
        household=number,
        residents=1,
        female_head=False,
        wealth=0.0,
        consumption=1.0,
        people=(),
        senders=(),
    )
