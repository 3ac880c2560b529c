"""The demonstration's tablets: enrol, pull, fill question by question, seal, sync over a network that loses answers.

Each function is the work of one tablet and runs in a process of a pool. Answers never leave the process but sealed.
"""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as clock_time
from functools import lru_cache
from pathlib import Path
from typing import Final

from forms.definition import FormDefinition
from forms.filling import Filled, fill
from forms.instance import instance_id_bytes
from server.demo.accidents import CLOCK_OFFSETS, LOST_ANSWERS, REPEATED_REQUESTS, Clock, Job
from server.demo.answers import NEWEST, Answers, answers_of
from server.demo.cases import Case
from server.demo.dwellings import Observer, SentFile, audit_of, is_observed, sent_files, with_audit
from server.demo.lasting import LastingCollect
from server.demo.patience import LONGEST_WAIT_SECONDS, PAUSES, until_answered
from server.demo.problems import DemoError
from server.demo.rates import Rates, make_rates
from sync_protocol.client.device import Device, FormVersion
from sync_protocol.client.report import SyncReport
from sync_protocol.client.transport import Fault, FaultyTransport, HttpTransport
from sync_protocol.enrolment import parse_link

FORM_ID: Final = "hh_remit"


@dataclass(frozen=True, slots=True)
class DeviceTask:
    """What one enumerator's tablet has to do in one go.

    Attributes:
        address: the enrolment link, or the server URL of a Collect.
        version: of the questionnaire that the enumerator is told to fill, 1 to 3.
        version_name: the same as the form itself carries it.
        published: the newest version by then; the work cannot begin before.
        part: of the tablet's work, from 0; a new tablet enrols first.
        observing: the server URL of the second project, for a Collect.
    """

    enumerator: int
    address: str
    directory: Path
    jobs: tuple[Job, ...]
    clock: Clock
    seed: int
    version: int = NEWEST
    version_name: str = ""
    published: int = NEWEST
    part: int = 0
    holds_back: bool = False
    is_collect: bool = False
    observing: str = ""


@dataclass(frozen=True, slots=True)
class FilledInterview:
    """Where a job came to: the instanceIDs of its revisions, the first one first. No answers."""

    household_key: str
    typed_key: str
    mode: str
    instance_ids: tuple[str, ...]
    is_sent: bool
    version: int


@dataclass(frozen=True, slots=True)
class DeviceResult:
    """How one tablet's work went; ``repeated`` counts envelopes or forms sent again after a lost answer."""

    enumerator: int
    interviews: tuple[FilledInterview, ...]
    assigned: int
    lost_answers: int
    repeated: int
    bytes_up: int
    bytes_down: int
    fill_seconds: float
    problems: tuple[str, ...]
    outcome: str
    files: tuple[SentFile, ...] = ()


def work(task: DeviceTask) -> DeviceResult:
    """Do all the fieldwork of one tablet."""
    return _collect(task) if task.is_collect else _native(task)


def call_again(task: DeviceTask) -> tuple[int, SyncReport]:
    """Sync a tablet once more: deliver what was held back, pull verdicts; return its enumerator and the report."""
    with Device.open(task.directory) as device:
        return task.enumerator, _sync(device, device.transport())


def _native(task: DeviceTask) -> DeviceResult:
    with _tablet(task) as device:
        rng = _generator("faults", task)
        transport = FaultyTransport(device.transport(), lambda _: _fault(rng))
        first = _sync(device, transport)
        form = _form(device.form_versions(), task.version_name, first.outcome)
        keys = {household.household_key for rows in device.assignments().values() for household in rows}
        filler = _Filler(_definition(form), task)
        with device.bulk():
            for job in task.jobs:
                if job.is_sent:
                    _seal(device, filler, job, keys)
        report = first if task.holds_back else _sync(device, transport)
        # What follows is on the tablet when it is lost: sealed like the rest, and never sent.
        for job in task.jobs:
            if not job.is_sent:
                _seal(device, filler, job, keys)
    return DeviceResult(
        enumerator=task.enumerator,
        interviews=tuple(filler.interviews),
        assigned=len(keys),
        lost_answers=transport.faults[Fault.ANSWER_LOST] + transport.faults[Fault.ANSWER_TORN],
        repeated=report.duplicates,
        bytes_up=report.bytes_up + first.bytes_up,
        bytes_down=report.bytes_down + first.bytes_down,
        fill_seconds=filler.seconds,
        problems=tuple(filler.problems),
        outcome=report.outcome,
    )


