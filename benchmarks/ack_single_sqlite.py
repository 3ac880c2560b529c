"""Acknowledged envelopes per second on SQLite when each exchange brings one, 4 connections, `synchronous=FULL`.

Compared with the raw rate: the same row put into the same table by one connection, one a transaction.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks._load import drive, make_office, prepare, serving
from benchmarks._processes import peak_rss_mb
from benchmarks.ack_batch40_sqlite import raw_rate
from server.config import Config

CONNECTIONS: Final = 4
EXCHANGES: Final = 500


def run() -> Iterator[dict[str, Any]]:
    """Yield the figure."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config.in_directory(Path(folder))
        office = make_office(config, CONNECTIONS)
        with serving(config, has_worker=True) as served:
            driven = drive(served.port, prepare(served.port, office, EXCHANGES, batch=1))
            rss = peak_rss_mb(served.pids)
        raw = raw_rate(Path(folder) / "passerelle.db", batch=1)
    value = CONNECTIONS * EXCHANGES / driven.seconds
    yield {
        "what": "ack_single_sqlite",
        "value": round(value),
        "unit": "envelopes/s",
        "goal": 500,
        "p99_ms": round(driven.percentile_ms(99), 1),
        "goal_p99_ms": 30,
        "peak_rss_mb": rss,
        "connections": CONNECTIONS,
        "compared_with": "raw inserts of the same row, one a transaction, synchronous=FULL",
        "raw": round(raw),
        "ratio": round(value / raw, 3),
    }
