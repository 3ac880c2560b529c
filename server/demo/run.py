"""``passerelle demo``: a survey of the made country, from the frame to published figures, through the real product.

The office is run by its own command line, the server is a process of its own, tablets are processes that talk HTTP.
The truth is known, so that the figures printed at the end can be judged; the status says whether all of it held.
"""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from forms.instance import instance_id_bytes
from forms.library import MAP, workbook
from server.clock import utc_now
from server.demo import display, dwellings, harmonised
from server.demo.accidents import FULL_SAMPLE, Clock, Plan, plan
from server.demo.account import Evidence, account
from server.demo.answers import NEWEST, VERSIONS
from server.demo.cases import Case, Fieldwork, make_cases
from server.demo.country import Country, make_country
from server.demo.design import assign, draw_survey, sizes_for
from server.demo.devices import DeviceResult, DeviceTask, call_again
from server.demo.display import USUAL_SEED, Outcome, judged
from server.demo.fieldwork import keep_silent, visit_households
from server.demo.frame_files import enumerator_code, make_frame_files
from server.demo.office import FRAME_KINDS, Office
from server.demo.problems import DemoError
from server.demo.rates import make_rates
from server.demo.reporting import make_reports
from server.demo.rollout import INSTRUMENT, Rollout, ended_on_failure, processes, tasks_of
from server.demo.served import ServedOffice, ServerDown, free_port
from server.demo.simulate import RECORDED_SEED
from server.demo.survey_file import write_survey_file
from server.demo.truth import reported_figures, true_figures

USUAL_HOUSEHOLDS: Final = 1120
USUAL_DEVICES: Final = 100
USUAL_PORT: Final = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the command line asks for; ``data`` None is a temporary folder that is removed at the end."""

    households: int
    devices: int
    seed: int
    port: int
    data: Path | None
    check: bool
    as_json: bool
    kill: bool


@dataclass(slots=True)
class _Demo:
    """A demonstration under way; what is filled in step by step."""

    options: DemoOptions
    office: Office
    served: ServedOffice
    progress: Progress
    country: Country
    fieldwork: Fieldwork
    cases: tuple[Case, ...]
    plan: Plan
    refused_versions: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step and take its time."""
        task = self.progress.add_task(name, total=None)
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begin, 2)
        self.progress.update(task, total=1, completed=1)


def run_demo(
    *,
    full: bool,
    devices: int | None,
    households: int | None,
    seed: int | None,
    port: int | None,
    data: Path | None,
    check: bool,
    json: bool,
    kill: bool,
) -> int:
    """Run the demonstration of the command line; return its exit status."""
    options = DemoOptions(
        households=households or (FULL_SAMPLE if full else USUAL_HOUSEHOLDS),
        devices=devices or USUAL_DEVICES,
        seed=USUAL_SEED if seed is None else seed,
        port=port or _usual_port(),
        data=data,
        check=check,
        as_json=json,
        kill=kill,
    )
    console = Console(stderr=True)
    folder = options.data or Path(tempfile.mkdtemp(prefix="passerelle-demo-"))
    try:
        with _ending_in_order():
            return _run(options, folder, console)
    except (DemoError, ServerDown) as error:
        console.print(f"passerelle demo: {error}", markup=False)
        return 1
    finally:
        if options.data is None:
            shutil.rmtree(folder, ignore_errors=True)


