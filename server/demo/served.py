"""The server of the demonstration as what it is elsewhere: a process of its own, started by the command line.

It can be killed with SIGKILL, workers and all, and is started again: nothing it acknowledged may be lost.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0


class ServerDown(Exception):
    """The server does not start or does not answer."""


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class ServedOffice:
    """One server process group on the loopback interface; its log goes to a file that holds no answers."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, port: int, log: Path) -> None:
        """Take the whole command line that serves on ``port``."""
        self._command = list(command)
        self._environment = dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port
        self.starts = 0

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            ServerDown: something else serves on the port, or it ended, or did not answer in a minute.
        """
        if self._is_taken():
            raise ServerDown(f"something else serves on port {self.port}; give another with --port")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                self._command, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        self.starts += 1
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None:
                raise ServerDown(f"the server ended with status {self._process.returncode}; see {self._log}")
            if time.monotonic() > deadline:
                raise ServerDown(f"the server did not answer in {START_SECONDS:.0f} s; see {self._log}")
            time.sleep(0.1)

    def answers(self) -> bool:
        """Whether the server answers a greeting now."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/sync/v1/hello")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _is_taken(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _wait_for_port(self) -> None:
        """Wait until the killed workers, which are not our children, have let the port go."""
        deadline = time.monotonic() + STOP_SECONDS
        while self._is_taken() and time.monotonic() < deadline:
            time.sleep(0.05)

    def kill(self) -> None:
        """End the server and all its workers at once, without a chance to finish anything (SIGKILL)."""
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # The workers die a moment after their parent, and hold the port until then.
        deadline = time.monotonic() + STOP_SECONDS
        while self._is_taken() and time.monotonic() < deadline:
            time.sleep(0.05)
            self._wait_for_port()

    def stop(self) -> None:
        """End the server in order; by force if it takes too long."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait(self) -> int:
        """Wait until the server ends by itself or by the keyboard; return its status."""
        return 0 if self._process is None else self._process.wait()
