"""One interview with 5 photos of 1 MB, split as Collect splits it: each photo is a POST of its own, with the XML again.

`server_cpu_ms` is of the whole interview, five POSTs and 5 MB, until the last 201; `all_cpu_ms` adds opening. Compared
with a bare Flask view that writes the same bytes to a file with fsync and a row with COMMIT.
"""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from benchmarks import _openrosa_form as made
from benchmarks._openrosa_load import Driven, drive
from benchmarks._openrosa_office import OPENING, WEB, bare, opening, web
from benchmarks._openrosa_stores import Store, asked_databases, open_store
from benchmarks._processes import peak_rss_mb, processor_seconds, taken
from benchmarks.openrosa_submit import CREATED, wait_until_opened

PHOTOS: Final = 5
PHOTO_BYTES: Final = 1_000_000
INTERVIEWS: Final = 20
RUNS: Final = 3
GOAL_CPU_MS: Final = 40
GOAL_MB: Final = 150


def run() -> Iterator[dict[str, Any]]:
    """Yield a figure for each database that is asked for."""
    for database in asked_databases():
        with open_store(database=database) as store:
            yield _figure(store)


def _figure(store: Store) -> dict[str, Any]:
    with web(store.office) as served, opening(store.office) as worker:
        _drive(served.port, store.office.submission, _interviews(store, 2))
        lines = []
        for _ in range(RUNS):
            load = _interviews(store, INTERVIEWS)
            watched = [*served.pids, worker, *store.backends(WEB), *store.backends(OPENING), *store.processes()]
            before = processor_seconds(watched)
            driven = _drive(served.port, store.office.submission, load)
            web_pids = [*served.pids, *store.backends(WEB)]
            until_stored = taken(before, processor_seconds(web_pids))
            wait_until_opened(store.office)
            everything = {*web_pids, worker, *store.backends(OPENING), *store.processes()}
            in_all = taken(before, processor_seconds(everything))
            lines.append(_line(driven, until_stored) | {"all_cpu_ms": round(in_all / INTERVIEWS * 1000, 1)})
        peak, peak_of_worker = peak_rss_mb(served.pids), peak_rss_mb([worker])
    with bare(store.office) as served:
        before = processor_seconds([*served.pids, *store.backends("bare")])
        driven = _drive(served.port, "/file", _interviews(store, INTERVIEWS))
        theirs = _line(driven, taken(before, processor_seconds([*served.pids, *store.backends("bare")])))
    best = max(lines, key=lambda line: line["value"])
    return {
        "what": "openrosa_photos5",
        **best,
        "server_cpu_ms": min(line["server_cpu_ms"] for line in lines),
        "peak_rss_mb": peak,
        "peak_rss_mb_opening": peak_of_worker,
        "database": store.database,
        "stored": store.interviews,
        "comparison": "a bare Flask view that writes the same bytes to a file with fsync, and a row with COMMIT",
        "compared_value": theirs["value"],
        "compared_cpu_ms": theirs["server_cpu_ms"],
        "ratio": round(best["value"] / theirs["value"], 2),
        "goal": f"at most {GOAL_CPU_MS} ms of processor time and {GOAL_MB} MB",
    }


def _interviews(store: Store, count: int) -> list[list[Sequence[made.Part]]]:
    """Return for each interview what each of its POSTs carries."""
    documents = made.filled(store.office.definition, count, seed=time.monotonic_ns())
    return [
        [
            (made.submission_of(xml), made.Part(name, name, "image/jpeg", os.urandom(PHOTO_BYTES)))
            for name in (f"17324{number}00{photo}.jpg" for photo in range(PHOTOS))
        ]
        for number, xml in enumerate(documents)
    ]


def _drive(port: int, path: str, interviews: Sequence[Sequence[Sequence[made.Part]]]) -> Driven:
    requests = [
        made.post(port, path, parts, is_incomplete=number < len(interview) - 1)
        for interview in interviews
        for number, parts in enumerate(interview)
    ]
    return drive(port, [requests], statuses=CREATED)


def _line(driven: Driven, took: float) -> dict[str, Any]:
    interviews = len(driven.answers) / PHOTOS
    return {
        "value": round(interviews / driven.seconds, 1),
        "unit": "interviews/s",
        "p50_ms": driven.quantile_ms(0.5),
        "p99_ms": driven.quantile_ms(0.99),
        "server_cpu_ms": round(took / interviews * 1000, 1),
        "generator_cpu_ms": round(driven.generator_seconds / interviews * 1000, 2),
        "bytes_on_the_wire": round((driven.bytes_sent + driven.bytes_received) / interviews),
    }
