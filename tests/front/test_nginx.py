"""The server behind the nginx of `deploy/`: slow and silent clients cost others nothing."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.config import Config
from server.context import Context
from server.services import app_users
from sync_protocol import messages, signatures
from sync_protocol.messages import ReceiptCode
from tests.office import NOW, Tablet, envelope, publish, stored
from tests.server.cli.conftest import CLEAR, Shell
from tests.server.cli.test_serving import wait_until

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
THREADS = 2
STALLED = 50
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")

pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not here (apt install nginx-light): the server is not tested behind it"
)


class Line(http.client.HTTPConnection):
    """A connection to 127.0.0.1 that asks for the certificate of localhost."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        super().__init__(HOST, port, timeout=30)
        self._tls = tls

    def connect(self) -> None:
        super().connect()
        self.sock = self._tls.wrap_socket(self.sock, server_hostname="localhost")


@dataclass
class Front:
    """A server with two threads, and nginx before it."""

    port: int
    tls: ssl.SSLContext
    context: Context
    folder: Path

    def connect(self) -> ssl.SSLSocket:
        return self.tls.wrap_socket(
            socket.create_connection((HOST, self.port), timeout=30), server_hostname="localhost"
        )

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> "Answered":
        with closing(Line(self.port, self.tls)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answered(answer.status, dict(answer.getheaders()), answer.read())


@dataclass
class Answered:
    status_code: int
    headers: dict[str, str]
    content: bytes

    def get_data(self) -> bytes:
        return self.content


class Client:
    """What `Tablet` sends by, through the front."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def post(self, path: str, *, data: bytes, headers: Any = None, content_type: str | None = None) -> Answered:
        given = {**(headers or {}), **({"Content-Type": content_type} if content_type else {})}
        return self.front.request("POST", path, data, given)


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "front.pem", folder / "front.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


def configured(folder: Path, *, front: int, plain: int, server: int) -> Path:
    """Write the configuration of `deploy/` with the ports and folders of this test, inside a whole nginx.conf."""
    pem, secret = certificate(folder)
    site = (ROOT / "deploy" / "nginx.conf").read_text()
    for old, new in (
        ("listen 443 ssl;", f"listen {HOST}:{front} ssl;"),
        ("listen 80;", f"listen {HOST}:{plain};"),
        ("    listen [::]:443 ssl;\n", ""),
        ("    listen [::]:80;\n", ""),
        ("127.0.0.1:8080;", f"127.0.0.1:{server};"),
        ("/etc/ssl/survey.example.pem", str(pem)),
        ("/etc/ssl/survey.example.key", str(secret)),
        ("server_name survey.example;", "server_name localhost;"),
        ("/var/log/nginx/passerelle.log", str(folder / "front.log")),
        ("/run/passerelle;", f"{folder}/bodies;"),
    ):
        assert old in site, old
        site = site.replace(old, new)
    temporary = "".join(f"  {kind}_temp_path {folder}/{kind};\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if os.getuid() == 0 else ""
    whole = folder / "nginx.conf"
    whole.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n{temporary}{site}\n}}\n"
    )
    return whole


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    assert NGINX is not None
    folder = tmp_path_factory.mktemp("front")
    data = folder / "office"
    Shell(data, CLEAR).json("init")
    server_port, front_port = free_port(), free_port()
    command = [sys.executable, "-m", "server.cli", "--data", str(data), "serve", "--port", str(server_port)]
    environment = {**os.environ, "PASSERELLE_PROXIES": "1", "PASSERELLE_LOG": "json"}
    conf = configured(folder, front=front_port, plain=free_port(), server=server_port)
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--threads", str(THREADS), "--no-worker"], cwd=ROOT, env=environment, stderr=log
        )
    nginx = subprocess.Popen([NGINX, "-c", str(conf), "-p", str(folder)])
    context = Context.open(Config.in_directory(data))
    tls = ssl.create_default_context(cafile=str(folder / "front.pem"))
    made = Front(front_port, tls, context, folder)
    try:
        assert wait_until(lambda: answers(made)), (folder / "nginx.log").read_text()
        yield made
    finally:
        context.close()
        server.send_signal(signal.SIGQUIT)  # at once: nobody waits for answers any more
        nginx.terminate()
        for process in (nginx, server):
            process.wait(30)


def answers(front: Front) -> bool:
    try:
        return front.request("GET", "/sync/v1/hello").status_code == 200
    except OSError:
        return False


def tablet_at(front: Front, enumerator: str) -> Tablet:
    return Tablet(front.context, Client(front), enumerator).enrol()  # type: ignore[arg-type]


def head_of(path: str, length: int, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}", "Connection: close"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def dribble(front: Front, tablet: Tablet, body: bytes, seconds: float) -> int:
    """Send an exchange a little at a time; return the status of its answer."""
    headers = signatures.sign_request("POST", messages.PATH_EXCHANGE, body, device_id=tablet.device_id, key=tablet.key)
    with front.connect() as line:
        head = head_of(messages.PATH_EXCHANGE, len(body), {"Content-Type": messages.MEDIA_TYPE_EXCHANGE, **headers})
        line.sendall(head)
        pieces = 40
        size = -(-len(body) // pieces)
        for start in range(0, len(body), size):
            line.sendall(body[start : start + size])
            time.sleep(seconds / pieces)
        answer = http.client.HTTPResponse(line)
        answer.begin()
        return answer.status


def test_slow_tablets_are_heard_out_while_others_sync(front: Front) -> None:
    slow = [tablet_at(front, f"01{number:02}") for number in range(6)]
    quick = tablet_at(front, "0200")
    bodies = [tablet.body(envelope(100 + number)) for number, tablet in enumerate(slow)]
    with ThreadPoolExecutor(len(slow)) as pool:
        began = time.monotonic()
        statuses = [pool.submit(dribble, front, tablet, body, 5.0) for tablet, body in zip(slow, bodies, strict=True)]
        time.sleep(0.5)
        took = []
        for number in range(8):
            start = time.monotonic()
            assert quick.exchange(envelope(number)).codes == [ReceiptCode.STORED]
            took.append(time.monotonic() - start)
        assert not any(status.done() for status in statuses), "the others were not quicker than the slow ones"
        assert max(took) < 3.0
        assert [status.result(30) for status in statuses] == [200] * len(slow)
        assert time.monotonic() - began > 4.0
    kept = {body for _, _, _, body in stored(front.context)}
    assert {envelope(100 + number) for number in range(len(slow))} <= kept


def test_fifty_stalled_uploads_hold_up_no_form_list(front: Front) -> None:
    publish(front.context)
    with front.context.database.transaction() as session:
        token = app_users.create_app_user(session, name="tablet 1", enumerator="0012", user="m", now=NOW)
    lines = [front.connect() for _ in range(STALLED)]
    try:
        for line in lines:
            line.sendall(head_of(f"/key/{token}/submission", 1 << 20, {"Content-Type": "multipart/form-data"}))
            line.sendall(b"x" * 1000)
        start = time.monotonic()
        headers = {"X-OpenRosa-Version": "1.0", "Date": "Tue, 24 Nov 2026 08:00:00 GMT"}
        found = front.request("GET", f"/key/{token}/formList", headers=headers)
        assert found.status_code == 200
        assert b"visit" in found.content
        assert time.monotonic() - start < 3.0
    finally:
        for line in lines:
            line.close()
    assert wait_until(lambda: token not in "".join(path.read_text() for path in front.folder.glob("*.log")), 1)


def test_an_answer_comes_through_as_it_was_signed(front: Front) -> None:
    tablet = tablet_at(front, "0300")
    assert tablet.exchange(*(envelope(number) for number in range(500, 520))).codes == [ReceiptCode.STORED] * 20
    answer = front.request("GET", "/sync/v1/hello", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers


def test_the_log_of_a_served_exchange_is_a_line_of_json(front: Front) -> None:
    tablet = tablet_at(front, "0400")
    tablet.exchange(envelope(600), envelope(601))
    lines = [line for line in (front.folder / "server.log").read_text().splitlines() if line.startswith("{")]
    mine = [found for line in lines if (found := json.loads(line)).get("device") == tablet.device_id]
    assert [(line["event"], line["code"], line["receipts"]) for line in mine] == [("exchange", "ok", {"stored": 2})]


def test_what_is_for_this_machine_alone_is_not_given_out(front: Front) -> None:
    assert front.request("GET", "/metrics").status_code == 404
    assert front.request("GET", "/ready").status_code in (200, 503)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/", 1),
        ("/api/v1/users", 1),
        ("/key/abc/formList", 1),
        ("/key/abc/submission/x", 1),
        ("/sync/v1/exchange", 5),
        ("/api/v1/forms/visit/versions", 80),
        ("/forms", 80),
        ("/key/abc/submission", 1100),
        ("/v1/key/abc/projects/7/submission", 1100),
        ("/projects/7/submission", 1100),
        ("/submission", 1100),
    ],
)
def test_only_where_collect_submits_a_body_may_be_large(front: Front, path: str, most: int) -> None:
    def refused(length: int) -> bool:
        with front.connect() as line:
            line.sendall(head_of(path, length, {"Expect": "100-continue"}))
            answer = line.recv(64)
        return b" 413 " in answer

    assert not refused(most << 20)
    assert refused((most << 20) + 1)


def test_what_is_collected_of_uploads_is_for_nginx_alone(front: Front) -> None:
    assert (front.folder / "bodies").stat().st_mode & 0o777 == 0o700


def said(line: ssl.SSLSocket) -> bytes:
    """Return what nginx has said on a line so far; the first lines of an answer must refuse what was asked."""
    line.settimeout(0)
    try:
        found = line.recv(64)
    except ssl.SSLWantReadError:
        return b""
    assert found.startswith(b"HTTP/1.1 429 ")
    return found


def test_one_address_has_so_many_uploads_under_way_and_others_go_on(front: Front) -> None:
    lines = [front.connect() for _ in range(102)]
    try:
        for line in lines:
            line.sendall(head_of("/key/abc/submission", 1 << 20, {}))
        assert wait_until(lambda: any(map(said, lines)), 30)  # whichever came last to nginx
        assert answers(front)
    finally:
        for line in lines:
            line.close()


def test_a_line_of_60_kilobytes_reaches_the_server(front: Front) -> None:
    answer = front.request("GET", "/sync/v1/hello?" + "x" * 60_000)
    assert answer.status_code == 200


def test_a_connection_that_never_says_anything_costs_nothing(front: Front) -> None:
    silent = [socket.create_connection((HOST, front.port)) for _ in range(STALLED)]
    done = threading.Event()
    try:
        assert answers(front)
        done.set()
    finally:
        for line in silent:
            line.close()
    assert done.is_set()
