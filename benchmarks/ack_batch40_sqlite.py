"""Acknowledged envelopes per second on SQLite, 40 an exchange, 8 connections, `synchronous=FULL`.

Compared with the raw rate: the same rows put into the same table by one connection, 40 a transaction, with the same
durability and nothing around it.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite

from benchmarks._load import BATCH, drive, make_office, prepare, serving
from benchmarks._processes import peak_rss_mb
from server.config import Config

CONNECTIONS = 8
EXCHANGES = 60
RAW_TRANSACTIONS = 400
COLUMNS = (
    "envelope_id, kind, body, epoch_hash, instance_id, certificate_hash, form_version_hash, carrier, received_at, state"
)


def run() -> Iterator[dict[str, Any]]:
    """Yield the figure, with the opening worker busy beside the server and without it."""
    for has_worker in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            config = Config.in_directory(Path(folder))
            office = make_office(config, CONNECTIONS)
            with serving(config, has_worker=has_worker) as served:
                driven = drive(served.port, prepare(served.port, office, EXCHANGES))
                rss = peak_rss_mb(served.pids)
            raw = raw_rate(Path(folder) / "passerelle.db")
        value = CONNECTIONS * EXCHANGES * BATCH / driven.seconds
        yield {
            "what": "ack_batch40_sqlite",
            "worker": "busy" if has_worker else "none",
            "value": round(value),
            "unit": "envelopes/s",
            "goal": 10_000,
            "p99_ms": round(driven.percentile_ms(99), 1),
            "goal_p99_ms": 50,
            "peak_rss_mb": rss,
            "goal_rss_mb": 300,
            "connections": CONNECTIONS,
            "compared_with": "raw inserts of the same rows, 40 a transaction, synchronous=FULL",
            "raw": round(raw),
            "ratio": round(value / raw, 3),
        }


def raw_rate(path: Path, batch: int = BATCH) -> float:
    """Return how many rows a second one connection stores, so many a transaction, and nothing around it."""
    connection = sqlite.connect(str(path), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    body_bytes = connection.execute("SELECT avg(length(body)) FROM envelope").fetchone()[0]
    rows = [
        [
            (
                os.urandom(32),
                2,
                os.urandom(int(body_bytes)),
                *(os.urandom(size) for size in (32, 16, 32, 32)),
                "raw",
                "2026-11-24 00:00:00.000000",
                "received",
            )
            for _ in range(batch)
        ]
        for _ in range(RAW_TRANSACTIONS)
    ]
    marks = ", ".join("?" * 10)
    start = time.perf_counter()
    for some in rows:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(f"INSERT INTO envelope ({COLUMNS}) VALUES ({marks})", some)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - start
    connection.close()
    return RAW_TRANSACTIONS * batch / seconds
