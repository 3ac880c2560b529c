"""Offices on both databases for the fault suite, and the table of what was tried.

`FAULTS=all` tries everything; otherwise a sample, drawn with a seed, is enough for every day.
"""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from tests.faults.served import Served, copy_office, make_office, prepare

T = TypeVar("T")
IS_ALL = os.environ.get("FAULTS") == "all"
SEED = int(os.environ.get("FAULTS_SEED", "1"))


@dataclass
class Tried:
    """One line of the table."""

    fault: str
    tried: int
    seen: str


@dataclass
class Report:
    """What was tried in this run."""

    lines: list[Tried] = field(default_factory=list)

    def add(self, fault: str, tried: int, seen: str) -> None:
        """Add a line; one fault tried twice is one line."""
        self.lines.append(Tried(fault, tried, seen))


REPORT = Report()


@pytest.fixture
def report() -> Report:
    """The table of this run."""
    return REPORT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table when everything was tried."""
    if not (IS_ALL and REPORT.lines):
        return
    terminalreporter.section("faults tried")
    for line in REPORT.lines:
        terminalreporter.write_line(f"{line.fault:<64} {line.tried:>7}  {line.seen}")


@pytest.fixture
def sample() -> Callable[[Sequence[T], int], list[T]]:
    """Return what takes some of many, the same in each run, and all of them with FAULTS=all; the ends are in it."""

    def take(everything: Sequence[T], some: int) -> list[T]:
        if IS_ALL or len(everything) <= some:
            return list(everything)
        rng = random.Random(SEED)  # noqa: S311 -- the same sample in each run
        chosen = {0, len(everything) - 1, *rng.sample(range(len(everything)), some - 2)}
        return [everything[number] for number in sorted(chosen)]

    return take


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an office on SQLite that nobody uses, to be copied."""
    return make_office(tmp_path_factory.mktemp("faults")).data


@pytest.fixture
def office(made: Path, tmp_path: Path) -> Iterator[Served]:
    """An office of its own on SQLite; not started."""
    served = copy_office(made, tmp_path)
    yield served
    served.kill()


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def running(
    request: pytest.FixtureRequest, made: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A running server, on SQLite and on PostgreSQL in turn; tests share it, each with devices of its own."""
    served = copy_office(made, tmp_path_factory.mktemp("running"))
    if request.param == "postgresql":
        served.url = new_database(request.getfixturevalue("postgresql"), "faults_shared")
        prepare(served)
    served.start()
    yield served
    served.kill()


def new_database(server_url: str, name: str) -> str:
    """Make a database and return its URL."""
    name = f"{name}_{os.getpid()}"
    with psycopg.connect(server_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return server_url.replace("/postgres?", f"/{name}?")


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose name is short enough for a socket's path."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
