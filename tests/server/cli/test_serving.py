import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.cli.gunicorn_server import PAUSE_SECONDS, Helper, Office, ServeOptions
from tests.office import MULTIPART, multipart
from tests.server.cli.conftest import Shell
from tests.server.doors.submissions import Part, file_part, xml_part


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def workers(pid: int) -> list[int]:
    return [child for child in children(pid) if b"\0worker\0" in Path(f"/proc/{child}/cmdline").read_bytes()]


class Served:
    def __init__(self, data: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        command = (sys.executable, "-m", "server.cli", "--data", str(data), "serve", "--port", str(self.port))
        self.log = data.parent / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, cwd=Path(__file__).parents[3])

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/sync/v1/hello")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture
def served(shell: Shell) -> Iterator[Served]:
    made = Served(shell.data)
    assert wait_until(made.answers)
    yield made
    if made.process.poll() is None:
        made.process.terminate()
        made.process.wait(30)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc")


@needs_proc
def test_nothing_outlives_a_server_that_is_killed(served: Served) -> None:
    assert wait_until(lambda: len(workers(served.process.pid)) == 1)
    family = children(served.process.pid)
    assert len(family) == 2
    served.process.kill()
    served.process.wait(10)
    assert wait_until(lambda: not any(map(is_alive, family)), 10)


@needs_proc
def test_a_worker_that_dies_is_started_again(served: Served) -> None:
    assert wait_until(lambda: len(workers(served.process.pid)) == 1)
    (first,) = workers(served.process.pid)
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: workers(served.process.pid) not in ([], [first]), 15)
    assert served.answers()


@needs_proc
def test_a_server_stops_in_order_with_its_worker(served: Served) -> None:
    assert wait_until(lambda: len(workers(served.process.pid)) == 1)
    family = children(served.process.pid)
    served.process.terminate()
    assert served.process.wait(30) == 0
    assert not any(map(is_alive, family))


def test_a_helper_that_fails_at_once_is_not_started_all_the_time() -> None:
    time_now = 100.0
    helper = Helper((sys.executable, "-c", "raise SystemExit(1)"), now=lambda: time_now)
    helper.keep_running()
    first = helper._process
    assert first is not None
    first.wait(20)
    helper.keep_running()
    assert helper._process is first
    time_now += PAUSE_SECONDS
    helper.keep_running()
    assert helper._process is not first
    helper.stop()


def said_to(port: int, lines: bytes) -> bytes:
    """Send bytes as they are, and return what comes back until the server closes or waits."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(lines)
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


def posted(port: int, path: str, *parts: Part, tail: bytes = b"") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = multipart(parts) + tail
    connection.request("POST", path, body, {"Content-Type": MULTIPART, "X-OpenRosa-Version": "1.0"})
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


@needs_proc
def test_the_real_server_streams_answers_with_a_message_and_writes_no_token_into_its_log(shell: Shell) -> None:
    url = shell.json("app-user", "create", "Tablet 12", "--enumerator", "0012")["url"]
    token = url.rpartition("/key/")[2]
    path = f"/key/{token}/submission"
    served = Served(shell.data)
    try:
        assert wait_until(served.answers)
        assert posted(served.port, path, xml_part())[0] == 201
        (web,) = [child for child in children(served.process.pid) if child not in workers(served.process.pid)]
        before = resident_bytes(web)
        photos = [file_part(f"{number}.jpg", os.urandom(1 << 20) * 8) for number in range(8)]
        status, answer = posted(served.port, path, xml_part(), *photos)
        assert (status, b"the form and 8 files" in answer) == (201, True)
        assert resident_bytes(web) - before < 30 << 20
        status, answer = posted(served.port, path, xml_part(b"x" * (3 << 20)), *photos)
        assert (status, b"at most 1 MB of answers" in answer) == (413, True)
        chunked = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {MULTIPART}\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = multipart([xml_part()])
        whole = chunked.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        for lines, status_line in (
            (whole, b"201"),
            (whole[:-100], b"400"),
            (f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {MULTIPART}\r\n\r\n".encode(), b"411"),
            (f"GET {path} HTTP/1.1 nonsense\r\n\r\n".encode(), b"400"),
            (f"GET {path} HTTP/1.1\r\nbad header {token}\r\n\r\n".encode(), b"400"),
            (f"GET {path}/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), b"404"),
        ):
            assert said_to(served.port, lines)[9:12] == status_line, lines
    finally:
        served.process.terminate()
        served.process.wait(30)
    written = served.log.read_text()
    assert "Invalid request" in written
    assert token[:10] not in written


def test_connections_that_are_refused_and_then_silent_hold_nothing_up(served: Served) -> None:
    """There are 16 threads: none of them waits for a body that nobody takes, whatever the door."""
    silent = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(24)]
    try:
        for number, line in enumerate(silent):
            path = ("/key/nobody/submission", "/projects/1/submission", "/api/v1/entity-lists")[number % 3]
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {MULTIPART}\r\nContent-Length: 60000000\r\n\r\n"
            line.sendall(head.encode() + b"--")
        assert served.answers()
        assert served.answers()
    finally:
        for line in silent:
            line.close()


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_tablet_may_ask_about_a_thousand_entities_in_one_address() -> None:
    from gunicorn.http.errors import LimitRequestLine
    from gunicorn.http.parser import RequestParser

    office = Office(ServeOptions(bind="127.0.0.1:0", processes=1, threads=1, worker=None))
    ids = ",".join(str(uuid.UUID(int=number, version=4)) for number in range(1000))
    asked = f"GET /integrity?id={ids}&deviceID=x HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    request = next(RequestParser(office.cfg, iter([asked]), ("127.0.0.1", 1)))
    assert request.query.count(",") == 999
    with pytest.raises(LimitRequestLine):
        next(RequestParser(office.cfg, iter([asked.replace(b"deviceID", b"x" * 70_000)]), ("127.0.0.1", 1)))


def test_a_large_body_is_taken_in_pieces_that_are_copied_once() -> None:
    from gunicorn.http.unreader import SocketUnreader

    Office(ServeOptions(bind="127.0.0.1:0", processes=1, threads=1, worker=None))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = 100_000
        theirs.sendall(bytes(sent))
        unreader, taken = SocketUnreader(ours), []
        while sum(taken) < sent:
            taken.append(len(unreader.chunk(1 << 20)))
    assert max(taken) == 65_536
