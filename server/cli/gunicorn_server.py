"""gunicorn inside this process: the arbiter watches web processes, and the worker process beside them."""

import logging
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.http import message, unreader
from gunicorn.util import import_app
from gunicorn.workers import gthread

from server.logs import JsonLines

APP: Final = "wsgi:app"
TOKEN: Final = re.compile(r"key/[^/?\s]+")
QUOTED: Final = re.compile(r"(?<=Invalid request from ip=)(\S+ [^:'\"]*).*", re.DOTALL)
SILENCE_SECONDS: Final = 120
"""After which the arbiter takes a web process for dead."""
UNHEARD_SECONDS: Final = 30
"""How long a thread waits for the next byte of a request."""
UNWANTED_SECONDS: Final = 0.5
"""How long a thread waits for a first byte, and for a body that nobody took."""
GRACE_SECONDS: Final = 20
STOP_SECONDS: Final = 15.0
REQUEST_LINE_BYTES: Final = 65_536
"""Collect asks in one address what became of all entities that it made offline: 37 characters each, 1 700 of them."""
BODY_READ_BYTES: Final = 65_536
"""Of a body at once: gunicorn's megabyte is copied again for every piece that the door takes of it."""
PAUSE_SECONDS: Final = 3.0
"""Between the death of a worker process and the next: a broken one must not spin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve; ``worker`` is the command line of the worker process, None for none."""

    bind: str
    processes: int
    threads: int
    worker: tuple[str, ...] | None


class QuietLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's log of errors without what tablets put into addresses and bodies: tokens, and the texts of errors."""

    def setup(self, cfg: Any) -> None:
        """Take the settings."""
        super().setup(cfg)
        self.error_log.addFilter(hide_tokens)
        if os.environ.get("PASSERELLE_LOG", "").strip() == "json":
            for handler in self.error_log.handlers:
                handler.setFormatter(JsonLines())


def hide_tokens(record: logging.LogRecord) -> bool:
    """Take tokens out of a line, and all but its kind out of an error: gunicorn quotes what it cannot read."""
    text = record.getMessage()
    if record.exc_info and record.exc_info[0] is not None:
        text += f" ({record.exc_info[0].__name__})"
    record.msg, record.args, record.exc_info = QUOTED.sub(r"\1", TOKEN.sub("key/…", text)), (), None
    return True


class PatientWorker(gthread.ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A web process whose threads wait for bytes some seconds only: whoever stays silent holds none of them."""

    def handle(self, conn: Any) -> Any:
        """Answer one request of a connection."""
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", UNHEARD_SECONDS, 0))
        goes_on = super().handle(conn)
        if goes_on is False:
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RD)  # else the thread that accepts would wait for more of it
        return goes_on


class Helper:
    """A process that is started again whenever it ends."""

    def __init__(self, command: tuple[str, ...], now: Callable[[], float] = time.monotonic) -> None:
        self._command = command
        self._now = now
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = float("-inf")

    def keep_running(self) -> None:
        """Start the process if it does not run, but not more often than every few seconds."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._now() - self._started_at < PAUSE_SECONDS:
            return
        self._started_at = self._now()
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own command line

    def stop(self) -> None:
        """End the process, by force if it takes too long."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class OfficeArbiter(Arbiter):  # type: ignore[misc] # gunicorn has no types
    """An arbiter that keeps a helper running beside its web processes, without a thread of its own."""

    def __init__(self, app: "Office") -> None:
        super().__init__(app)
        self._helper = None if app.options.worker is None else Helper(app.options.worker)

    def manage_workers(self) -> None:
        """Keep web processes and helper running; gunicorn calls this about once a second."""
        super().manage_workers()
        if self._helper is not None:
            self._helper.keep_running()

    def stop(self, graceful: bool = True) -> None:
        """Stop everything."""
        if self._helper is not None:
            self._helper.stop()
        super().stop(graceful)


class Office(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """The server as a gunicorn application; settings come from the command line only."""

    def __init__(self, options: ServeOptions) -> None:
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's settings."""
        unreader.SocketUnreader.max_body_chunk = BODY_READ_BYTES
        message.MAX_REQUEST_LINE = REQUEST_LINE_BYTES  # the setting alone goes no further than 8190
        gthread.DEFAULT_WORKER_DATA_TIMEOUT = UNWANTED_SECONDS  # five seconds of a thread are too many for nothing
        settings: dict[str, Any] = {
            "bind": [self.options.bind],
            "worker_class": PatientWorker,
            "workers": self.options.processes,
            "threads": self.options.threads,
            "timeout": SILENCE_SECONDS,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 30,
            "limit_request_line": REQUEST_LINE_BYTES,
            "proc_name": "passerelle",
            # No access log: the addresses of the OpenRosa door hold tokens.
            "accesslog": None,
            "logger_class": QuietLogger,
            "loglevel": "warning",
            "control_socket_disable": True,
            # gunicorn believes a proxy on this machine unasked; whom to believe is PASSERELLE_PROXIES' to say.
            "forwarded_allow_ips": "",
        }
        if Path("/dev/shm").is_dir():  # noqa: S108 - gunicorn's heartbeat file, which a slow disk must not hold up
            settings["worker_tmp_dir"] = "/dev/shm"  # noqa: S108
        for name, value in settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """Load the WSGI application, in the web process."""
        return import_app(APP)

    def run(self) -> None:
        """Serve until a signal ends it."""
        OfficeArbiter(self).run()
