"""formList and the XML of a form, as a 200 and as a 304: with one process on SQLite, with two on PostgreSQL.

Four connections a process ask for the same again and again, as tablets do that refresh their list. Compared with a
bare Flask view that reads the same bytes by one SELECT. ``--store`` and ``--database`` as for `openrosa_submit`; the
database that is not asked for is left out.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from benchmarks import _openrosa_form as made
from benchmarks._openrosa_load import Driven, drive
from benchmarks._openrosa_office import WEB, bare, web
from benchmarks._openrosa_stores import Store, asked_databases, open_store
from benchmarks._processes import Served, peak_rss_mb, processor_seconds, taken

PROCESSES: Final = {"sqlite": 1, "postgresql": 2}
CONNECTIONS: Final = 4
REQUESTS: Final = 3000
RUNS: Final = 3
WARM: Final = 200
GOALS: Final = {"sqlite": 600, "postgresql": 2000}
_ETAG: Final = re.compile(rb"\r\nETag: ([^\r]+)\r\n", re.IGNORECASE)
_DOWNLOAD: Final = re.compile(rb"<downloadUrl>https?://[^/]+([^<]+)</downloadUrl>")


def run() -> Iterator[dict[str, Any]]:
    """Yield a figure for the list and one for the form, on each database."""
    for database in asked_databases():
        with open_store(database=database) as store:
            yield from _figures(store)


def _figures(store: Store) -> Iterator[dict[str, Any]]:
    processes = PROCESSES[store.database]
    with web(store.office, processes=processes) as served:
        listed = _body(served, store.office.form_list)
        found = _DOWNLOAD.search(listed)
        if found is None:
            raise RuntimeError("the form list names no form")
        paths = {"openrosa_formlist": store.office.form_list, "openrosa_form_xml": found[1].decode()}
        ours = {what: _asked(store, served, WEB, path) for what, path in paths.items()}
        bodies = {what: _body(served, path) for what, path in paths.items()}
    for what, lines in ours.items():
        with bare(store.office, processes=processes) as served:
            drive(served.port, [[_replacing(served, bodies[what])]], statuses=frozenset({201}))
            theirs = _best(store, served, "bare", made.get(served.port, "/stored"), 200)
        whole, unchanged = lines
        yield {
            "what": what,
            **whole,
            "value_304": unchanged["value"],
            "server_cpu_ms_304": unchanged["server_cpu_ms"],
            "ratio_304": round(unchanged["server_cpu_ms"] / whole["server_cpu_ms"], 2),
            "processes": processes,
            "database": store.database,
            "stored": store.interviews,
            "comparison": "a bare Flask view that reads the same bytes by one SELECT",
            "compared_value": theirs["value"],
            "compared_cpu_ms": theirs["server_cpu_ms"],
            "ratio": round(whole["value"] / theirs["value"], 2),
            "goal": GOALS[store.database],
        }


def _asked(store: Store, served: Served, application: str, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the figures of the 200 and of the 304."""
    answer = drive(served.port, [[made.get(served.port, path)]], statuses=frozenset({200})).answers[0]
    etag = _ETAG.search(answer)
    if etag is None:
        raise RuntimeError("an answer without an ETag")
    whole = made.get(served.port, path)
    unchanged = made.get(served.port, path, etag=etag[1].decode())
    return _best(store, served, application, whole, 200), _best(store, served, application, unchanged, 304)


def _best(store: Store, served: Served, application: str, request: bytes, status: int) -> dict[str, Any]:
    connections = CONNECTIONS * PROCESSES[store.database]
    drive(served.port, [[request] * (WARM // connections)] * connections, statuses=frozenset({status}))
    lines = []
    for _ in range(RUNS):
        before = processor_seconds([*served.pids, *store.backends(application)])
        driven = drive(served.port, [[request] * (REQUESTS // connections)] * connections, statuses=frozenset({status}))
        took = taken(before, processor_seconds([*served.pids, *store.backends(application)]))
        lines.append(_line(driven, took, served))
    return max(lines, key=lambda line: line["value"]) | {"server_cpu_ms": min(one["server_cpu_ms"] for one in lines)}


def _line(driven: Driven, took: float, served: Served) -> dict[str, Any]:
    count = len(driven.answers)
    return {
        "value": round(driven.per_second),
        "unit": "answers/s",
        "p50_ms": driven.quantile_ms(0.5),
        "p99_ms": driven.quantile_ms(0.99),
        "server_cpu_ms": round(took / count * 1000, 2),
        "generator_cpu_ms": round(driven.generator_seconds / count * 1000, 3),
        "peak_rss_mb": peak_rss_mb(served.pids),
        "bytes_on_the_wire": (driven.bytes_sent + driven.bytes_received) // count,
    }


def _body(served: Served, path: str) -> bytes:
    request = made.get(served.port, path, accept="identity")
    answer = drive(served.port, [[request]], statuses=frozenset({200})).answers[0]
    return answer.partition(b"\r\n\r\n")[2]


def _replacing(served: Served, body: bytes) -> bytes:
    return made.put(served.port, "/stored", body)
