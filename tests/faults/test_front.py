"""A thousand uploads that stall behind the front, while others sync as if nothing were."""

import resource
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sync_protocol import messages, signatures
from sync_protocol.messages import ExchangeAnswer, ReceiptCode
from tests.faults.conftest import IS_ALL, Report
from tests.faults.served import Line, Served, wait_until
from tests.front.test_nginx import NGINX, configured, free_port, head_of
from tests.server.opening.kit import Answers

HOST = "127.0.0.1"
STALLED = 1_000 if IS_ALL else 60
A_SITE = 100


class FrontLine(Line):
    """A device that comes through the front, with TLS."""

    tls: ssl.SSLContext

    def through(self, body: bytes) -> ExchangeAnswer:
        """Send an exchange through the front."""
        import http.client

        with self.tls.wrap_socket(
            socket.create_connection((HOST, self.port), timeout=30), server_hostname="localhost"
        ) as line:
            line.sendall(head_of(messages.PATH_EXCHANGE, len(body), self.headers(body)) + body)
            response = http.client.HTTPResponse(line)
            response.begin()
            answer = self.verified(response.status, response.read(), dict(response.getheaders()), body)
        assert isinstance(answer, ExchangeAnswer), answer
        return answer


@pytest.fixture
def front(office: Served, tmp_path: Path) -> Iterator[FrontLine]:
    """A server of eight threads behind nginx, and a device that comes through it."""
    if NGINX is None:
        pytest.skip("nginx is not here (apt install nginx-light): the stalled uploads are left out")
    office.environment = {"PASSERELLE_PROXIES": "1"}
    office.start()
    port = free_port()
    conf = configured(tmp_path, front=port, plain=free_port(), server=office.port)
    conf.write_text(conf.read_text().replace("worker_connections 1024", f"worker_connections {3 * STALLED + 500}"))
    with (
        (tmp_path / "front.err").open("wb") as log,
        subprocess.Popen([NGINX, "-c", str(conf), "-p", str(tmp_path)], stderr=log) as nginx,
    ):
        line = FrontLine(office, port=port)
        line.tls = ssl.create_default_context(cafile=str(tmp_path / "front.pem"))

        def answers() -> bool:
            with suppress(OSError):
                socket.create_connection((HOST, port), timeout=1).close()
                return True
            return False

        try:
            wait_until(answers, what="the start of nginx")
            yield line
        finally:
            nginx.send_signal(signal.SIGTERM)
            nginx.wait(30)


def test_others_sync_while_a_thousand_uploads_stall(front: FrontLine, report: Report) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3 * STALLED:
        pytest.skip(f"only {hard} files may be open: too few for {STALLED} stalled uploads")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(3 * STALLED + 500, hard)), hard))
    other = Line(front.served, "tablet-2")
    body = other.body([bytes(200_000)])
    signed = signatures.sign_request("POST", messages.PATH_EXCHANGE, body, device_id=other.name, key=other.key)
    head = head_of(messages.PATH_EXCHANGE, len(body), {"Content-Type": messages.MEDIA_TYPE_EXCHANGE, **signed})
    lines: list[ssl.SSLSocket] = []
    try:
        for number in range(STALLED):
            source = f"127.0.0.{2 + number // A_SITE}"  # nginx limits what one address has under way
            raw = socket.create_connection((HOST, front.port), timeout=30, source_address=(source, 0))
            lines.append(front.tls.wrap_socket(raw, server_hostname="localhost"))
            lines[-1].sendall(head + body[: 200 + number])
        epoch, slowest, rounds = front.sealer.epoch(), 0.0, 40
        for number in range(1, rounds + 1):
            began = time.monotonic()
            bodies = ([epoch] if number == 1 else []) + [front.sealer.seal(Answers(number=number))]
            answer = front.through(front.body(bodies))
            slowest = max(slowest, time.monotonic() - began)
            assert [receipt.code for receipt in answer.receipts] == [ReceiptCode.STORED] * len(bodies)
    finally:
        for line in lines:
            line.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert slowest < 10
    assert front.served.count() == rounds + 1
    report.add(
        "uploads that stall behind nginx while others sync",
        STALLED,
        f"{rounds} exchanges of others all receipted, the slowest in {slowest:.1f} s",
    )
