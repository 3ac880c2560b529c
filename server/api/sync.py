"""The native door, Passerelle Sync/1: hello, enrol, exchange, blobs.

The answer to a POST is signed after the commit.
"""

import logging
import time
from dataclasses import replace
from typing import Final

from flask import Blueprint, Response, request

from server.api import watching
from server.api.bodies import if_changed, read_body
from server.api.device_requests import answer_to, check_body, sign, verify_claim, verify_question
from server.clock import utc_now
from server.context import Context, current, own_auth, public
from server.db import cursor
from server.errors import Malformed, NotFound, RateLimited
from server.services import deliver_forms, enrol_device, limit_logins, news, receive_exchange, receive_medium
from server.services.news import Pulled
from server.services.receive_exchange import Received
from sync_protocol import messages
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
from sync_protocol.errors import LocalError
from sync_protocol.messages import (
    MEDIA_TYPE_EXCHANGE,
    MEDIA_TYPE_JSON,
    ExchangeAnswer,
    ExchangeRequest,
    MediumOffset,
    Receipt,
    ReceiptCode,
)
from sync_protocol.pull_items import KeyringPull, PullItem
from sync_protocol.signatures import request_digest

LOG: Final = logging.getLogger(__name__)
ENROL_BYTES: Final = 64 << 10
QUOTA_SECONDS: Final = 900
"""How long a device waits that has brought more in a day than its quota."""
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
blueprint.after_request(sign)


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
    """Let a device in by its single-use token, or again by the certificate that this office gave it."""
    context = current()
    body = read_body(at_most=ENROL_BYTES, media_type=MEDIA_TYPE_JSON)
    answer_to(request_digest(body))
    asked = messages.decode_enrol_request(body)
    verify_proof(asked, root_key=context.keystore.root_key)
    enrolled = _enrolled(context, asked)
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
    asked = _verified_request()
    _check_pace(context, asked)
    begun_at = time.monotonic()
    received = _store(context, asked)
    backoff = context.busy.backoff_seconds(time.monotonic() - begun_at)
    if any(receipt.code is ReceiptCode.QUOTA for receipt in received.receipts):
        backoff = max(backoff, QUOTA_SECONDS)
    answer = _answer(context, asked, received, backoff_seconds=backoff)
    return Response(_encoded(answer, since=asked.since), mimetype=MEDIA_TYPE_EXCHANGE)


@blueprint.get("/blobs/<digest>")
@own_auth
def blob(digest: str) -> Response:
    """Return the XForm, or the file of a form, with this SHA-256, whole or a range of it."""
    context = current()
    device_id = verify_question()
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


def _enrolled(context: Context, asked: messages.EnrolRequest) -> enrol_device.Enrolment:
    """Enrol a device; whoever tries many tokens is slowed down by the address.

    Raises:
        RateLimited, TokenInvalid: nobody was let in.
    """
    now, key = utc_now(), context.keystore.session_secret
    with context.database.transaction() as session:
        attempt = limit_logins.begin_enrolment(session, address=request.remote_addr or "", key=key, now=now)
    with context.database.transaction() as session:
        let_in = enrol_device.enrol if asked.certificate is None else enrol_device.admit_again
        enrolled = let_in(session, asked, issuer=context.keystore, now=now)
        limit_logins.succeed(session, attempt)
    return enrolled


def _verified_request() -> ExchangeRequest:
    signer, sha256 = verify_claim()
    body = read_body(at_most=EXCHANGE_BYTES, media_type=MEDIA_TYPE_EXCHANGE)
    check_body(body, sha256)
    asked = messages.decode_request(body)
    if asked.device_id != signer:
        raise Malformed("the control names another device than the signature")
    return asked


def _check_pace(context: Context, asked: ExchangeRequest) -> None:
    """Refuse a device that asks too often for nothing; one that brings something is never refused.

    Raises:
        RateLimited: with the time to wait.
    """
    if asked.envelopes or asked.have or asked.media:
        return
    wait = context.pace.wait_seconds(asked.device_id)
    if wait:
        raise RateLimited(
            f"the device asks too often while it has nothing to send: wait {wait} s", retry_after_seconds=wait
        )


def _store(context: Context, asked: ExchangeRequest) -> Received:
    """Store what came, in one transaction; what costs the processor is done before it."""
    arrived = receive_exchange.read(asked.envelopes)
    told = receive_exchange.told_by(asked, now=utc_now())
    return context.database.submit_bare(
        lambda connection: receive_exchange.receive(
            connection,
            device_id=asked.device_id,
            counter=asked.counter,
            since=asked.since,
            arrived=arrived,
            now=utc_now(),
            told=told,
            quota=context.config.quota,
        )
    )


def _answer(context: Context, asked: ExchangeRequest, received: Received, *, backoff_seconds: int) -> ExchangeAnswer:
    watching.stored(received.receipts)
    receipts, pulled, media = _read_back(context, asked, received)
    return ExchangeAnswer(
        server_time=utc_now(),
        receipts=received.receipts + receipts,
        cursor=pulled.cursor,
        pull=_keyring(context, asked) + pulled.items,
        more=pulled.more,
        backoff_seconds=backoff_seconds,
        media=media,
        backed_up_sequence=context.backed_up_sequence(received.head.epoch),
        deletes_without_backup=not context.config.backups,
    )


def _encoded(answer: ExchangeAnswer, *, since: str | None) -> bytes:
    """Encode an answer; news that fit in no longer beside very many receipts come with the next one."""
    try:
        return messages.encode_answer(answer)
    except LocalError as error:
        LOG.warning("an answer without its news: %s", error)
        return messages.encode_answer(replace(answer, pull=(), cursor=since, more=True))


def _read_back(
    context: Context, asked: ExchangeRequest, received: Received
) -> tuple[tuple[Receipt, ...], Pulled, tuple[MediumOffset, ...]]:
    """Look up what the device asks about and what is new; nothing of either in most exchanges."""
    asks = asked.have or asked.media
    if asked.since is not None and not asks and cursor.is_at_end(asked.since, received.head):
        return (), Pulled((), asked.since, more=False), ()
    with context.database.read() as session:
        receipts = receive_exchange.recall(session, asked.have, first_index=len(asked.envelopes))
        media = receive_medium.offsets(session, asked.media, context.media, carrier=asked.device_id)
        pulled = news.pull_news(
            session,
            carrier=received.carrier,
            since=asked.since,
            keystore=context.keystore,
            blobs=context.blobs,
        )
    return receipts, pulled, media


def _keyring(context: Context, asked: ExchangeRequest) -> tuple[PullItem, ...]:
    if asked.keyring_serial >= context.keystore.keyring.serial:
        return ()
    return (KeyringPull(document=context.keystore.keyring_document),)
