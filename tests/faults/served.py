"""Real servers to be torn, killed and starved: `passerelle serve` as a process, on either database."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from server.db.engine import Database
from server.db.queries import devices
from server.db.queries.devices import StoredDevice
from server.db.tables import Envelope
from server.keystore import KeyStore
from server.migrations import upgrade
from server.services import enrol_device
from sync_protocol import messages, signatures
from sync_protocol.documents import DeviceCertificate, document_hash
from sync_protocol.enrolment import EnrolmentLink
from sync_protocol.messages import (
    ExchangeAnswer,
    ExchangeRequest,
    Problem,
    Receipt,
)
from tests.office import NOW
from tests.server.opening.kit import Tablet as Sealer
from tests.server.opening.kit import publish

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 180.0
HOST: Final = "127.0.0.1"


def wait_until(holds: Callable[[], bool], seconds: float = START_SECONDS, what: str = "it") -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it does not in that time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen in {seconds:.0f} s")
        time.sleep(0.02)


@dataclass
class Served:
    """An office's folder and the processes that serve it; `url` is of PostgreSQL, empty for SQLite in the folder."""

    data: Path
    url: str = ""
    threads: int = 8
    worker: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def database_url(self) -> str:
        """The URL of its database."""
        return self.url or f"sqlite:///{self.data / 'passerelle.db'}"

    @property
    def keystore(self) -> KeyStore:
        """Its keys."""
        return KeyStore.open(self.data / "keys", None)

    def start(self) -> "Served":
        """Start the server and wait until it answers."""
        if not self.port:
            with socket.create_server((HOST, 0)) as listener:
                self.port = listener.getsockname()[1]
        command = [sys.executable, "-m", "server.cli", "--data", str(self.data), "serve", "--port", str(self.port)]
        command += ["--processes", "1", "--threads", str(self.threads), *([] if self.worker else ["--no-worker"])]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PASSERELLE_")}
        environ |= {"PASSERELLE_DATABASE_URL": self.database_url, "PYTHONPATH": str(ROOT)} | self.environment
        log = (self.data.parent / "log").open("ab")
        with log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, cwd=ROOT, env=environ)
        wait_until(self.answers, what="the start of the server")
        return self

    def answers(self) -> bool:
        """Say whether it answers."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/sync/v1/hello")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def web_process(self) -> int:
        """Return the one web process."""
        assert self.process is not None
        found: list[int] = []

        def is_there() -> bool:
            found[:] = [child for child in children(self.process.pid) if not is_worker(child)]  # type: ignore[union-attr]
            return len(found) == 1

        wait_until(is_there, what="the start of a web process")
        return found[0]

    def kill(self) -> None:
        """SIGKILL everything, as a power cut does to processes."""
        if self.process is None:
            return
        family = [self.process.pid, *children(self.process.pid)]
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)
        self.process = None
        wait_until(lambda: not any(map(is_alive, family)), what="the death of the server")

    def log(self) -> str:
        """Return what it wrote."""
        return (self.data.parent / "log").read_text(errors="replace")

    def stored(self) -> dict[bytes, tuple[bytes, str, str | None]]:
        """Return bytes, state and reason of all stored envelopes, by id."""
        with opened(self.database_url) as database, database.read() as session:
            rows = session.execute(select(Envelope.envelope_id, Envelope.body, Envelope.state, Envelope.reason))
            return {row.envelope_id: (row.body, row.state, row.reason) for row in rows}

    def count(self) -> int:
        """Count the rows of envelopes."""
        with opened(self.database_url) as database, database.read() as session:
            return session.scalar(select(func.count()).select_from(Envelope)) or 0

    def link(self, enumerator: str = "0001", base_url: str = "") -> EnrolmentLink:
        """Return a fresh enrolment link."""
        from datetime import UTC, datetime

        with opened(self.database_url) as database, database.transaction() as session:
            token = enrol_device.issue_token(session, enumerator=enumerator, user="m", now=datetime.now(UTC))
        return EnrolmentLink(base_url or f"http://{HOST}:{self.port}", token, self.keystore.root_key)


def make_office(folder: Path, url: str = "") -> Served:
    """Make the keys and the database of an office, with one published form."""
    served = Served(folder / "office", url)
    served.data.mkdir(parents=True)
    KeyStore.create(served.data / "keys", None, folder / "root.pem", now=NOW)
    prepare(served)
    return served


def prepare(served: Served) -> None:
    """Make the tables and publish the form."""
    from server.config import Config
    from server.context import Context
    from server.microdata import Microdata

    with opened(served.database_url) as database:
        upgrade(database)
        keystore = served.keystore
        config = Config(data_dir=served.data, database_url=database.url)
        publish(
            Context(
                config=config,
                database=database,
                keystore=keystore,
                microdata=Microdata(config.microdata_dir, keystore, database),
            )
        )


def copy_office(template: Path, folder: Path) -> Served:
    """Return an office in a copy of another one's folder, on SQLite."""
    shutil.copytree(template, folder / "office")
    return Served(folder / "office")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """Open a database beside the server."""
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_worker(pid: int) -> bool:
    """Say whether a process is the one that opens envelopes."""
    try:
        return b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True


