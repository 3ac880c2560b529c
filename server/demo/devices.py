"""The demonstration's tablets: enrol, pull, fill question by question, seal, sync over a network that loses answers.

Each function is the work of one tablet and runs in a process of a pool. Answers never leave the process but sealed.
"""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as clock_time
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

from forms.definition import FormDefinition
from forms.filling import Filled, fill
from forms.instance import instance_id_bytes
from server.demo.accidents import CLOCK_OFFSETS, KILLED_APPS, LOST_ANSWERS, REPEATED_REQUESTS, Clock, Job
from server.demo.answers import NEWEST, Answers, answers_of
from server.demo.cases import Case
from server.demo.collect import AppKilled, CollectError, ScriptedCollect, Settings, Tablet
from server.demo.collect import Fault as CollectFault
from server.demo.problems import DemoError
from server.demo.rates import Rates, make_rates
from sync_protocol.client.device import Device, FormVersion
from sync_protocol.client.report import SyncReport
from sync_protocol.client.transport import Fault, FaultyTransport, HttpTransport, TransportError
from sync_protocol.enrolment import parse_link

FORM_ID: Final = "hh_remit"

T = TypeVar("T")

#: A server that was killed is back within seconds; tablets keep trying for longer than that.
_PAUSES: Final = 120
_LONGEST_WAIT_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class DeviceTask:
    """What one enumerator's tablet has to do in one go.

    Attributes:
        address: the enrolment link, or the server URL of a Collect.
        version: of the questionnaire that the enumerator is told to fill, 1 to 3.
        version_name: the same as the form itself carries it.
        published: the newest version by then; the work cannot begin before.
        part: of the tablet's work, from 0; a new tablet enrols first.
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
        form = _form(device.form_versions(), task.version_name)
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
    _until_answered(lambda: device.enrol(link, transport=HttpTransport(link.base_url)))
    return device


def _generator(purpose: str, task: DeviceTask) -> random.Random:
    return random.Random(f"{purpose} {task.seed} {task.enumerator} {task.part}")  # noqa: S311 - not a secret


def _seal(device: Device, filler: _Filler, job: Job, keys: set[str]) -> None:
    if job.mode == "survey" and job.case.key not in keys:
        raise DemoError(f"enumerator {job.case.enumerator} was not assigned household {job.case.key}")
    parents: tuple[bytes, ...] = ()
    for filled in filler.fill(job):
        instance_id = instance_id_bytes(filled.instance_id)
        device.finalise(
            filled.xml,
            instance_id=instance_id,
            form_version_hash=filler.definition.hash,
            now=filler.now(job.case),
            parents=parents,
            mode=job.mode,
        )
        parents = (instance_id,)


def _collect(task: DeviceTask) -> DeviceResult:
    rng = _generator("faults", task)
    tablet, settings = Tablet(), Settings(task.address, deletes_sent=True)

    def started() -> ScriptedCollect:
        return ScriptedCollect(
            settings,
            f"collect:{task.enumerator:04d}",
            now=lambda: datetime.now(UTC),
            tablet=tablet,
            fault=lambda: _fault_of_collect(rng),
        )

    app = started()
    filler = _Filler(FormDefinition.parse(_form_of_collect(app, task)), task)
    counts: Counter[str] = Counter()
    for job in task.jobs:
        for filled in filler.fill(job):
            app.finalise(filled.xml, name=f"{FORM_ID}_{len(filler.interviews)}.xml")
        while tablet.waiting():
            try:
                _until_answered(lambda app=app: _all_sent(app))  # type: ignore[misc]
            except AppKilled:
                counts += app.counts
                app.close()
                app = started()
    app.close()
    counts += app.counts
    lost = sum(
        counts[f"POSTs: {fault}"] for fault in (CollectFault.ANSWER_LOST, CollectFault.CUT, CollectFault.KILLED_AFTER)
    )
    return DeviceResult(
        enumerator=task.enumerator,
        interviews=tuple(filler.interviews),
        assigned=0,
        lost_answers=lost,
        repeated=lost + counts[f"POSTs: {CollectFault.REPEATED}"],
        bytes_up=counts["bytes up"],
        bytes_down=0,
        fill_seconds=filler.seconds,
        problems=tuple(filler.problems),
        outcome="synced",
    )


def _all_sent(app: ScriptedCollect) -> None:
    """Send what waits on the tablet.

    Raises:
        CollectError: some of it still waits; the app would try again in a minute.
    """
    failed = app.send_all()
    if failed:
        raise CollectError(failed[0].shown)


def _form_of_collect(app: ScriptedCollect, task: DeviceTask) -> bytes:
    """Return the form that the app has, or fetch it: the list offers the newest version alone.

    Raises:
        DemoError: the tablet is told to fill a version that it neither has nor finds in the list.
    """
    kept = task.directory / f"{FORM_ID}-{task.version_name}.xml"
    if kept.exists():
        return kept.read_bytes()
    listed = _until_answered(lambda: next(form for form in app.forms() if form.form_id == FORM_ID))
    if listed.version != task.version_name:
        raise DemoError(f"the form list offers version {listed.version}, not {task.version_name}")
    form = _until_answered(lambda: app.download(listed)).xform
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
            new_uuid=lambda: str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
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


def _fault_of_collect(rng: random.Random) -> CollectFault:
    """Choose what happens to a POST of Collect: as on the tablets' own line, and now and then the app is killed."""
    turn = rng.random()
    if turn < LOST_ANSWERS:
        return CollectFault.ANSWER_LOST if turn < 0.7 * LOST_ANSWERS else CollectFault.CUT
    if turn < LOST_ANSWERS + REPEATED_REQUESTS:
        return CollectFault.REPEATED
    if turn < LOST_ANSWERS + REPEATED_REQUESTS + KILLED_APPS:
        return CollectFault.KILLED_AFTER if rng.random() < 0.5 else CollectFault.KILLED_BEFORE
    return CollectFault.NONE


def _sync(device: Device, transport: FaultyTransport | HttpTransport) -> SyncReport:
    return device.sync(
        transport,
        datetime.now(UTC),
        pauses=_PAUSES,
        wait=lambda seconds: time.sleep(min(seconds, _LONGEST_WAIT_SECONDS)),
    )


def _until_answered(request: Callable[[], T]) -> T:
    """Repeat a request until it is answered, as a person would who sees “no network”."""
    deadline = time.monotonic() + _PAUSES * _LONGEST_WAIT_SECONDS
    while True:
        try:
            return request()
        except (TransportError, CollectError) as error:
            refused = isinstance(error, CollectError) and error.status is not None and error.status < 500
            if refused or time.monotonic() > deadline:
                raise DemoError(f"no answer from the server: {error}") from error
            time.sleep(_LONGEST_WAIT_SECONDS / 5)


def _form(versions: tuple[FormVersion, ...], name: str) -> bytes:
    """Return the form of the version that the tablet is told to fill, of all that the exchange brought."""
    for version in versions:
        if (version.form_id, version.version) == (FORM_ID, name) and version.xform is not None:
            return version.xform
    raise DemoError(f"the exchange brought no version {name} of {FORM_ID}")


@lru_cache(maxsize=4)
def _definition(xform: bytes) -> FormDefinition:
    return FormDefinition.parse(xform)
