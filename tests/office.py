"""An office for tests: links, accounts, and what carries a device's requests to an app in this process."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flask.testing import FlaskClient
from sqlalchemy import Connection, select

from server.context import Context
from server.context.login import session_proof
from server.db.engine import Database
from server.db.queries import accounts, devices
from server.db.tables import Envelope
from server.services import enrol_device, publish_form
from sync_protocol import messages, signatures
from sync_protocol.client.transport import Answer
from sync_protocol.constants import Kind
from sync_protocol.enrolment import EnrolmentLink, make_request, token_hash
from sync_protocol.envelope import Header
from sync_protocol.messages import (
    ExchangeAnswer,
    ExchangeRequest,
    PartAnswer,
    Problem,
    ReceiptCode,
)
from sync_protocol.signatures import Place

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
BASE_URL = "http://localhost"
BOUNDARY = "a-boundary-that-no-content-has"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def multipart(parts: Sequence[tuple[str, bytes]]) -> bytes:
    """Write a multipart body in memory; each part is the rest of its Content-Disposition, and its content."""
    written = [
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {rest}\r\n\r\n".encode() + content + b"\r\n"
        for rest, content in parts
    ]
    return b"".join(written) + f"--{BOUNDARY}--\r\n".encode()


@dataclass
class ClientTransport:
    """Carries a device's requests to an app in this process."""

    client: FlaskClient
    answers: list[Answer] = field(default_factory=list)

    def send(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        response = self.client.open(path, method=method, headers=dict(headers), data=body)
        self.answers.append(Answer(response.status_code, dict(response.headers), response.get_data()))
        return self.answers[-1]

    def close(self) -> None:
        return None


def enrolment_link(
    context: Context, enumerator: str = "0001", *, role: str = "enumerator", project_id: int = 1
) -> EnrolmentLink:
    """Return a fresh link of this office."""
    with context.database.transaction() as session:
        token = enrol_device.issue_token(
            session, enumerator=enumerator, role=role, project_id=project_id, user="manager", now=datetime.now(UTC)
        )
    return EnrolmentLink(base_url=BASE_URL, token=token, root_key=context.keystore.root_key)


def bearer(context: Context, role: str) -> dict[str, str]:
    """Make a user of a role and return the header that lets it in."""
    token = f"token-of-{role}"
    with context.database.transaction() as session:
        user_id = accounts.add_user(session, name=role, role=role, password_hash=None, now=NOW)
        accounts.add_token(session, user_id=user_id, token_hash=token_hash(token), now=NOW)
    return {"Authorization": f"Bearer {token}"}


def begin_session(client: FlaskClient, context: Context, name: str) -> None:
    """Let a client in as the console's login does, without its password."""
    with context.database.read() as database_session:
        user = accounts.user_by_name(database_session, name)
    assert user is not None
    begun_at = int(datetime.now(UTC).timestamp())
    with client.session_transaction() as session:
        session["user_id"], session["begun_at"] = user.user_id, begun_at
        session["proof"] = session_proof(context, user, begun_at=begun_at)


def revoke(context: Context, device_id: str, *, at: datetime = NOW + timedelta(hours=1)) -> None:
    """Revoke a device."""
    with context.database.transaction() as session:
        assert devices.revoke_device(session, device_id=device_id, now=at)


UNSIGNED = (400, 401, 413, 415)


@dataclass(frozen=True)
class Reply:
    """A verified answer to an exchange: its receipts by index, or its problem."""

    status: int
    answer: ExchangeAnswer | None
    problem: Problem | None
    is_signed: bool = True

    @property
    def codes(self) -> list[ReceiptCode]:
        assert self.answer is not None, self.problem
        return [receipt.code for receipt in self.answer.receipts]

    @property
    def sequences(self) -> list[int | None]:
        assert self.answer is not None, self.problem
        return [receipt.sequence for receipt in self.answer.receipts]


@dataclass(frozen=True)
class PartReply:
    """A verified answer to a part of a medium, or its problem."""

    status: int
    answer: PartAnswer | None
    problem: Problem | None
    headers: dict[str, str]
    is_signed: bool = True

    @property
    def offset(self) -> int:
        assert self.answer is not None, self.problem
        return self.answer.offset


class Tablet:
    """A device that sends what a test wants, byte for byte, and believes only signed answers."""

    def __init__(self, context: Context, client: FlaskClient, enumerator: str = "0001", *, project_id: int = 1) -> None:
        self.context, self.client = context, client
        self.key = Ed25519PrivateKey.generate()
        self.receiving = X25519PrivateKey.generate()
        self.counter = 0
        self.cursor: str | None = None
        self.link = enrolment_link(context, enumerator, project_id=project_id)
        self.device_id = ""

    def enrol_request(self, **changes: Any) -> bytes:
        asked = make_request(
            token=self.link.token,
            root_key=self.link.root_key,
            signer=self.key,
            signing_key=self.key.public_key().public_bytes_raw(),
            receiving_key=self.receiving.public_key().public_bytes_raw(),
        )
        return messages.encode_enrol_request(replace(asked, **changes))

    def enrol(self) -> "Tablet":
        response = self.client.post("/sync/v1/enrol", data=self.enrol_request(), content_type="application/json")
        assert response.status_code == 201, response.get_data()
        self.device_id = messages.decode_enrol_answer(response.get_data()).device_id
        return self

    def body(self, *envelopes: bytes, **members: Any) -> bytes:
        self.counter += 1
        asked = ExchangeRequest(
            device_id=self.device_id,
            counter=self.counter,
            since=self.cursor,
            have=(),
            envelopes=envelopes,
            device_time=NOW,
            keyring_serial=1,
        )
        return messages.encode_request(replace(asked, **members))

    def send(
        self,
        body: bytes,
        *,
        signed: bytes | None = None,
        key: Ed25519PrivateKey | None = None,
        media_type: str = messages.MEDIA_TYPE_EXCHANGE,
    ) -> Reply:
        """Send a body, signed as itself unless a test says otherwise."""
        path = messages.PATH_EXCHANGE
        over = body if signed is None else signed
        headers = signatures.sign_request("POST", path, over, device_id=self.device_id, key=key or self.key)
        response = self.client.post(path, data=body, headers={"Content-Type": media_type, **headers})
        content, given = response.get_data(), dict(response.headers)
        is_signed = self._verify(response.status_code, content, given, path=path, sent=over)
        if response.status_code != 200:
            problem = messages.decode_problem(response.status_code, content)
            return Reply(response.status_code, None, problem, is_signed=is_signed)
        return Reply(200, messages.decode_answer(content), None)

    def part(
        self,
        sha256: bytes,
        content: bytes,
        place: Place,
        *,
        headers: dict[str, str] | None = None,
        cut: int | None = None,
    ) -> PartReply:
        """Send a part of a medium, or only its first `cut` bytes before the line ends."""
        path = messages.PATH_MEDIA + sha256.hex()
        signed = signatures.sign_request("POST", path, content, device_id=self.device_id, key=self.key, place=place)
        response = self.client.post(
            path,
            input_stream=io.BytesIO(content if cut is None else content[:cut]),
            environ_overrides={"CONTENT_LENGTH": str(len(content))},
            headers={**signed, **(headers or {})},
        )
        told, given = response.get_data(), dict(response.headers)
        is_signed = self._verify(response.status_code, told, given, path=path, sent=content)
        if response.status_code >= 400:
            problem = messages.decode_problem(response.status_code, told)
            return PartReply(response.status_code, None, problem, given, is_signed=is_signed)
        return PartReply(response.status_code, messages.decode_part_answer(told), None, given)

    def _verify(self, status: int, content: bytes, given: dict[str, str], *, path: str, sent: bytes) -> bool:
        """Check an answer; only a refusal that anybody could have brought about may come without a signature."""
        if "Signature" not in given and status in UNSIGNED:
            return False
        public_key = self.context.keystore.keyring.receipt_key(signatures.answer_key_id(given))
        assert public_key is not None
        signatures.verify_answer(
            status,
            content,
            headers=given,
            method="POST",
            path=path,
            request_digest=signatures.request_digest(sent),
            public_key=public_key,
        )
        return True

    def upload(self, medium: bytes, *, part_bytes: int = 1 << 16) -> PartReply:
        """Send a whole medium, part by part."""
        sha256, reply = hashlib.sha256(medium).digest(), None
        for offset in range(0, len(medium), part_bytes):
            reply = self.part(sha256, medium[offset : offset + part_bytes], Place(offset, len(medium)))
        assert reply is not None
        return reply

    def head(self, sha256: bytes) -> dict[str, str]:
        """Ask how much of a medium is here; return the headers."""
        path = messages.PATH_MEDIA + sha256.hex()
        headers = signatures.sign_request("HEAD", path, b"", device_id=self.device_id, key=self.key)
        response = self.client.head(path, headers=headers)
        assert response.status_code == 200
        return dict(response.headers)

    def exchange(self, *envelopes: bytes, **members: Any) -> Reply:
        """Send envelopes and follow the cursor."""
        reply = self.send(self.body(*envelopes, **members))
        if reply.answer is not None:
            self.cursor = reply.answer.cursor
        return reply


def envelope(number: int = 0, *, kind: Kind = Kind.INTERVIEW, content: bytes = b"sealed") -> bytes:
    """Return what looks like an envelope from outside: a receiving door looks no further."""
    header = Header(
        kind=kind,
        suite=1,
        epoch_hash=b"e" * 32,
        index=number % 4096,
        sequence=number,
        previous=bytes(32),
        instance_id=number.to_bytes(16, "big"),
        parents=(),
        form_version_hash=b"f" * 32,
        dictionary_hash=bytes(32),
        certificate_hash=b"c" * 32,
    )
    return header.encode() + content + bytes(64)


def stored(context: Context) -> list[tuple[int, str, str | None, bytes]]:
    """Return kind, state, reason and bytes of every stored envelope."""
    with context.database.read() as session:
        rows = session.execute(
            select(Envelope.kind, Envelope.state, Envelope.reason, Envelope.body).order_by(Envelope.sequence)
        )
        return [tuple(row) for row in rows]  # type: ignore[misc]


def leave_pages(database: Database, pages: int) -> None:
    """Let an SQLite database grow by so many pages more: on the connection that writes for the doors."""

    def work(connection: Connection) -> None:
        used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={used + pages}")

    database.submit_bare(work)


XFORM = """<h:html xmlns="http://www.w3.org/2002/xforms" xmlns:h="http://www.w3.org/1999/xhtml">
<h:head><h:title>{title}</h:title><model><instance><data id="{form_id}" version="{version}"><name/>
<meta><instanceID/></meta></data></instance><bind nodeset="/data/name" type="string"/>
<bind nodeset="/data/meta/instanceID" type="string" readonly="true()"/></model></h:head>
<h:body><input ref="/data/name"><label>Name</label></input></h:body></h:html>"""


def publish(
    context: Context, form_id: str = "visit", version: str = "1", title: str = "Visit & return", *, project_id: int = 1
) -> bytes:
    """Publish a small form and return the bytes of its XForm."""
    xform = XFORM.format(form_id=form_id, version=version, title=escape(title)).encode()
    with context.database.transaction() as session:
        publish_form.publish_form(
            session, workbook=xform, filename="f.xml", note="", user="manager", now=NOW, project_id=project_id
        )
    return xform
