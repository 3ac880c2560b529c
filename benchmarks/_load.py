"""Load for the acknowledgement benchmarks: a real server process, enrolled devices, and sealed envelopes.

All envelopes are sealed before the clock starts, as they are on a tablet long before it finds a line, and made frames
of an exchange. Each exchange is signed and its answer read when it is its turn, for it carries the cursor that the
answer before it brought. Server, worker and load generator share the machine's cores.
"""

import http.client
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from benchmarks import _processes
from benchmarks._processes import Served
from server.config import Config
from server.db.engine import Database
from server.keystore import KeyStore
from server.migrations import upgrade
from server.services import enrol_device
from sync_protocol import enrolment, envelope, messages, ratchet, signatures
from sync_protocol.constants import Kind
from sync_protocol.documents import document_hash
from sync_protocol.epoch import make_epoch
from sync_protocol.messages import ExchangeRequest
from sync_protocol.plaintext import Manifest

BATCH = 40
NO_HASH = bytes(32)
XML = b"<data id='bench' version='1'>" + b"<answer>4711 lama</answer>" * 130 + b"</data>"


@dataclass(frozen=True)
class Sealed:
    """What one device brings.

    Attributes:
        cursor: from which the first exchange goes on.
        exchanges: the frames of each exchange, as they end its body.
        batch: how many envelopes are in each.
    """

    device_id: str
    signer: Ed25519PrivateKey
    cursor: str | None
    exchanges: tuple[bytes, ...]
    batch: int


@dataclass(frozen=True)
class Office:
    """A data directory with keys and a database, and the devices that are enrolled in it."""

    config: Config
    keystore: KeyStore
    devices: tuple[tuple[str, Ed25519PrivateKey, bytes], ...]


def make_office(config: Config, connections: int) -> Office:
    """Make keys, schema and devices."""
    now = datetime.now(UTC)
    keystore = KeyStore.create(config.keys_dir, None, config.data_dir / "root.key", now=now)
    database = Database(config.database_url)
    upgrade(database)
    devices = []
    for number in range(connections):
        signer, receiver = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
        public = signer.public_key().public_bytes_raw()
        with database.transaction() as session:
            token = enrol_device.issue_token(
                session,
                enumerator=f"{number:04d}",
                team="01",
                role="enumerator",
                user="bench",
                now=now,
            )
            request = enrolment.make_request(
                token=token,
                root_key=keystore.root_key,
                signer=signer,
                signing_key=public,
                receiving_key=receiver.public_key().public_bytes_raw(),
            )
            enrolled = enrol_device.enrol(session, request, issuer=keystore, now=now)
        devices.append((enrolled.device_id, signer, document_hash(enrolled.certificate)))
    database.dispose()
    return Office(config, keystore, tuple(devices))


def prepare(port: int, office: Office, exchanges: int, batch: int = BATCH) -> tuple[Sealed, ...]:
    """Have each device pull what there is, as before any fieldwork, and seal what it will bring."""
    return tuple(_sealed(port, office, device, exchanges, batch) for device in office.devices)


def _sealed(
    port: int, office: Office, device: tuple[str, Ed25519PrivateKey, bytes], exchanges: int, batch: int
) -> Sealed:
    device_id, signer, certificate_hash = device
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    told = post(connection, *signed(device_id, signer, counter=1, since=None))
    bodies = _envelopes(office, signer, certificate_hash, exchanges * batch)
    brought = tuple(frames_of(bodies[start : start + batch]) for start in range(0, len(bodies), batch))
    return Sealed(device_id, signer, messages.decode_answer(told).cursor, brought, batch)


def _envelopes(office: Office, signer: Ed25519PrivateKey, certificate_hash: bytes, count: int) -> list[bytes]:
    """Seal an epoch and interviews under it, so many in all."""
    survey_key = office.keystore.keyring.survey_key("survey")
    assert survey_key is not None
    key = os.urandom(32)
    epoch = make_epoch(
        survey_key=survey_key,
        certificate_hash=certificate_hash,
        signer=signer,
        sequence=1,
        previous=NO_HASH,
        nonce=os.urandom(32),
        epoch_key=key,
    )
    bodies = [epoch]
    for index in range(count - 1):
        header = envelope.Header(
            kind=Kind.INTERVIEW,
            suite=survey_key.suite,
            epoch_hash=document_hash(epoch),
            index=index % 4096,
            sequence=index + 2,
            previous=document_hash(bodies[-1]),
            instance_id=os.urandom(16),
            parents=(),
            form_version_hash=NO_HASH,
            dictionary_hash=NO_HASH,
            certificate_hash=certificate_hash,
        )
        bodies.append(
            envelope.seal_interview(
                header=header,
                content_key=ratchet.content_key(key, header.epoch_hash, header.index),
                signer=signer,
                manifest=Manifest(device_time="2026-11-24T00:00:00+00:00"),
                instance_xml=XML + os.urandom(600),  # compresses to what a real interview does
            )
        )
    return bodies


