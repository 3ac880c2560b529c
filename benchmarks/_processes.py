"""Processes that are measured: what runs under a server, the processor time it took and the memory it held."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICK: Final = os.sysconf("SC_CLK_TCK")
STOP_SECONDS: Final = 40.0


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers: its port and the process that it was started as."""

    port: int
    pid: int

    @property
    def pids(self) -> tuple[int, ...]:
        """The arbiter and its web processes."""
        return (self.pid, *children(self.pid))


@contextmanager
def serving(module: str, arguments: Iterable[str], environ: Mapping[str, str], *, path: str) -> Iterator[Served]:
    """Run ``python -m module … --port N`` until it answers under a path; end it afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with running((module, *arguments, "--port", str(port)), environ) as pid:
        _wait(port, path)
        yield Served(port, pid)


@contextmanager
def running(arguments: Iterable[str], environ: Mapping[str, str]) -> Iterator[int]:
    """Run ``python -m …``; give its pid, and end it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", *arguments], env=os.environ | environ, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(port: int, path: str) -> None:
    """Wait for an answer, not for the socket: gunicorn listens before the app is loaded."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    for _ in range(300):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(request)
                if connection.recv(64).startswith(b"HTTP/1.1 "):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the server did not start")


def children(pid: int) -> tuple[int, ...]:
    """Return the processes that a process has started and that live."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return tuple(int(one) for one in found)


def processor_seconds(pids: Iterable[int]) -> dict[int, float]:
    """Return the processor time that each process has taken so far; one that has ended is left out."""
    found: dict[int, float] = {}
    for pid in pids:
        try:
            line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        members = line.rpartition(")")[2].split()
        found[pid] = (int(members[11]) + int(members[12])) / TICK
    return found


def taken(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """Return the processor seconds between two looks; a process that is new has taken all of its own."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def peak_rss_mb(pids: Iterable[int]) -> int:
    """Return the largest memory that any of these processes ever held, in MB."""
    return _memory_mb(pids, "VmHWM:")


def rss_mb(pids: Iterable[int]) -> int:
    """Return the memory that the largest of these processes holds now, in MB."""
    return _memory_mb(pids, "VmRSS:")


def _memory_mb(pids: Iterable[int], name: str) -> int:
    found = [0]
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            continue
        found += [int(line.split()[1]) >> 10 for line in lines if line.startswith(name)]
    return max(found)
