"""HTTP as a device sees it: an answer, or one typed outcome."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sync_protocol.client import transport as transports
from sync_protocol.client.transport import HttpTransport, TransportError


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.path.encode() + b" " + self.headers["Signature"].encode() + b" " + body
        self.send_response(409 if body == b"conflict" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Content-Digest", "x")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def raw_server(answer: bytes | None) -> Iterator[str]:
    """A server that reads a little, answers these bytes and hangs up; None: it stays silent."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            if answer is None:
                done.wait(5)
            else:
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        done.set()
        thread.join()
        listener.close()


def test_requests_and_answers_go_through_unchanged_on_one_connection(url: str) -> None:
    transport = HttpTransport(url)
    for body in (b"one", b"conflict"):
        answer = transport.send("POST", "/sync/v1/exchange", {"Signature": "s"}, body)
        assert answer.body == b"/sync/v1/exchange s " + body
        assert answer.status == (409 if body == b"conflict" else 200)
        assert answer.headers["Content-Digest"] == "x"
    transport.close()


def test_a_closed_transport_connects_again(url: str) -> None:
    transport = HttpTransport(url)
    for _ in range(2):
        assert transport.send("POST", "/", {"Signature": "s"}, b"x").status == 200
        transport.close()


def test_a_refused_connection_has_surely_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransportError) as caught:
        HttpTransport(f"http://127.0.0.1:{port}").send("POST", "/", {}, b"x")
    assert caught.value.was_sent is False


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!", b"garbage\r\n\r\n"])
def test_a_torn_answer_leaves_the_fate_of_the_request_open(answer: bytes) -> None:
    with raw_server(answer) as url, pytest.raises(TransportError) as caught:
        HttpTransport(url).send("POST", "/", {}, b"x")
    assert caught.value.was_sent is True


def test_silence_ends_after_the_time_limit() -> None:
    with raw_server(None) as url, pytest.raises(TransportError) as caught:
        HttpTransport(url, timeout_seconds=0.1).send("POST", "/", {}, b"x")
    assert (caught.value.was_sent, caught.value.reason) == (True, "TimeoutError")


def test_an_endless_answer_is_cut(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "ANSWER_BYTES", 10)
    with pytest.raises(TransportError) as caught:
        HttpTransport(url).send("POST", "/", {"Signature": "s"}, bytes(100))
    assert caught.value.was_sent is True


def test_https_checks_certificates() -> None:
    with raw_server(b"no TLS here") as url, pytest.raises(TransportError) as caught:
        HttpTransport(url.replace("http:", "https:")).send("POST", "/", {}, b"x")
    assert (caught.value.was_sent, caught.value.reason) == (False, "SSLError")


@pytest.mark.parametrize("url", ["ftp://host", "http://", "https://host/prefix", "host:80"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        HttpTransport(url)


def test_what_the_socket_took_is_counted(url: str) -> None:
    transport = HttpTransport(url)
    for body in (b"one", bytes(300_000)):
        before = transport.bytes_written
        transport.send("POST", "/", {"Signature": "s"}, body)
        assert len(body) + 60 < transport.bytes_written - before < len(body) + 250
    transport.close()


def test_a_request_that_was_cut_in_the_middle_was_sent_but_not_whole() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def hang_up() -> None:
        connection, _ = listener.accept()
        connection.recv(1_000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    transport = HttpTransport(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(TransportError) as caught:
        transport.send("POST", "/", {}, bytes(4_000_000))
    thread.join()
    listener.close()
    assert (caught.value.was_sent, caught.value.was_whole) == (True, False)
    assert 0 < transport.bytes_written < 4_000_000


def test_a_connection_that_the_server_has_closed_meanwhile_costs_nothing() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    listener = socket.create_server(("127.0.0.1", 0))
    closed = threading.Event()

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)
            closed.set()

    thread = threading.Thread(target=serve)
    thread.start()
    transport = HttpTransport(f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert transport.send("POST", "/", {}, b"x").body == b"ok"
    assert closed.wait(5)
    assert transport.send("POST", "/", {}, b"x").body == b"ok"
    thread.join()
    transport.close()
    listener.close()


def test_little_is_written_for_nothing_to_a_line_that_is_cut() -> None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)

    def take_nothing() -> None:
        connection, _ = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        threading.Event().wait(0.3)
        connection.close()

    thread = threading.Thread(target=take_nothing)
    thread.start()
    transport = HttpTransport(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(TransportError) as refused:
        transport.send("POST", "/x", {"Signature": "s"}, bytes(60_000))
    thread.join()
    listener.close()
    assert not refused.value.was_whole
    assert transport.bytes_written < (16_000 if transports.NOT_SENT is None else 8_000)


def test_the_socket_holds_half_a_second_of_what_the_line_carries() -> None:
    now = 0.0
    transport = HttpTransport("http://127.0.0.1:9", clock=lambda: now)
    for sent, seconds, buffer in (
        (10_000, 0.0, transports.SMALLEST_BUFFER_BYTES),  # it may all have been in the buffer
        (75_000, 10.0, transports.SMALLEST_BUFFER_BYTES),  # EDGE
        (400_000, 4.0, 50_000),
        (100_000, 0.1, 50_000),
        (4_000_000, 0.0, transports.LARGEST_BUFFER_BYTES),
    ):
        transport._learn(sent, seconds)
        assert transport._buffer_bytes == buffer
