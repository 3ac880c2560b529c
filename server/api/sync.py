"""The native door, Passerelle Sync/1: hello, enrol, exchange, blobs.

Every answer to a POST is signed after the commit, refusals too: a device believes no other.
"""

import base64
import hashlib
from typing import Final

from flask import Blueprint, Response, g, request

from server.api import watching
from server.api.bodies import if_changed, read_body
from server.clock import utc_now
from server.context import Context, current, own_auth, public
from server.db import cursor
from server.errors import DeviceUnknown, Malformed, NotFound
from server.services import deliver_forms, enrol_device, news, receive_exchange
from server.services.news import Pulled
from server.services.receive_exchange import Received
from sync_protocol import messages, signatures
from sync_protocol.constants import (
    CONTROL_BYTES,
    ENVELOPE_BYTES,
    EXCHANGE_BYTES,
    EXCHANGE_ENVELOPES,
    INFLATE_RATIO,
    MEDIUM_BYTES,
    PART_BYTES,
    SUITE_X25519,
    SUITE_X_WING,
    VERSION,
)
from sync_protocol.enrolment import verify_proof
from sync_protocol.messages import (
    MEDIA_TYPE_EXCHANGE,
    MEDIA_TYPE_JSON,
    ExchangeAnswer,
    ExchangeRequest,
    KeyringPull,
    PullItem,
    Receipt,
)

ENROL_BYTES: Final = 64 << 10
LIMITS: Final = messages.Limits(
    envelope_bytes=ENVELOPE_BYTES,
    exchange_bytes=EXCHANGE_BYTES,
    exchange_envelopes=EXCHANGE_ENVELOPES,
    control_bytes=CONTROL_BYTES,
    inflate_ratio=INFLATE_RATIO,
    media_bytes=MEDIUM_BYTES,
    part_bytes=PART_BYTES,
)

blueprint = Blueprint("sync", __name__, url_prefix="/sync/v1")


@blueprint.get("/hello")
@public
def hello() -> Response:
    """Say who answers here, and within which limits."""
    keystore = current().keystore
    answer = messages.Hello(
        server_id=keystore.server_id,
        versions=(VERSION,),
        suites=(SUITE_X_WING, SUITE_X25519),
        limits=LIMITS,
        keyring_serial=keystore.keyring.serial,
        root_key=keystore.root_key,
        server_time=utc_now(),
    )
    return Response(messages.encode_hello(answer), mimetype=MEDIA_TYPE_JSON)


@blueprint.post("/enrol")
@own_auth
def enrol() -> Response:
    """Let a device in by its single-use token."""
    context = current()
    asked = messages.decode_enrol_request(read_body(at_most=ENROL_BYTES, media_type=MEDIA_TYPE_JSON))
    verify_proof(asked, root_key=context.keystore.root_key)
    with context.database.transaction() as session:
        enrolled = enrol_device.enrol(session, asked, issuer=context.keystore, now=utc_now())
    answer = messages.EnrolAnswer(
        device_id=enrolled.device_id,
        server_id=context.keystore.server_id,
        certificate=enrolled.certificate,
        keyring=context.keystore.keyring_document,
    )
    return Response(messages.encode_enrol_answer(answer), 201, mimetype=MEDIA_TYPE_JSON)


@blueprint.post("/exchange")
@own_auth
def exchange() -> Response:
    """Store what a device brings, and tell it what is new: one round trip."""
    context = current()
    asked = _verified_request(context)
    arrived = receive_exchange.read(asked.envelopes)
    received = context.database.submit(
        lambda session: receive_exchange.receive(
            session,
            device_id=asked.device_id,
            counter=asked.counter,
            since=asked.since,
            arrived=arrived,
            now=utc_now(),
        )
    )
    body = messages.encode_answer(_answer(context, asked, received))
    return Response(body, mimetype=MEDIA_TYPE_EXCHANGE)


@blueprint.get("/blobs/<digest>")
@own_auth
def blob(digest: str) -> Response:
    """Return the XForm, or the file of a form, with this SHA-256, whole or a range of it."""
    context = current()
    device_id = _verify_signature(context, b"")
    try:
        name = bytes.fromhex(digest)
    except ValueError:
        raise NotFound("a blob is named by the 64 hexadecimal digits of its SHA-256") from None
    with context.database.read() as session:
        found = deliver_forms.read_blob_for(session, name, device_id=device_id)
    response = Response(found.content, mimetype=found.media_type)
    response.set_etag(digest)
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return if_changed(response)


@blueprint.after_request
def sign(response: Response) -> Response:
    """Sign the answer to a POST."""
    if request.method == "POST":
        digest = _request_digest()
        if digest is not None:
            body = response.get_data()
            response.headers.update(
                current().keystore.sign_answer(
                    response.status_code, body, method="POST", path=request.path, request_digest=digest
                )
            )
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _verified_request(context: Context) -> ExchangeRequest:
    body = read_body(at_most=EXCHANGE_BYTES, media_type=MEDIA_TYPE_EXCHANGE)
    signer = _verify_signature(context, body)
    asked = messages.decode_request(body)
    if asked.device_id != signer:
        raise Malformed("the control names another device than the signature")
    return asked


def _verify_signature(context: Context, body: bytes) -> str:
    """Check a request's signature and return who signed it."""
    headers = dict(request.headers)
    device_id = signatures.request_key_id(headers)
    public_key = context.signing_key(device_id)
    if public_key is None:
        raise DeviceUnknown(f"no device {device_id} is enrolled here")
    signatures.verify_request(request.method, request.path, body, headers=headers, public_key=public_key)
    return device_id


def _answer(context: Context, asked: ExchangeRequest, received: Received) -> ExchangeAnswer:
    watching.stored(received.receipts)
    receipts, pulled = _read_back(context, asked, received)
    return ExchangeAnswer(
        server_time=utc_now(),
        receipts=received.receipts + receipts,
        cursor=pulled.cursor,
        pull=_keyring(context, asked) + pulled.items,
        more=pulled.more,
        backed_up_sequence=context.backed_up_sequence(received.head.epoch),
        deletes_without_backup=not context.config.backups,
    )


def _read_back(context: Context, asked: ExchangeRequest, received: Received) -> tuple[tuple[Receipt, ...], Pulled]:
    """Look up what the device asks about and what is new; nothing of either in most exchanges."""
    if asked.since is not None and not asked.have and cursor.is_at_end(asked.since, received.head):
        return (), Pulled((), asked.since, more=False)
    with context.database.read() as session:
        receipts = receive_exchange.recall(session, asked.have, first_index=len(asked.envelopes))
        pulled = news.pull_news(session, carrier=received.carrier, since=asked.since, keystore=context.keystore)
    return receipts, pulled


def _keyring(context: Context, asked: ExchangeRequest) -> tuple[PullItem, ...]:
    if asked.keyring_serial >= context.keystore.keyring.serial:
        return ()
    return (KeyringPull(document=context.keystore.keyring_document),)


def _request_digest() -> bytes | None:
    """Return the SHA-256 that the request says its body has: the device knows the answer to what it sent by it.

    What is stored has been checked against it. A refusal may be about a body that was cut, altered or too long to read.
    """
    found = signatures.DIGEST.fullmatch(request.headers.get("Content-Digest", ""))
    if found is not None:
        return base64.b64decode(found.group(1))
    return hashlib.sha256(g.body).digest() if "body" in g else None
