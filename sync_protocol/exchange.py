"""The device's side of an exchange, without IO: what to send next, and what an answer means.

The rule of the house: **an envelope leaves the state `sent` only by a word of the server that verifies.** A lost
answer, a cut line, a proxy's error page and a restart all leave it `sent`, its fate unknown; the next request asks for
it by hash before its bytes go again. Nothing is ever deleted here, and no envelope is ever made twice.

The two tables of `transitions` are the whole of the behaviour. Clock, randomness, keys and storage are arguments.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sync_protocol import messages, signatures
from sync_protocol.constants import CONTROL_BYTES, EXCHANGE_BYTES, EXCHANGE_ENVELOPES
from sync_protocol.errors import LocalError, ProtocolError, RemoteError
from sync_protocol.keyring import Keyring
from sync_protocol.messages import (
    PATH_EXCHANGE,
    ExchangeAnswer,
    ExchangeRequest,
    FormVersionPull,
    KeyringPull,
    Problem,
    PullItem,
    Receipt,
    ReceiptCode,
    Retry,
)
from sync_protocol.storage import ExchangeStore, Identity, Settlement
from sync_protocol.transitions import TRANSITIONS, Event, FateEvent, State

OK: Final = 200
HAVE_LIMIT: Final = 2_000  # 60 kB of control; a device's whole round fits in two or three
CORRECTIONS_LIMIT: Final = 3  # in a row; a server that corrects without end is one that does not answer
BODY_BUDGET: Final = EXCHANGE_BYTES - CONTROL_BYTES
BASE_SECONDS: Final = 2.0
CAP_SECONDS: Final = 900.0  # a quarter of an hour: a tablet in a pocket must still use a short window of coverage


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a transport to send as it is."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Offer:
    """What the request under way carries, in the order of its receipts."""

    digest: bytes
    envelopes: tuple[bytes, ...]
    have: tuple[bytes, ...]

    @property
    def entries(self) -> tuple[bytes, ...]:
        return self.envelopes + self.have


@dataclass(slots=True)
class Tally:
    """What an exchange has done so far."""

    exchanges: int = 0
    sent: int = 0
    codes: dict[ReceiptCode, int] = field(default_factory=dict)
    pulled: list[PullItem] = field(default_factory=list)


class ExchangeClient:
    """One synchronisation of one device: `next_request`, then `on_response` or `on_disconnect`, until it is done.

    Attributes:
        state: where it stands; `synced` and `stopped` are final.
        retry_at: the end of the pause while `paused`.
        reason: the slug of what interrupted it last, or None.
        tally: what it has done.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        store: ExchangeStore,
        jitter: Callable[[], float],
        capabilities: tuple[str, ...] = (),
    ) -> None:
        """Start ready.

        Args:
            identity: of the device.
            store: where it keeps its envelopes.
            jitter: uniform in [0, 1): spreads the returns of devices that one outage cut off together.
            capabilities: optional features that the device offers to the server.
        """
        self.state = State.READY
        self.retry_at: datetime | None = None
        self.reason: str | None = None
        self.tally = Tally()
        self._identity = identity
        self._store = store
        self._jitter = jitter
        self._capabilities = capabilities
        self._offer: _Offer | None = None
        self._failures = 0
        self._corrections = 0
        self._batch = EXCHANGE_ENVELOPES

    def next_request(self, now: datetime) -> Request | None:
        """Return what to send now, None when there is nothing to send (yet): see `state` and `retry_at`."""
        if self.state is State.PAUSED and self.retry_at is not None and now >= self.retry_at:
            self.retry_at = None
            self._fire(Event.WOKEN)
        if self.state is not State.READY:
            return None
        return self._compose(now)

    def on_response(self, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        """Take the answer to the request under way. What does not verify is no answer."""
        offer = self._under_way()
        try:
            self._verify(status, headers, body, offer.digest)
            if status == OK:
                self._settle(messages.decode_answer(body), offer, now)
            else:
                self._refused(messages.decode_problem(status, body), offer, now)
        except ProtocolError as error:
            self._pause(Event.UNANSWERED, error.code, now)

    def on_disconnect(self, *, was_sent: bool, now: datetime) -> None:
        """Take the loss of the request under way.

        Args:
            was_sent: False only when surely not one byte has left, e.g. the connection was refused.
            now: UTC.
        """
        offer = self._under_way()
        if not was_sent:
            self._store.withdraw(offer.envelopes)
        self._pause(Event.UNANSWERED, "disconnected", now)

    def _compose(self, now: datetime) -> Request:
        have = self._store.unsettled(HAVE_LIMIT)
        sealed = self._store.waiting(envelopes=self._batch, body_bytes=BODY_BUDGET)
        backlog = self._store.backlog()
        envelope_ids = tuple(envelope.envelope_id for envelope in sealed)
        request = ExchangeRequest(
            device_id=self._identity.device_id,
            counter=self._store.begin(envelope_ids),
            since=self._store.cursor(),
            have=tuple(envelope_id[: messages.HAVE_BYTES] for envelope_id in have),
            envelopes=tuple(envelope.body for envelope in sealed),
            device_time=now,
            capabilities=self._capabilities,
            backlog=backlog,
            keyring_serial=self._store.keyring().serial,
        )
        body = messages.encode_request(request)
        headers = signatures.sign_request(
            "POST", PATH_EXCHANGE, body, device_id=self._identity.device_id, key=self._identity.signer
        )
        self._offer = _Offer(digest=signatures.request_digest(body), envelopes=envelope_ids, have=have)
        self._fire(Event.REQUESTED)
        self.tally.exchanges += 1
        self.tally.sent += len(envelope_ids)
        return Request("POST", PATH_EXCHANGE, {"Content-Type": messages.MEDIA_TYPE_EXCHANGE, **headers}, body)

    def _verify(self, status: int, headers: Mapping[str, str], body: bytes, digest: bytes) -> None:
        """Check that an answer is signed by a receipt key of the keyring.

        A key that this device does not know yet may come in the same answer: the root vouches for it.
        """
        key_id = signatures.answer_key_id(headers)
        public_key = self._store.keyring().receipt_key(key_id)
        if public_key is None:
            newer = self._newer_keyring(_keyrings(status, body))
            public_key = newer[0].receipt_key(key_id) if newer else None
        if public_key is None:
            raise RemoteError("signature-invalid", "the answer is signed by a key that is not in the keyring")
        signatures.verify_answer(
            status,
            body,
            headers=headers,
            method="POST",
            path=PATH_EXCHANGE,
            request_digest=digest,
            public_key=public_key,
        )

    def _newer_keyring(self, documents: Sequence[bytes]) -> tuple[Keyring, bytes] | None:
        """Return the newest keyring that is newer than ours; one that the root did not sign is passed over."""
        best = self._store.keyring()
        found: bytes | None = None
        for document in documents:
            try:
                offered = Keyring.read(document, self._identity.root_key)
            except ProtocolError:
                continue
            if offered.serial > best.serial:
                best, found = offered, document
        return None if found is None else (best, found)

    def _settle(self, answer: ExchangeAnswer, offer: _Offer, now: datetime) -> None:
        fates, codes = _fates(answer.receipts, offer)
        newer = self._newer_keyring(_pulled_keyrings(answer))
        pull = tuple(item for item in answer.pull if _is_whole(item))
        is_progress = bool(pull or newer or offer.have) or answer.cursor != self._store.cursor()
        is_progress |= any(event in (FateEvent.KEPT, FateEvent.TOO_LARGE) for event, _ in fates.values())
        settlement = Settlement(
            fates=fates,
            codes=codes,
            cursor=answer.cursor,
            pull=pull,
            keyring=newer[1] if newer else None,
            backed_up_sequence=answer.backed_up_sequence,
        )
        self._store.settle(settlement)
        self._count(codes)
        self.tally.pulled += pull
        self._corrections = 0
        self._after(answer, is_progress=is_progress, is_refused=_is_refused_for_now(codes), now=now)

    def _after(self, answer: ExchangeAnswer, *, is_progress: bool, is_refused: bool, now: datetime) -> None:
        """Decide how to go on after a settled answer."""
        is_left = answer.more or self._store.backlog().envelopes > 0
        if is_left and is_refused:
            self._pause(Event.SETTLED_LATER, "storage-full", now, answer.backoff_seconds)
        elif is_left and not is_progress:
            self._pause(Event.SETTLED_LATER, "no-progress", now, answer.backoff_seconds)
        elif is_left and answer.backoff_seconds:
            self._pause(Event.SETTLED_LATER, "rate-limited", now, answer.backoff_seconds)
        else:
            self._failures, self.reason = 0, None
            self._fire(Event.SETTLED_MORE if is_left else Event.SETTLED)

    def _refused(self, problem: Problem, offer: _Offer, now: datetime) -> None:
        """Act on a refusal that verifies: nothing of the request was stored."""
        self._store.withdraw(offer.envelopes)
        self._keep_keyring(problem)
        if problem.retry is Retry.NEVER:
            self.reason = problem.slug
            self._fire(Event.REFUSED)
        elif problem.retry is Retry.AFTER or self._corrections == CORRECTIONS_LIMIT:
            self._pause(Event.REFUSED_LATER, problem.slug, now, problem.retry_after_seconds or 0)
        else:
            self._correct(problem, offer)

    def _keep_keyring(self, problem: Problem) -> None:
        newer = self._newer_keyring([problem.keyring] if problem.keyring else [])
        if newer is not None:
            self._store.settle(Settlement(fates={}, codes={}, cursor=self._store.cursor(), keyring=newer[1]))

    def _correct(self, problem: Problem, offer: _Offer) -> None:
        if problem.retry is Retry.SMALLER:
            self._shrink(offer)
        else:
            self._corrections += 1
        if problem.next_counter is not None:
            self._store.adopt_counter(problem.next_counter)
        if problem.slug == "cursor-expired":
            self._store.restart_feed()
        self.reason = problem.slug
        self._fire(Event.CORRECTED)

    def _shrink(self, offer: _Offer) -> None:
        """Halve the batch; a single envelope that is still too large is set aside, so that it delays no other."""
        if len(offer.envelopes) > 1:
            self._batch = len(offer.envelopes) // 2
            return
        self._corrections += 1
        if offer.envelopes:
            only = offer.envelopes[0]
            self._store.begin([only])
            aside = {only: (FateEvent.TOO_LARGE, None)}
            codes = {only: ReceiptCode.TOO_LARGE}
            self._store.settle(Settlement(fates=aside, codes=codes, cursor=self._store.cursor()))
            self._count(codes)

    def _count(self, codes: Mapping[bytes, ReceiptCode]) -> None:
        for code in codes.values():
            self.tally.codes[code] = self.tally.codes.get(code, 0) + 1

    def _pause(self, event: Event, reason: str, now: datetime, seconds: int = 0) -> None:
        """Pause for as long as the server asks, and at least an exponential time with jitter."""
        grown = min(CAP_SECONDS, BASE_SECONDS * 2**self._failures)
        self._failures = min(self._failures + 1, 20)
        self._corrections = 0
        self.reason = reason
        self.retry_at = now + timedelta(seconds=max(seconds, grown * (0.5 + 0.5 * self._jitter())))
        self._fire(event)

    def _under_way(self) -> _Offer:
        if self._offer is None:
            raise LocalError("no-request", "there is no request under way to answer")
        return self._offer

    def _fire(self, event: Event) -> None:
        following = TRANSITIONS.get((self.state, event))
        if following is None:
            raise LocalError("wrong-state", f"an exchange that is {self.state} cannot be: {event}")
        self.state = following
        if following is not State.AWAITING:
            self._offer = None


def _fates(
    receipts: Sequence[Receipt], offer: _Offer
) -> tuple[dict[bytes, tuple[FateEvent, int | None]], dict[bytes, ReceiptCode]]:
    """Read receipts against what was offered; what has none is not on the server."""
    fates: dict[bytes, tuple[FateEvent, int | None]] = dict.fromkeys(offer.entries, (FateEvent.NOT_THERE, None))
    codes: dict[bytes, ReceiptCode] = {}
    for receipt in receipts:
        if receipt.index >= len(offer.entries):
            raise RemoteError("malformed", "a receipt names an entry that was not in the request")
        envelope_id = offer.entries[receipt.index]
        codes[envelope_id] = receipt.code
        fates[envelope_id] = (_fate_event(receipt.code), receipt.sequence)
    return fates, codes


def _keyrings(status: int, body: bytes) -> list[bytes]:
    """Return the keyrings that an answer brings, whether it is an exchange's or a refusal."""
    if status == OK:
        return _pulled_keyrings(messages.decode_answer(body))
    keyring = messages.decode_problem(status, body).keyring
    return [keyring] if keyring else []


def _pulled_keyrings(answer: ExchangeAnswer) -> list[bytes]:
    return [item.document for item in answer.pull if isinstance(item, KeyringPull)]


def _is_whole(item: PullItem) -> bool:
    """Pass over keyrings, which go their own way, and a form that is not the one that its hash names."""
    if isinstance(item, FormVersionPull) and item.xform is not None:
        return hashlib.sha256(item.xform).digest() == item.hash
    return not isinstance(item, KeyringPull)


def _fate_event(code: ReceiptCode) -> FateEvent:
    if code.is_kept:
        return FateEvent.KEPT
    return FateEvent.TOO_LARGE if code is ReceiptCode.TOO_LARGE else FateEvent.NOT_NOW


def _is_refused_for_now(codes: Mapping[bytes, ReceiptCode]) -> bool:
    return any(code in (ReceiptCode.QUOTA, ReceiptCode.STORAGE_FAULT) for code in codes.values())