def _tablet(task: DeviceTask) -> Device:
    """Enrol a new tablet, or take up one that has worked before."""
    if task.part:
        return Device.open(task.directory)
    device = Device.create(task.directory)
    link = parse_link(task.address)
    until_answered(lambda: device.enrol(link, transport=HttpTransport(link.base_url)))
    return device


def _generator(purpose: str, task: DeviceTask) -> random.Random:
    return random.Random(f"{purpose} {task.seed} {task.enumerator} {task.part}")  # noqa: S311 - not a secret


def _seal(device: Device, filler: _Filler, job: Job, keys: set[str]) -> None:
    if job.mode == "survey" and job.case.key not in keys:
        raise DemoError(f"enumerator {job.case.enumerator} was not assigned household {job.case.key}")
    parents: tuple[bytes, ...] = ()
    for filled in filler.fill(job):
        instance_id = instance_id_bytes(filled.instance_id)
        device.seal_interview(
            filled.xml,
            instance_id=instance_id,
            form_version_hash=filler.definition.hash,
            now=filler.now(job.case),
            parents=parents,
            mode=job.mode,
        )
        parents = (instance_id,)


def _collect(task: DeviceTask) -> DeviceResult:
    device_id, rng = f"collect:{task.enumerator:04d}", _generator("faults", task)
    app = LastingCollect(task.address, device_id, rng=rng)
    observer = Observer(LastingCollect(task.observing, device_id, rng=rng), rng=rng)
    filler = _Filler(FormDefinition.parse(_form_of_collect(app, task)), task)
    sent: list[SentFile] = []
    for place, job in enumerate(task.jobs):
        for filled in filler.fill(job):
            audit = audit_of(filler.now(job.case))
            app.deliver(with_audit(filled.xml), name=f"{FORM_ID}_{len(filler.interviews)}.xml", files=[audit])
            sent += sent_files(filled.instance_id, [audit])
        if is_observed(place, job):
            observer.observe(new_uuid=filler.new_uuid(), now=filler.now(job.case), device_id=device_id)
    app.close()
    observer.app.close()
    return DeviceResult(
        enumerator=task.enumerator,
        interviews=tuple(filler.interviews),
        assigned=0,
        lost_answers=app.lost_answers + observer.app.lost_answers,
        repeated=app.repeated + observer.app.repeated,
        bytes_up=app.counts["bytes up"] + observer.app.counts["bytes up"],
        bytes_down=0,
        fill_seconds=filler.seconds,
        problems=(*filler.problems, *observer.problems),
        outcome="synced",
        files=(*sent, *observer.sent),
    )


def _form_of_collect(app: LastingCollect, task: DeviceTask) -> bytes:
    """Return the form that the app has, or fetch it: the list offers the newest version alone.

    Raises:
        DemoError: the tablet is told to fill a version that it neither has nor finds in the list.
    """
    kept = task.directory / f"{FORM_ID}-{task.version_name}.xml"
    if kept.exists():
        return kept.read_bytes()
    listed = app.ask(lambda one: next(form for form in one.forms() if form.form_id == FORM_ID))
    if listed.version != task.version_name:
        raise DemoError(f"the form list offers version {listed.version}, not {task.version_name}")
    form = app.ask(lambda one: one.download(listed)).xform
    task.directory.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(form)
    return form


