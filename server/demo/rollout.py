"""Three versions of the questionnaire in one fieldwork: which tablets carry which, and when each is published.

Versions come out while tablets work. Some teams take a new one with their next sync, some skip one, some stay on what
they have to the end, and all of it reaches the office mixed, as it does in the field.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from forms import library
from server.demo.accidents import Clock, Job, Plan
from server.demo.answers import NEWEST
from server.demo.devices import DeviceResult, DeviceTask, work
from server.demo.frame_files import enumerator_code

INSTRUMENT: Final = "hh_remit"
PROCESSES: Final = 2


class Stage(NamedTuple):
    """A part of a tablet's work: the version that is out by then, and the one that the tablet fills."""

    published: int
    version: int


#: What a team does, by its number modulo four: keeps the first version, takes the second and keeps it, jumps to the
#: third, comes in late and takes both.
HABITS: Final[Sequence[tuple[Stage, ...]]] = (
    (Stage(1, 1), Stage(3, 1)),
    (Stage(1, 1), Stage(2, 2), Stage(3, 2)),
    (Stage(1, 1), Stage(3, 3)),
    (Stage(2, 2), Stage(3, 3)),
)


@lru_cache
def version_name(number: int) -> str:
    """Return the version of the questionnaire's settings sheet, as forms and envelopes carry it."""
    header, row, *_ = library.sheet(f"{INSTRUMENT}@{number}", "settings")
    return row[header.index("version")]


@dataclass(frozen=True, slots=True)
class Part:
    """Jobs that a tablet does in one go."""

    stage: Stage
    jobs: tuple[Job, ...]


def parts_of(plan: Plan, teams: Mapping[int, int]) -> dict[int, tuple[Part, ...]]:
    """Divide each enumerator's jobs, in the order of their days, by what the team does.

    Args:
        plan: the jobs; a tablet that holds everything back until it is revoked works in one go.
        teams: number of the team by enumerator.
    """
    found = {}
    for enumerator, jobs in sorted(plan.jobs.items()):
        stages = HABITS[teams[enumerator] % len(HABITS)]
        if enumerator == plan.revoked:
            stages = stages[:1]
        size = -(-len(jobs) // len(stages))
        pieces = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        found[enumerator] = tuple(Part(stage, piece) for stage, piece in zip(stages, pieces, strict=False))
    return found


def tasks_of(
    plan: Plan,
    *,
    teams: Mapping[int, int],
    addresses: Mapping[int, str],
    folder: Path,
    seed: int,
    observing: Mapping[int, str],
) -> dict[int, list[DeviceTask]]:
    """Return what each tablet has to do, part by part.

    Args:
        plan: jobs and accidents.
        teams: number of the team by enumerator.
        addresses: enrolment link, or server URL of a Collect, by enumerator.
        folder: where each tablet gets a folder of its own.
        seed: of the demonstration.
        observing: server URL of the second project, by enumerator who works with ODK Collect.
    """
    return {
        number: [
            DeviceTask(
                enumerator=number,
                address=addresses[number],
                directory=folder / enumerator_code(number),
                jobs=part.jobs,
                clock=plan.clocks.get(number, Clock.RIGHT),
                seed=seed,
                version=part.stage.version,
                version_name=version_name(part.stage.version),
                published=part.stage.published,
                part=turn,
                holds_back=number == plan.revoked,
                is_collect=number in observing,
                observing=observing.get(number, ""),
            )
            for turn, part in enumerate(parts)
        ]
        for number, parts in parts_of(plan, teams).items()
    }


def joined(results: Sequence[DeviceResult]) -> DeviceResult:
    """Return how all parts of one tablet's work went."""
    last = results[-1]
    return DeviceResult(
        enumerator=last.enumerator,
        interviews=tuple(interview for result in results for interview in result.interviews),
        assigned=max(result.assigned for result in results),
        lost_answers=sum(result.lost_answers for result in results),
        repeated=sum(result.repeated for result in results),
        bytes_up=sum(result.bytes_up for result in results),
        bytes_down=sum(result.bytes_down for result in results),
        fill_seconds=sum(result.fill_seconds for result in results),
        problems=tuple(problem for result in results for problem in result.problems),
        outcome=last.outcome,
        files=tuple(file for result in results for file in result.files),
    )


@contextmanager
def processes() -> Iterator[ProcessPoolExecutor]:
    """Make the processes of the tablets; after an error what has not begun is left out."""
    # Not forked: the progress bar has a thread.
    pool = ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def ended_on_failure() -> Iterator[None]:
    """End the tablets' processes when the run fails: they would go on waiting for a server that is gone."""
    try:
        yield
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise


class Rollout:
    """Has the tablets work while one version after the other is published.

    A version is published when half of the work that could be done without it is done; and no Collect is at work, for
    its list of forms offers nothing but the newest version.
    """

    def __init__(
        self,
        tasks: Mapping[int, Sequence[DeviceTask]],
        *,
        publish: Callable[[int], None],
        after_each: Callable[[DeviceResult], None],
    ) -> None:
        """Take the tasks of each enumerator in order, how to publish, and what to do after each task.

        Version 1 is published already.
        """
        self._waiting = {enumerator: list(mine) for enumerator, mine in tasks.items()}
        self._running: dict[Future[DeviceResult], DeviceTask] = {}
        self._results: dict[int, list[DeviceResult]] = {}
        self._publish = publish
        self._after_each = after_each
        self._published = 1

    def run(self, pool: ProcessPoolExecutor) -> list[DeviceResult]:
        """Do all the work; return one result a tablet."""
        while self._waiting or self._running:
            self._submit(pool)
            batch = len(self._running)
            while self._running and not self._may_publish(batch):
                self._take_finished()
                self._submit(pool)
            if self._published < NEWEST:
                self._published += 1
                self._publish(self._published)
        return [joined(results) for _, results in sorted(self._results.items())]

    def _may_publish(self, batch: int) -> bool:
        if self._published == NEWEST:
            return False
        return len(self._running) <= batch // 2 and not any(task.is_collect for task in self._running.values())

    def _submit(self, pool: ProcessPoolExecutor) -> None:
        """Hand out what can be done now, Collects first; a tablet does one task at a time."""
        busy = {task.enumerator for task in self._running.values()}
        ready = [
            mine[0]
            for enumerator, mine in self._waiting.items()
            if enumerator not in busy and mine[0].published <= self._published
        ]
        for task in sorted(ready, key=lambda one: not one.is_collect):
            mine = self._waiting[task.enumerator]
            mine.pop(0)
            if not mine:
                del self._waiting[task.enumerator]
            self._running[pool.submit(work, task)] = task

    def _take_finished(self) -> None:
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for future in done:
            task = self._running.pop(future)
            result = future.result()
            self._results.setdefault(task.enumerator, []).append(result)
            self._after_each(result)