def _usual_port() -> int:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", USUAL_PORT)) != 0:
            return USUAL_PORT
    return free_port()


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does: with its server."""

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(options: DemoOptions, folder: Path, console: Console) -> int:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    office = Office(folder / "office", port=options.port)
    served = ServedOffice(office.serve_command, office.environment, port=options.port, log=folder / "server.log")
    begin = time.perf_counter()
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            outcome = _survey(_prepare(options, office, served, progress), folder)
        outcome.seconds["in all"] = round(time.perf_counter() - begin, 2)
        display.show(outcome, url=office.url, as_json=options.as_json, stays=not options.check)
        if not options.check:
            _stay(served, console)
        return 0 if outcome.is_right else 1
    finally:
        served.stop()


def _stay(served: ServedOffice, console: Console) -> None:
    """Leave the server up until the keyboard ends it."""
    try:
        served.wait()
    except KeyboardInterrupt:
        console.print("Stopping the server.")


def _prepare(options: DemoOptions, office: Office, served: ServedOffice, progress: Progress) -> _Demo:
    """Make the country, draw the sample, and decide what will happen to whom."""
    country = make_country(RECORDED_SEED)
    rng = np.random.default_rng([options.seed, 20])
    psus, per_psu = sizes_for(options.households)
    survey = draw_survey(country, rng, psus=psus, per_psu=per_psu)
    outcomes = visit_households(country, rng, survey)
    reports = make_reports(country, RECORDED_SEED)
    silences = keep_silent(country, rng, reports)
    assignment = assign(rng, survey, enumerators=options.devices)
    fieldwork = Fieldwork(country, reports, silences, survey, assignment, outcomes, options.seed)
    cases = make_cases(fieldwork)
    return _Demo(
        options=options,
        office=office,
        served=served,
        progress=progress,
        country=country,
        fieldwork=fieldwork,
        cases=cases,
        plan=plan(cases, seed=options.seed, collects=_collects(options.devices)),
    )


def _collects(devices: int) -> frozenset[int]:
    """Return the enumerators who work with ODK Collect: every tenth, or the last of fewer."""
    return frozenset(range(10, devices + 1, 10)) or frozenset({devices})


def _survey(demo: _Demo, folder: Path) -> Outcome:
    with demo.step("office, form and frame"):
        _set_up(demo, folder)
    with demo.step("server"):
        demo.served.start()
    results = _do_fieldwork(demo, folder)
    with demo.step("a revoked tablet"):
        quarantined = _revoke(demo, folder)
    with demo.step("opening and folding"):
        demo.office.wait_until_opened()
    with demo.step("holds, units, release"):
        holds = _settle_holds(demo, results)
        lost = _close_psus(demo)
        release = _publish(demo)
    verdicts = _fetch_verdicts(demo, folder)
    with demo.step("verify"):
        demo.office.run_json("verify")
        evidence = Evidence(
            plan=demo.plan,
            results=results,
            holds=holds,
            quarantined=quarantined,
            stored=demo.office.stored(),
            progress=demo.office.run_json("progress"),
            lost_psus=lost,
            refused_versions=demo.refused_versions,
            told=harmonised.told(demo.plan, results, seed=demo.options.seed),
            read=demo.office.traces(),
            files=demo.office.files({file.instance_id for result in results for file in result.files}),
        )
    return Outcome(
        households=len(demo.cases),
        devices=demo.options.devices,
        seed=demo.options.seed,
        figures=judged(
            display.fetch_estimates(demo.office.url, release),
            true_figures(demo.country),
            reported_figures(demo.country, demo.fieldwork.reports),
        ),
        account=account(evidence),
        problems=tuple(problem for result in results for problem in result.problems),
        verdicts=verdicts,
        kilobytes_up=round(sum(result.bytes_up for result in results) / 1000),
        server_starts=demo.served.starts,
        seconds=demo.seconds,
    )


def _set_up(demo: _Demo, folder: Path) -> None:
    """Initialise the office, publish the questionnaire, import the frame."""
    office = demo.office
    office.run("init")
    truth = true_figures(demo.country), reported_figures(demo.country, demo.fieldwork.reports)
    write_survey_file(office.data, real=truth[0], reported=truth[1])
    _publish_form(demo, VERSIONS[0], folder)
    office.run("project", "add", dwellings.PROJECT)
    office.run("form", "publish", dwellings.FORM_ID, "--project", dwellings.PROJECT)
    files = make_frame_files(demo.country, demo.fieldwork.survey, demo.fieldwork.assignment, make_rates())
    tables = folder / "frame"
    tables.mkdir()
    for name in FRAME_KINDS:
        (tables / f"{name}.csv").write_bytes(getattr(files, name))
    office.import_frame(tables)
    shutil.rmtree(tables)


def _tasks(demo: _Demo, folder: Path) -> dict[int, list[DeviceTask]]:
    """Return what each tablet has to do, part by part."""
    collects = _collects(demo.options.devices)
    codes = {number: enumerator_code(number) for number in demo.plan.jobs}
    links = demo.office.enrolment_links([codes[one] for one in codes if one not in collects], utc_now())
    with_collect = {one: codes[one] for one in codes if one in collects}
    addresses = links | demo.office.app_user_urls(with_collect.values(), utc_now())
    observing = demo.office.app_user_urls(with_collect.values(), utc_now(), project=dwellings.PROJECT)
    assignment = demo.fieldwork.assignment
    return tasks_of(
        demo.plan,
        teams=dict(zip(assignment.enumerator.tolist(), assignment.team.tolist(), strict=True)),
        addresses={number: addresses[code] for number, code in codes.items()},
        folder=folder / "tablets",
        seed=demo.options.seed,
        observing={number: observing[code] for number, code in with_collect.items()},
    )


def _do_fieldwork(demo: _Demo, folder: Path) -> list[DeviceResult]:
    """Have every tablet enrol, fill, seal and sync; kill the server in the middle if asked."""
    tasks = _tasks(demo, folder)
    rounds = sum(len(mine) for mine in tasks.values())
    bar = demo.progress.add_task("interviews", total=sum(len(one.jobs) for mine in tasks.values() for one in mine))
    begin = time.perf_counter()
    done = 0

    def after_each(result: DeviceResult) -> None:
        nonlocal done
        done += 1
        demo.progress.advance(bar, len(result.interviews))
        if demo.options.kill and done == rounds // 2:
            demo.served.kill()
            demo.served.start()

    def publish(number: int) -> None:
        _publish_form(demo, number, folder)

    with processes() as pool, ended_on_failure():
        results = Rollout(tasks, publish=publish, after_each=after_each).run(pool)
    demo.seconds["fieldwork"] = round(time.perf_counter() - begin, 2)
    return results


def _publish_form(demo: _Demo, number: int, folder: Path) -> None:
    """Publish a version; the newest one without its map first, which must be refused."""
    if number == NEWEST:
        without = folder / "without-map.xlsx"
        without.write_bytes(workbook(f"{INSTRUMENT}@{number}", leave_out=(MAP,)))
        demo.refused_versions += "migration map" in demo.office.refuses("form", "publish", str(without))
        without.unlink()
    demo.office.run("form", "publish", f"{INSTRUMENT}@{number}")


def _revoke(demo: _Demo, folder: Path) -> int:
    """Revoke a tablet that has not delivered, let it deliver, and release what it brought; count its interviews."""
    number = demo.plan.revoked
    if not number:
        return 0
    devices: Sequence[Mapping[str, Any]] = demo.office.run_json("device", "list")
    code = enumerator_code(number)
    device_id = next(device["device_id"] for device in devices if device["enumerator"] == code)
    demo.office.run("device", "revoke", device_id)
    call_again(DeviceTask(number, "", folder / "tablets" / code, (), Clock.RIGHT, demo.options.seed))
    demo.office.wait_until_opened()
    return demo.office.release_quarantined()


def _settle_holds(demo: _Demo, results: Sequence[DeviceResult]) -> dict[str, str]:
    """Settle what waits for a person by what the supervisors know; return the holds there were, by interview."""
    known = {
        instance_id_bytes(interview.instance_ids[0]).hex(): interview
        for result in results
        for interview in result.interviews
    }
    found: dict[str, str] = {one["interview_id"]: one["holds"] for one in demo.office.run_json("hold", "list")}
    for interview_id in found:
        interview = known[interview_id]
        if interview.typed_key != interview.household_key:
            note = "card read again with the enumerator"
            demo.office.run("hold", "settle", interview_id, "--reassign", interview.household_key, "--note", note)
    demo.office.wait_until_opened()
    for one in demo.office.run_json("hold", "list"):
        demo.office.run("hold", "settle", one["interview_id"], "--keep", "--note", "checked with the supervisor")
    demo.office.wait_until_opened()
    return found


def _close_psus(demo: _Demo) -> list[str]:
    """Declare lost what was never reached, and close the rest; return the lost units."""
    survey, lost = demo.fieldwork.survey, demo.fieldwork.outcomes.lost
    codes = [str(code) for code in demo.country.psus.code[survey.psus.psu[lost]]]
    for code in codes:
        demo.office.run("psu", "lose", code, "--reason", "flood")
    demo.office.run("psu", "close", "--all")
    return codes


def _publish(demo: _Demo) -> int:
    release: int = demo.office.run_json("estimate", "run")["release_id"]
    demo.office.run("release", "publish", str(release))
    return release


def _fetch_verdicts(demo: _Demo, folder: Path) -> int:
    """Let every native tablet that is still there sync once more; return how many verdicts came."""
    skipped = _collects(demo.options.devices) | {demo.plan.lost, demo.plan.revoked}
    tasks = [
        DeviceTask(number, "", folder / "tablets" / enumerator_code(number), (), Clock.RIGHT, demo.options.seed)
        for number in sorted(demo.plan.jobs)
        if number not in skipped
    ]
    return _sum_over(demo, "verdicts", call_again, tasks)


def _sum_over(
    demo: _Demo, name: str, function: Callable[[DeviceTask], tuple[int, Any]], tasks: Sequence[DeviceTask]
) -> int:
    bar = demo.progress.add_task(name, total=len(tasks))
    begin = time.perf_counter()
    count = 0
    with processes() as pool:
        for _, report in pool.map(function, tasks, chunksize=4):
            count += report.verdicts
            demo.progress.advance(bar)
    demo.seconds[name] = round(time.perf_counter() - begin, 2)
    return count
