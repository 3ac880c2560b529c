"""Submissions of a 60-question form (2.3 kB of XML) without attachments at 1, 8 and 32 connections.

`server_cpu_ms` is what the web processes took for each until its 201, `database_cpu_ms` what their backends of
PostgreSQL took. `all_cpu_ms` is everything, also PostgreSQL's own processes and the process that opens, checks the
structure and folds, until its queue is empty. Both run beside the load
generator, whose own processor time is told too. Compared with a bare Flask view that stores the same bytes.

The empty store is measured unless there is ``--store 100000`` or ``--store 500000`` (or BENCH_STORE); SQLite unless
``--database postgresql`` (or BENCH_DATABASE).
"""

import time
from collections.abc import Iterator
from typing import Any, Final

from benchmarks import _openrosa_form as made
from benchmarks._openrosa_load import Driven, drive
from benchmarks._openrosa_office import OPENING, WEB, Office, bare, opening, web
from benchmarks._openrosa_stores import Store, asked_databases, open_store
from benchmarks._processes import peak_rss_mb, processor_seconds, taken
from server.context import Context
from server.db.queries import opening as opening_queries

CONNECTIONS: Final = (1, 8, 32)
SECONDS: Final = 4.0
EXPECTED_PER_SECOND: Final = {1: 350, 8: 450, 32: 500}
RUNS: Final = 3
WARM: Final = 200
CREATED: Final = frozenset({201})
LONGEST_SECONDS: Final = 300.0


def run() -> Iterator[dict[str, Any]]:
    """Yield a figure for each number of connections, on each database that is asked for."""
    for database in asked_databases():
        with open_store(database=database) as store:
            yield from _figures(store)


def _figures(store: Store) -> Iterator[dict[str, Any]]:
    ours, theirs = _ours(store), _bare(store)
    for connections in CONNECTIONS:
        line = max(ours[connections], key=lambda one: one["value"])
        line["server_cpu_ms"] = min(one["server_cpu_ms"] for one in ours[connections])
        line["all_cpu_ms"] = min(one["all_cpu_ms"] for one in ours[connections])
        compared = theirs[connections]
        yield {
            "what": f"openrosa_submit_c{connections}",
            **line,
            "stored": store.interviews,
            "database": store.database,
            "comparison": "a bare Flask view that stores the same bytes by one INSERT and COMMIT",
            **compared,
            "ratio": round(line["value"] / compared["compared_value"], 2),
        }


def _ours(store: Store) -> dict[int, list[dict[str, Any]]]:
    office = store.office
    found: dict[int, list[dict[str, Any]]] = {connections: [] for connections in CONNECTIONS}
    with web(office) as served, opening(office) as worker:
        _send(served.port, office, 8, WARM)
        wait_until_opened(office)
        for _ in range(RUNS):
            for connections in CONNECTIONS:
                watched = {WEB: (*served.pids, *store.backends(WEB)), OPENING: (worker, *store.backends(OPENING))}
                before = processor_seconds([*watched[WEB], *watched[OPENING], *store.processes()])
                driven = _send(served.port, office, connections, _count(connections))
                until_stored = taken(before, processor_seconds(served.pids))
                of_database = taken(before, processor_seconds(store.backends(WEB)))
                pids = (*served.pids, *store.backends(WEB))
                wait_until_opened(office)
                everything = [*pids, worker, *store.backends(OPENING), *store.processes()]
                in_all = taken(before, processor_seconds(dict.fromkeys(everything)))
                found[connections].append(_line(driven, until_stored, of_database, in_all, peak_rss_mb(served.pids)))
    return found


def _count(connections: int) -> int:
    return round(SECONDS * EXPECTED_PER_SECOND[connections])


def _line(driven: Driven, until_stored: float, of_database: float, in_all: float, peak: int) -> dict[str, Any]:
    count = len(driven.answers)
    return {
        "value": round(driven.per_second),
        "unit": "submissions/s",
        "p50_ms": driven.quantile_ms(0.5),
        "p99_ms": driven.quantile_ms(0.99),
        "server_cpu_ms": round(until_stored / count * 1000, 2),
        "database_cpu_ms": round(of_database / count * 1000, 2),
        "all_cpu_ms": round(in_all / count * 1000, 2),
        "generator_cpu_ms": round(driven.generator_seconds / count * 1000, 3),
        "peak_rss_mb": peak,
        "bytes_on_the_wire": (driven.bytes_sent + driven.bytes_received) // count,
    }


def _send(port: int, office: Office, connections: int, count: int) -> Driven:
    documents = made.filled(office.definition, count, seed=time.monotonic_ns())
    requests = [made.post(port, office.submission, [made.submission_of(xml)]) for xml in documents]
    return drive(port, list(made.shares(requests, connections)), statuses=CREATED)


def wait_until_opened(office: Office) -> None:
    """Wait until nothing is left to be opened."""
    context = Context.open(office.config)
    try:
        end = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < end:
            with context.database.read() as session:
                if not opening_queries.openable(session, limit=1, is_locked=False):
                    return
            time.sleep(0.2)
    finally:
        context.close()
    raise RuntimeError("the worker does not come to an end")


def _bare(store: Store) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    with bare(store.office) as served:
        _send_bare(served.port, store.office, 8, WARM)
        for connections in CONNECTIONS:
            best: dict[str, Any] = {}
            for _ in range(RUNS):
                before = processor_seconds([*served.pids, *store.backends("bare")])
                driven = _send_bare(served.port, store.office, connections, 2 * _count(connections))
                took = taken(before, processor_seconds([*served.pids, *store.backends("bare")]))
                line = {
                    "compared_value": round(driven.per_second),
                    "compared_p50_ms": driven.quantile_ms(0.5),
                    "compared_p99_ms": driven.quantile_ms(0.99),
                    "compared_cpu_ms": round(took / len(driven.answers) * 1000, 2),
                }
                best = max(best, line, key=lambda one: one.get("compared_value", 0))
            found[connections] = best
    return found


def _send_bare(port: int, office: Office, connections: int, count: int) -> Driven:
    documents = made.filled(office.definition, count, seed=time.monotonic_ns())
    requests = [made.post(port, "/submission", [made.submission_of(xml)]) for xml in documents]
    return drive(port, list(made.shares(requests, connections)), statuses=CREATED)
