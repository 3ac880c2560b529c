"""What is compared with: a bare Flask view that stores the bytes of a request by one INSERT and COMMIT, and no more.

``python -m benchmarks._bare --port N --processes N`` runs it under the product's own gunicorn settings. SQLite commits
with `synchronous=FULL` under one lock, PostgreSQL with `synchronous_commit=on`; a file of a POST goes to disk with
fsync as it comes. What is fetched is read from the database by one SELECT.
"""

import argparse
import os
import secrets
import threading
from pathlib import Path
from typing import Any

import psycopg
import pysqlite3.dbapi2 as sqlite
from flask import Flask, Response, request

from server.cli.gunicorn_server import Office, ServeOptions
from server.config import Config

CHUNK = 1 << 18


class SqliteStore:
    """One file, one connection a thread, one writer at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make the table."""
        self._connection().execute("CREATE TABLE IF NOT EXISTS bare (body BLOB NOT NULL)")
        self._own = threading.local()  # no connection goes through a fork

    def store(self, body: bytes) -> None:
        """Store and commit."""
        connection = self._connection()
        with self._lock:
            connection.execute("INSERT INTO bare VALUES (?)", (body,))

    def replace(self, body: bytes) -> None:
        """Store in place of all else."""
        self._connection().execute("DELETE FROM bare")
        self.store(body)

    def read(self) -> bytes:
        """Return what was stored first."""
        found: bytes = self._connection().execute("SELECT body FROM bare LIMIT 1").fetchone()[0]
        return found

    def _connection(self) -> Any:
        if not hasattr(self._own, "connection"):
            self._own.connection = sqlite.connect(str(self._path), isolation_level=None, timeout=30)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000"):
                self._own.connection.execute(f"PRAGMA {pragma}")
        return self._own.connection


class PostgresqlStore:
    """One connection a thread."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("+psycopg", "", 1)
        self._own = threading.local()

    def prepare(self) -> None:
        """Make the table."""
        self._connection().execute("CREATE TABLE IF NOT EXISTS bare (body BYTEA NOT NULL)")
        self._own = threading.local()

    def store(self, body: bytes) -> None:
        """Store and commit."""
        self._connection().execute("INSERT INTO bare VALUES (%s)", (body,))

    def replace(self, body: bytes) -> None:
        """Store in place of all else."""
        self._connection().execute("TRUNCATE bare")
        self.store(body)

    def read(self) -> bytes:
        """Return what was stored first."""
        found = self._connection().execute("SELECT body FROM bare LIMIT 1").fetchone()
        return bytes(found[0])

    def _connection(self) -> Any:
        if not hasattr(self._own, "connection"):
            self._own.connection = psycopg.connect(
                self._url, autocommit=True, options="-c synchronous_commit=on -c client_min_messages=warning"
            )
        return self._own.connection


def store_of(config: Config) -> SqliteStore | PostgresqlStore:
    """Return where the bytes go."""
    if config.database_url.startswith("sqlite"):
        return SqliteStore(folder_of(config) / "bare.db")
    return PostgresqlStore(config.database_url)


def folder_of(config: Config) -> Path:
    """Return the folder of files; it is made if it is not there."""
    folder = config.data_dir / "bare"
    folder.mkdir(exist_ok=True)
    return folder


def make_app(config: Config) -> Flask:
    """Make the app."""
    store, folder = store_of(config), folder_of(config)
    app = Flask("bare")

    @app.get("/")
    def here() -> str:
        return "here"

    @app.post("/submission")
    def submit() -> tuple[str, int]:
        store.store(request.get_data())
        return "stored", 201

    @app.post("/file")
    def keep_file() -> tuple[str, int]:
        name = secrets.token_hex(16)
        with (folder / name).open("xb") as file:
            while chunk := request.stream.read(CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        store.store(name.encode())
        return "stored", 201

    @app.put("/stored")
    def replace() -> tuple[str, int]:
        store.replace(request.get_data())
        return "stored", 201

    @app.get("/stored")
    def give() -> Response:
        return Response(store.read(), mimetype="text/xml")

    return app


class BareOffice(Office):
    """The product's gunicorn with another app."""

    def load(self) -> Flask:
        """Make the app in the web process."""
        return make_app(Config.from_env(os.environ))


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    store_of(Config.from_env(os.environ)).prepare()
    options = ServeOptions(bind=f"127.0.0.1:{asked.port}", processes=asked.processes, threads=16, worker=None)
    BareOffice(options).run()


if __name__ == "__main__":
    main()
