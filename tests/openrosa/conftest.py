"""A served door and Collects at it, over real sockets."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from server.app import create_app
from server.context import Context
from server.demo.collect import Fault, ScriptedCollect, Settings
from server.services import app_users
from tests.office import NOW
from tests.openrosa.forms import publish_xform, small_form

AFTERNOON = datetime(2026, 11, 24, 15, 4, 5, tzinfo=UTC)


class Quiet(WSGIRequestHandler):
    """A handler that says nothing and keeps lines open, as a server in production does."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@dataclass
class Door:
    """A served instance: its address with an app user's token, and how to start Collects at it."""

    context: Context
    app: Flask
    base: str
    token: str
    started: list[ScriptedCollect] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.base}/key/{self.token}"

    def collect(self, *faults: Fault, url: str | None = None, **more: Any) -> ScriptedCollect:
        """Start the app; the faults happen to its first POSTs."""
        waiting = list(faults)
        settings = more.pop("settings", None) or Settings(url or self.url)
        app = ScriptedCollect(
            settings,
            more.pop("device_id", "collect:AbC/1 2"),
            now=lambda: AFTERNOON,
            fault=lambda: waiting.pop(0) if waiting else Fault.NONE,
            **more,
        )
        self.started.append(app)
        return app

    def publish(self, form_id: str = "visit", version: str = "1", **parts: Any) -> bytes:
        """Publish a small form with a photo, a sound and a text."""
        return publish_xform(self.context, small_form(form_id, version, **parts))


def add_app_user(context: Context, name: str = "tablet 12") -> str:
    """Make an app user and return its token."""
    with context.database.transaction() as session:
        return app_users.create_app_user(session, name=name, enumerator="0012", user="manager", now=NOW)


@pytest.fixture
def serve() -> Iterator[Callable[..., Door]]:
    """Return a function that serves an instance on a port of its own."""
    ends: list[Callable[[], None]] = []

    def start(context: Context, *, tls: Any = None) -> Door:
        app = create_app(context.config, context)
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet, ssl_context=tls)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        scheme = "http" if tls is None else "https"
        door = Door(context, app, f"{scheme}://127.0.0.1:{server.server_port}", add_app_user(context))

        def end() -> None:
            for collect in door.started:
                collect.close()
            server.shutdown()
            thread.join()
            server.server_close()

        ends.append(end)
        return door

    yield start
    for end in ends:
        end()


@pytest.fixture
def door(serve: Callable[..., Door], sqlite_context: Context) -> Door:
    """A served door, on SQLite only."""
    return serve(sqlite_context)


@pytest.fixture
def each_door(serve: Callable[..., Door], context: Context) -> Door:
    """A served door, on SQLite and on PostgreSQL in turn."""
    return serve(context)
