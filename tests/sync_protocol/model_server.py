"""An in-memory office that speaks Sync/1 through bytes: the other side of the tests of the device.

It keeps the promises of the specification and no more: envelopes by id, one counter a device, a feed with a cursor that
names its epoch, media by hash and offset, files by hash, answers signed by a receipt key of a keyring under a root.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_protocol import enrolment, hpke, messages, signatures
from sync_protocol.constants import SUITE_X25519
from sync_protocol.documents import DeviceCertificate, key_id
from sync_protocol.errors import ProtocolError, RemoteError
from sync_protocol.keyring import Keyring, SurveyKey
from sync_protocol.messages import (
    PATH_MEDIA,
    EnrolAnswer,
    ExchangeAnswer,
    ExchangeRequest,
    MediumOffset,
    Problem,
    Receipt,
    ReceiptCode,
)
from sync_protocol.orders import ErasureOrder
from sync_protocol.pull_items import ErasurePull, KeyringPull, PullItem

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
Response = tuple[int, dict[str, str], bytes]


def private_key(name: str) -> Ed25519PrivateKey:
    """A key that is the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def raw_public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


@dataclass
class ModelServer:
    """An office with its keys, its envelopes and its feed."""

    page: int = 3
    envelopes: dict[bytes, int] = field(default_factory=dict)
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    devices: dict[str, bytes] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, tuple[bytes, EnrolAnswer] | None] = field(default_factory=dict)
    feed: list[PullItem | Callable[[str], PullItem]] = field(default_factory=list)
    feed_epoch: int = 1
    next_sequence: int = 1
    serial: int = 1
    requests: int = 0
    refuse_with: Problem | None = None
    storage_code: ReceiptCode | None = None
    backed_up_sequence: int | None = None
    largest_batch: int = 500
    largest_envelope: int = 2**20
    largest_part: int = 4 << 20
    deletes_without_backup: bool = False
    parts: dict[bytes, bytes] = field(default_factory=dict)
    media: dict[bytes, bytes] = field(default_factory=dict)
    media_refusal: Problem | None = None
    files: dict[bytes, bytes] = field(default_factory=dict)
    erased: set[bytes] = field(default_factory=set)
    named_keys: dict[str, list[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = private_key("root")
        self.issuer = private_key("issuer")
        self.receipt = private_key("receipt 1")
        self.decision = private_key("decision")
        self.survey_seed = bytes(range(32))
        self.receiving_keys: dict[str, bytes] = {}

    @property
    def root_key(self) -> bytes:
        return raw_public(self.root)

    def keyring(self) -> bytes:
        survey_keys = tuple(
            SurveyKey(suite=SUITE_X25519, public_key=hpke.public_key(SUITE_X25519, self.survey_seed), mode=mode)
            for mode in ("survey", "training", "pilot")
        )
        return Keyring(
            serial=self.serial,
            root_key=self.root_key,
            issuer_keys=(raw_public(self.issuer),),
            survey_keys=survey_keys,
            receipt_keys=(raw_public(self.receipt),),
            decision_keys=(raw_public(self.decision),),
            revocations=(),
        ).sign(self.root)

    def erasure(self, *instance_ids: bytes, signer: str = "decision") -> ErasurePull:
        """An order to erase these instances."""
        order = ErasureOrder(instance_ids=instance_ids, ordered_at="2026-03-01T08:30:00Z")
        return ErasurePull(document=order.sign(private_key(signer)))

    def rotate_receipt_key(self) -> None:
        self.serial += 1
        self.receipt = private_key(f"receipt {self.serial}")

    def restore(self, kept: int) -> None:
        """Come back from a backup that holds the first `kept` envelopes."""
        lost = list(self.envelopes)[kept:]
        for envelope_id in lost:
            del self.envelopes[envelope_id], self.bodies[envelope_id]
        self.feed_epoch += 1

    def lose_media(self) -> None:
        """Come back from a backup without media."""
        self.media.clear()
        self.parts.clear()

    def link(self, token: str = "token") -> enrolment.EnrolmentLink:
        self.tokens.setdefault(token, None)
        return enrolment.EnrolmentLink("http://127.0.0.1:1", token, self.root_key)

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Answer one request."""
        self.requests += 1
        if method in ("HEAD", "GET"):
            return self._tell(path, headers) if method == "HEAD" else self._give(path, headers)
        try:
            status, answer = 200, self._answer(method, path, headers, body)
        except _Refused as refused:
            status, answer = self._refusal(refused.problem)
        except ProtocolError as error:
            status, retry = messages.PROBLEMS[error.code]
            status, answer = self._refusal(Problem(slug=error.code, status=status, retry=retry, detail=str(error)))
        signed = signatures.sign_answer(
            status,
            answer,
            method=method,
            path=path,
            request_digest=signatures.request_digest(body),
            key=self.receipt,
            key_id=key_id(raw_public(self.receipt)),
        )
        return status, signed, answer

    def _refusal(self, problem: Problem) -> tuple[int, bytes]:
        return problem.status, messages.encode_problem(replace(problem, keyring=self.keyring()), title="No")

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        if self.refuse_with is not None:
            raise _Refused(self.refuse_with)
        if path == messages.PATH_ENROL:
            return messages.encode_enrol_answer(self._enrol(messages.decode_enrol_request(body)))
        device_id = signatures.request_key_id(headers, is_part=path.startswith(PATH_MEDIA))
        if device_id not in self.devices:
            raise RemoteError("device-unknown", "never seen")
        if path.startswith(PATH_MEDIA):
            place = signatures.verify_request(
                method, path, body, headers=headers, public_key=self.devices[device_id], is_part=True
            )
            assert place is not None
            return messages.encode_part_answer(self._take_part(bytes.fromhex(path[len(PATH_MEDIA) :]), place, body))
        signatures.verify_request(method, path, body, headers=headers, public_key=self.devices[device_id])
        request = messages.decode_request(body)
        return messages.encode_answer(self._exchange(request))

    def offset(self, sha256: bytes) -> int:
        """How much of a medium is here."""
        return len(self.media.get(sha256, self.parts.get(sha256, b"")))

    def tear(self, path: str, headers: Mapping[str, str], prefix: bytes) -> None:
        """Keep what arrived of a part that was cut, as a server without a buffering proxy does."""
        sha256 = bytes.fromhex(path[len(PATH_MEDIA) :])
        if int(headers["Upload-Offset"]) == self.offset(sha256) and sha256 not in self.media:
            length = int(headers["Upload-Length"])
            self._keep_part(sha256, self.parts.get(sha256, b"") + prefix, length)

    def _take_part(self, sha256: bytes, place: signatures.Place, body: bytes) -> messages.PartAnswer:
        if self.media_refusal is not None:
            raise _Refused(self.media_refusal)
        if len(body) > self.largest_part:
            raise RemoteError("too-large", "less at once")
        offset = self.offset(sha256)
        if place.offset != offset:
            status, retry = messages.PROBLEMS["offset-mismatch"]
            raise _Refused(Problem(slug="offset-mismatch", status=status, retry=retry, next_offset=offset))
        self._keep_part(sha256, self.parts.get(sha256, b"") + body, place.length_bytes)
        return messages.PartAnswer(offset=self.offset(sha256), complete=sha256 in self.media)

    def _keep_part(self, sha256: bytes, content: bytes, length_bytes: int) -> None:
        self.parts[sha256] = content
        if len(content) == length_bytes:
            del self.parts[sha256]
            if hashlib.sha256(content).digest() == sha256:
                self.media[sha256] = content

    def _tell(self, path: str, headers: Mapping[str, str]) -> Response:
        signatures.verify_request(
            "HEAD", path, b"", headers=headers, public_key=self.devices[signatures.request_key_id(headers)]
        )
        sha256 = bytes.fromhex(path[len(PATH_MEDIA) :])
        if sha256 not in self.media and sha256 not in self.parts:
            return 404, {}, b""
        told = {"Upload-Offset": str(self.offset(sha256)), "Upload-Limit": f"max-append-size={self.largest_part}"}
        return 200, told, b""

    def _give(self, path: str, headers: Mapping[str, str]) -> Response:
        content = self.files.get(bytes.fromhex(path[len(messages.PATH_BLOBS) :]))
        if content is None:
            return 404, {}, b""
        first, _, last = headers["Range"].removeprefix("bytes=").partition("-")
        piece = content[int(first) : int(last) + 1]
        return 206, {"Content-Range": f"bytes {first}-{int(first) + len(piece) - 1}/{len(content)}"}, piece

    def _enrol(self, request: messages.EnrolRequest) -> EnrolAnswer:
        enrolment.verify_proof(request, root_key=self.root_key)
        if request.certificate is not None:
            raise RemoteError("token-invalid", "this office remembers whom it has enrolled")
        if request.token not in self.tokens:
            raise RemoteError("token-invalid", "unknown token")
        used = self.tokens[request.token]
        if used is not None:
            if used[0] != request.signing_key:
                raise RemoteError("token-invalid", "used token")
            return used[1]
        device_id = f"device-{len(self.devices) + 1}"
        certificate = DeviceCertificate(
            device_id=device_id,
            signing_key=request.signing_key,
            receiving_key=request.receiving_key,
            role="enumerator",
            enumerator="E01",
            team="T1",
            issued_at="2026-03-01T08:30:00Z",
        )
        answer = EnrolAnswer(
            device_id=device_id,
            server_id=enrolment.server_id(self.root_key),
            certificate=certificate.issue(self.issuer),
            keyring=self.keyring(),
        )
        self.devices[device_id] = request.signing_key
        self.receiving_keys[device_id] = request.receiving_key
        self.tokens[request.token] = (request.signing_key, answer)
        return answer

    def _exchange(self, request: ExchangeRequest) -> ExchangeAnswer:
        self._check_counter(request)
        start = self._feed_start(request.since)
        if len(request.envelopes) > self.largest_batch:
            raise RemoteError("too-large", "less at once")
        self.counters[request.device_id] = request.counter
        if request.receiving_key is not None:
            self.receiving_keys[request.device_id] = request.receiving_key
            self.named_keys.setdefault(request.device_id, []).append(request.receiving_key)
        receipts = [self._receive(index, body) for index, body in enumerate(request.envelopes)]
        for offset, have in enumerate(request.have):
            found = [sequence for envelope_id, sequence in self.envelopes.items() if envelope_id[:16] == have]
            if found:
                receipts.append(Receipt(len(request.envelopes) + offset, ReceiptCode.DUPLICATE, found[0]))
        end = min(len(self.feed), start + self.page)
        pull = tuple(item(request.device_id) if callable(item) else item for item in self.feed[start:end])
        if request.keyring_serial < self.serial:
            pull = (KeyringPull(document=self.keyring()), *pull)
        return ExchangeAnswer(
            server_time=NOW,
            receipts=tuple(receipts),
            cursor=f"{self.feed_epoch}.{end}",
            pull=pull,
            more=end < len(self.feed),
            backed_up_sequence=self.backed_up_sequence,
            deletes_without_backup=self.deletes_without_backup,
            media=tuple(MediumOffset(index, self.offset(one.sha256)) for index, one in enumerate(request.media)),
        )

    def _check_counter(self, request: ExchangeRequest) -> None:
        last = self.counters.get(request.device_id, 0)
        if request.counter <= last:
            slug = "counter-replayed" if request.counter == last else "counter-behind"
            status, retry = messages.PROBLEMS[slug]
            raise _Refused(Problem(slug=slug, status=status, retry=retry, next_counter=last + 1))

    def _feed_start(self, since: str | None) -> int:
        if since is None:
            return 0
        epoch, _, position = since.partition(".")
        if int(epoch) != self.feed_epoch:
            raise RemoteError("cursor-expired", "the server was restored")
        return int(position)

    def _receive(self, index: int, body: bytes) -> Receipt:
        envelope_id = hashlib.sha256(body).digest()
        if envelope_id in self.erased:
            return Receipt(index, ReceiptCode.ERASED, self.envelopes.get(envelope_id))
        if envelope_id in self.envelopes:
            return Receipt(index, ReceiptCode.DUPLICATE, self.envelopes[envelope_id])
        if len(body) > self.largest_envelope:
            return Receipt(index, ReceiptCode.TOO_LARGE, None)
        if self.storage_code is not None:
            return Receipt(index, self.storage_code, None)
        self.envelopes[envelope_id] = self.next_sequence
        self.bodies[envelope_id] = body
        self.next_sequence += 1
        return Receipt(index, ReceiptCode.STORED, self.envelopes[envelope_id])


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.slug)
        self.problem = problem