def is_alive(pid: int) -> bool:
    """Say whether a process lives."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def memory_bytes(pid: int) -> int:
    """Return the most memory that a process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


@dataclass
class Line:
    """A device that sends what a test wants over a socket, byte for byte, and believes only signed answers."""

    served: Served
    name: str = "tablet-1"
    counter: int = 0
    port: int = 0
    cursor: str | None = None

    def __post_init__(self) -> None:
        keystore = self.served.keystore
        self.keyring = keystore.keyring
        self.sealer = Sealer(keystore, self.name)
        self.key: Ed25519PrivateKey = self.sealer.signer
        document = self.sealer.certificate
        certificate = DeviceCertificate.read(document, self.keyring.issuer_keys)
        with opened(self.served.database_url) as database, database.transaction() as session:
            devices.keep_certificate(
                session, certificate_hash=document_hash(document), document=document, device_id=self.name, now=NOW
            )
            devices.add_device(
                session,
                StoredDevice(
                    device_id=self.name,
                    certificate_hash=document_hash(document),
                    signing_key=certificate.signing_key,
                    receiving_key=certificate.receiving_key,
                    enumerator="0001",
                    team="01",
                    role="enumerator",
                    counter=0,
                    enrolled_at=NOW,
                    revoked_at=None,
                    last_seen_at=None,
                ),
            )

    def body(self, envelopes: Iterable[bytes], have: Sequence[bytes] = ()) -> bytes:
        """Write the body of the next exchange."""
        self.counter += 1
        return messages.encode_request(
            ExchangeRequest(
                device_id=self.name,
                counter=self.counter,
                since=self.cursor,
                have=tuple(name[: messages.HAVE_BYTES] for name in have),
                envelopes=tuple(envelopes),
                device_time=NOW,
                keyring_serial=self.keyring.serial,
            )
        )

    def headers(self, body: bytes) -> dict[str, str]:
        """Sign a body."""
        signed = signatures.sign_request("POST", messages.PATH_EXCHANGE, body, device_id=self.name, key=self.key)
        return {"Content-Type": messages.MEDIA_TYPE_EXCHANGE, **signed}

    def raw(self, body: bytes) -> bytes:
        """Return a whole request as it goes over the line."""
        lines = [f"POST {messages.PATH_EXCHANGE} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers(body).items()]
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body

    def send(self, body: bytes, *, timeout: float = 30.0) -> ExchangeAnswer | Problem:
        """Send a body and return the verified answer.

        Raises:
            OSError, HTTPException: there is none.
        """
        connection = http.client.HTTPConnection(HOST, self.port or self.served.port, timeout=timeout)
        try:
            connection.request("POST", messages.PATH_EXCHANGE, body, self.headers(body))
            response = connection.getresponse()
            content, given = response.read(), dict(response.getheaders())
        finally:
            connection.close()
        return self.verified(response.status, content, given, body)

    def verified(self, status: int, content: bytes, given: dict[str, str], body: bytes) -> ExchangeAnswer | Problem:
        """Return what an answer says, once its signature holds."""
        public_key = self.keyring.receipt_key(signatures.answer_key_id(given))
        assert public_key is not None
        signatures.verify_answer(
            status,
            content,
            headers=given,
            method="POST",
            path=messages.PATH_EXCHANGE,
            request_digest=signatures.request_digest(body),
            public_key=public_key,
        )
        return messages.decode_answer(content) if status == 200 else messages.decode_problem(status, content)

    def exchange(self, envelopes: Sequence[bytes], have: Sequence[bytes] = ()) -> tuple[Receipt, ...]:
        """Send envelopes and return their receipts; the cursor is followed so that answers stay short."""
        answer = self.send(self.body(envelopes, have))
        assert isinstance(answer, ExchangeAnswer), answer
        self.cursor = answer.cursor
        return answer.receipts