def frames_of(envelopes: Sequence[bytes]) -> bytes:
    """Return the end of the body of any exchange that brings these envelopes."""
    request = _request("any", 1, None)
    whole = messages.encode_request(replace(request, envelopes=tuple(envelopes)))
    return whole[len(messages.encode_request(request)) :]


def signed(
    device_id: str, signer: Ed25519PrivateKey, *, counter: int, since: str | None, frames: bytes = b""
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an exchange, as a device makes them."""
    body = messages.encode_request(_request(device_id, counter, since)) + frames
    headers = signatures.sign_request("POST", messages.PATH_EXCHANGE, body, device_id=device_id, key=signer)
    return body, headers | {"Content-Type": messages.MEDIA_TYPE_EXCHANGE}


def _request(device_id: str, counter: int, since: str | None) -> ExchangeRequest:
    return ExchangeRequest(
        device_id=device_id,
        counter=counter,
        since=since,
        have=(),
        envelopes=(),
        device_time=datetime.now(UTC),
        keyring_serial=1,  # that of its enrolment: nothing was rotated since
    )


def post(connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> bytes:
    """Make an exchange and return the body of its answer.

    Raises:
        RuntimeError: it was not acknowledged.
    """
    connection.request("POST", messages.PATH_EXCHANGE, body, headers)
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"not acknowledged: {answer.status} {told[:200]!r}")
    return told


@contextmanager
def serving(config: Config, *, has_worker: bool) -> Iterator[Served]:
    """Run the real server, with its opening worker busy beside it or without one."""
    environ = {"PASSERELLE_DATA": str(config.data_dir), "PASSERELLE_DATABASE_URL": config.database_url}
    environ |= {"PASSERELLE_QUOTA_ENVELOPES": "1000000000", "PASSERELLE_QUOTA_ENVELOPE_BYTES": "10000000000000"}
    arguments = ["serve"] if has_worker else ["serve", "--no-worker"]
    with _processes.serving("server.cli", arguments, environ, path=messages.PATH_HELLO) as served:
        yield served


@dataclass(frozen=True)
class Driven:
    """What a load took: all of it in seconds, and each exchange in seconds."""

    seconds: float
    latencies: tuple[float, ...]

    def percentile_ms(self, percent: float) -> float:
        """Return how long the slowest but so many percent took, in milliseconds."""
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(len(self.latencies) * percent / 100))] * 1000


def drive(port: int, load: Sequence[Sealed]) -> Driven:
    """Send each device's exchanges over a connection of its own, all at once.

    Raises:
        RuntimeError: when an exchange was not acknowledged.
    """
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(load) + 1)
    ends = context.SimpleQueue()
    workers = [context.Process(target=_send, args=(port, share, barrier, ends)) for share in load]
    for worker in workers:
        worker.start()
    barrier.wait()
    start = time.monotonic()
    told = [ends.get() for _ in workers]
    for worker in workers:
        worker.join()
    failures = [end for end in told if isinstance(end, str)]
    if failures:
        raise RuntimeError(failures[0])
    ends_at, latencies = zip(*told, strict=True)
    return Driven(max(ends_at) - start, tuple(one for share in latencies for one in share))


def _send(port: int, share: Sealed, barrier: Any, ends: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    barrier.wait()
    latencies: list[float] = []
    cursor = share.cursor
    try:
        for counter, frames in enumerate(share.exchanges, start=2):
            body, headers = signed(share.device_id, share.signer, counter=counter, since=cursor, frames=frames)
            begun = time.monotonic()
            told = post(connection, body, headers)
            latencies.append(time.monotonic() - begun)
            answer = messages.decode_answer(told)
            if len(answer.receipts) != share.batch:
                raise RuntimeError("not acknowledged: a receipt is missing")
            cursor = answer.cursor
        ends.put((time.monotonic(), latencies))
    except (OSError, RuntimeError) as error:
        ends.put(str(error) or type(error).__name__)