class _Filler:
    """Fills the interviews of one tablet through the form, and keeps what became of them."""

    def __init__(self, definition: FormDefinition, task: DeviceTask) -> None:
        self.definition = definition
        self.interviews: list[FilledInterview] = []
        self.problems: list[str] = []
        self.seconds = 0.0
        self._task = task
        self._rates: Rates = make_rates()
        self._rng = _generator("uuid", task)

    def now(self, case: Case) -> datetime:
        """Return what the tablet's clock shows at the end of an interview."""
        noon = datetime.combine(case.day, clock_time(12, case.number % 60), UTC)
        return noon + CLOCK_OFFSETS[self._task.clock]

    def new_uuid(self) -> str:
        """Return an instanceID's random part."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def fill(self, job: Job) -> list[Filled]:
        """Fill one job; a mended one twice, the second time with what was right."""
        task = self._task
        answers = answers_of(job.case, self._rates, seed=task.seed, mode=job.mode, version=task.version)
        answers["household_key"] = job.key
        filled = [self._fill(_with_a_slip(answers), job)] if job.is_mended else []
        filled.append(self._fill(answers, job, before=filled[0].instance_id if filled else None))
        ids = tuple(one.instance_id for one in filled)
        self.interviews.append(FilledInterview(job.case.key, job.key, job.mode, ids, job.is_sent, self._task.version))
        return filled

    def _fill(self, answers: Answers, job: Job, *, before: str | None = None) -> Filled:
        begin = time.perf_counter()
        filled = fill(
            self.definition,
            answers,
            now=self.now(job.case),
            new_uuid=self.new_uuid,
            device_id=f"demo:{self._task.enumerator:04d}",
            deprecated_id=before,
        )
        self.seconds += time.perf_counter() - begin
        # Confirmations of soft checks are offered to every interview and asked in few.
        found = [one for one in filled.problems if not (one.code == "not-asked" and "_ok" in one.path)]
        self.problems.extend(f"{one.code} {one.path}" for one in found)
        return filled


def _with_a_slip(answers: Answers) -> Answers:
    """Return answers with a wrong age of the head, to be mended the same evening."""
    members = answers["member"]
    if isinstance(members, str):
        raise DemoError("only a complete interview is mended")
    head = members[0] | {"c_age": str(int(str(members[0]["c_age"])) + 1)}
    return answers | {"member": [head, *members[1:]]}


def _fault(rng: random.Random) -> Fault:
    """Choose what happens to a request: some answers are lost or torn, some requests arrive twice."""
    turn = rng.random()
    if turn < LOST_ANSWERS:
        return Fault.ANSWER_LOST if turn < 0.7 * LOST_ANSWERS else Fault.ANSWER_TORN
    return Fault.REPEATED if turn < LOST_ANSWERS + REPEATED_REQUESTS else Fault.NONE


def _sync(device: Device, transport: FaultyTransport | HttpTransport) -> SyncReport:
    """Sync, and again where the device would leave it to a later time: the server is back within seconds."""
    deadline = time.monotonic() + PAUSES * LONGEST_WAIT_SECONDS
    while True:
        report = device.sync(
            transport,
            datetime.now(UTC),
            pauses=PAUSES,
            wait=lambda seconds: time.sleep(min(seconds, LONGEST_WAIT_SECONDS)),
        )
        if report.outcome != "interrupted" or time.monotonic() > deadline:
            return report


def _form(versions: tuple[FormVersion, ...], name: str, outcome: str) -> bytes:
    """Return the form of the version that the tablet is told to fill, of all that the exchange brought."""
    for version in versions:
        if (version.form_id, version.version) == (FORM_ID, name) and version.xform is not None:
            return version.xform
    brought = ", ".join(version.version for version in versions) or "none"
    raise DemoError(f"the exchange ({outcome}) brought no version {name} of {FORM_ID}, but {brought}")


@lru_cache(maxsize=4)
def _definition(xform: bytes) -> FormDefinition:
    return FormDefinition.parse(xform)
