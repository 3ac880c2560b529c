"""The device's side of an exchange, without IO: what to send next, and what an answer means.

The rule of the house: **an envelope leaves the state `sent` only by a word of the server that verifies.** A lost
answer, a cut line, a proxy's error page and a restart all leave it `sent`, its fate unknown; the next request asks for
it by hash before its bytes go again. Nothing is ever deleted here, and no envelope is ever made twice.

The two tables of `transitions` are the whole of the behaviour. Clock, randomness, keys and storage are arguments.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sync_protocol import answers, messages, signatures
from sync_protocol.answers import Request, Response
from sync_protocol.constants import CONTROL_BYTES, ENVELOPE_BYTES, EXCHANGE_BYTES, EXCHANGE_ENVELOPES
from sync_protocol.errors import LocalError, ProtocolError, RemoteError
from sync_protocol.handover import Address, verify_handover
from sync_protocol.handover import Kind as HandoverKind
from sync_protocol.messages import (
    PATH_EXCHANGE,
    ExchangeAnswer,
    ExchangeRequest,
    MediumOffer,
    Problem,
    Receipt,
    ReceiptCode,
    Retry,
)
from sync_protocol.orders import ErasureOrder, WipeOrder
from sync_protocol.pace import Pace
from sync_protocol.pull_items import (
    DraftPull,
    ErasurePull,
    FormVersionPull,
    KeyringPull,
    PullItem,
    ReturnedPull,
    RevocationPull,
    WipePull,
)
from sync_protocol.storage import ExchangeStore, Identity, Settlement
from sync_protocol.transitions import TRANSITIONS, Event, FateEvent, State
from sync_protocol.waiting import Backoff

__all__ = ["ExchangeClient", "Request", "Tally"]

OK: Final = 200
HAVE_LIMIT: Final = 2_000  # 60 kB of control; a device's whole round fits in two or three
OFFER_LIMIT: Final = 50  # media offered at once: 2 kB of control that nothing deflates
CORRECTIONS_LIMIT: Final = 3  # in a row; a server that corrects without end is one that does not answer
BODY_BUDGET: Final = EXCHANGE_BYTES - CONTROL_BYTES
FIRST_BODY_BYTES: Final = 40 << 10  # 40 interviews and the epoch of their day: they go in one exchange
SMALLEST_BODY_BYTES: Final = 1 << 10  # about one interview


def body_pace() -> Pace:
    """Return the pace of envelopes: a body is all or nothing, so a cut costs all that was written of it."""
    return Pace(size=FIRST_BODY_BYTES, smallest=SMALLEST_BODY_BYTES, largest=BODY_BUDGET)


@dataclass(frozen=True, slots=True)
class _Offer:
    """What the request under way carries, in the order of its receipts."""

    request: Request
    envelopes: tuple[bytes, ...]
    have: tuple[bytes, ...]
    media: tuple[MediumOffer, ...]
    body_bytes: int
    receiving_key: bytes | None
    begun: datetime

    @property
    def entries(self) -> tuple[bytes, ...]:
        return self.envelopes + self.have


@dataclass(slots=True)
class Tally:
    """What a synchronisation has done so far.

    Attributes:
        exchanges: requests made.
        sent: envelopes in them, one that was sent twice counted twice.
        answered: answers that verified and settled something.
        codes: receipts by code.
        pulled: what was new for the device.
        wanted: how many bytes of each offered medium the server has, by SHA-256 of the ciphertext.
    """

    exchanges: int = 0
    sent: int = 0
    answered: int = 0
    codes: dict[ReceiptCode, int] = field(default_factory=dict)
    pulled: list[PullItem] = field(default_factory=list)
    wanted: dict[bytes, int] = field(default_factory=dict)


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
        pace: Pace | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Start ready.

        Args:
            identity: of the device.
            store: where it keeps its envelopes.
            jitter: uniform in [0, 1): spreads the returns of devices that one outage cut off together.
            capabilities: optional features that the device offers to the server.
            pace: of an earlier exchange over the same link.
            tally: of an earlier exchange of the same synchronisation.
        """
        self.state = State.READY
        self.retry_at: datetime | None = None
        self.reason: str | None = None
        self.tally = tally if tally is not None else Tally()
        self._identity = identity
        self._store = store
        self._capabilities = capabilities
        self._offer: _Offer | None = None
        self._backoff = Backoff(jitter)
        self._corrections = 0
        self._batch = EXCHANGE_ENVELOPES
        self._pace = pace if pace is not None else body_pace()
        self._last_body_bytes = 0
        self._has_offered_media = False

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
        response = Response(status, headers, body)
        try:
            if status == OK:
                answer = messages.decode_answer(body)
                self._verify(response, offer, answers.pulled_keyrings(answer))
                self._settle(answer, offer, now)
            else:
                self._verify(response, offer, answers.problem_keyrings(response))
                self._refused(messages.decode_problem(status, body), offer, now)
        except ProtocolError as error:
            self._last_body_bytes = offer.body_bytes
            self._pause(Event.UNANSWERED, error.code, now)

    def on_disconnect(self, *, was_sent: bool, now: datetime, torn_bytes: int = 0) -> None:
        """Take the loss of the request under way.

        Args:
            was_sent: False when surely not all of it has left, e.g. the connection was refused or cut in the middle:
                a body is all or nothing.
            now: UTC.
            torn_bytes: how much of a request that did not leave as a whole did leave.
        """
        offer = self._under_way()
        if was_sent:
            self._last_body_bytes = offer.body_bytes
        else:
            self._store.withdraw(offer.envelopes)
            if torn_bytes:
                self._pace.cut(len(offer.request.body))
        self._pause(Event.UNANSWERED, "disconnected", now)

    def _compose(self, now: datetime) -> Request:
        have = self._store.unsettled(HAVE_LIMIT)
        sealed = self._store.waiting(envelopes=self._batch, body_bytes=self._pace.size)
        media = () if self._has_offered_media else self._store.media_offers(OFFER_LIMIT)
        backlog = self._store.backlog()
        envelope_ids = tuple(envelope.envelope_id for envelope in sealed)
        receiving_key = self._store.next_receiving_key()
        asked = ExchangeRequest(
            device_id=self._identity.device_id,
            counter=self._store.begin(envelope_ids),
            since=self._store.cursor(),
            have=tuple(envelope_id[: messages.HAVE_BYTES] for envelope_id in have),
            envelopes=tuple(envelope.body for envelope in sealed),
            device_time=now,
            capabilities=self._capabilities,
            backlog=backlog,
            keyring_serial=self._store.keyring().serial,
            receiving_key=receiving_key,
            media=media,
        )
        body = messages.encode_request(asked)
        headers = signatures.sign_request(
            "POST", PATH_EXCHANGE, body, device_id=self._identity.device_id, key=self._identity.signer
        )
        request = Request("POST", PATH_EXCHANGE, {"Content-Type": messages.MEDIA_TYPE_EXCHANGE, **headers}, body)
        body_bytes = sum(len(envelope.body) for envelope in sealed)
        self._offer = _Offer(request, envelope_ids, have, media, body_bytes, receiving_key, now)
        self._fire(Event.REQUESTED)
        self.tally.exchanges += 1
        self.tally.sent += len(envelope_ids)
        return request

    def _verify(self, response: Response, offer: _Offer, brought: Sequence[bytes]) -> None:
        answers.verify(response, offer.request, keyring=self._store.keyring(), brought=brought)

    def _settle(self, answer: ExchangeAnswer, offer: _Offer, now: datetime) -> None:
        fates, codes = _fates(answer.receipts, offer)
        newer = answers.newer_keyring(self._store.keyring(), answers.pulled_keyrings(answer))
        decision_keys = (newer[0] if newer else self._store.keyring()).decision_keys
        pull = tuple(item for item in answer.pull if self._is_believed(item, decision_keys))
        is_progress = bool(pull or newer or offer.have) or answer.cursor != self._store.cursor()
        is_progress |= any(event in (FateEvent.KEPT, FateEvent.TOO_LARGE) for event, _ in fates.values())
        settlement = Settlement(
            fates=fates,
            codes=codes,
            cursor=answer.cursor,
            pull=pull,
            keyring=newer[1] if newer else None,
            backed_up_sequence=answer.backed_up_sequence,
            deletes_without_backup=answer.deletes_without_backup,
            media=_offsets(answer, offer),
            named_key=offer.receiving_key,
        )
        self._store.settle(settlement)
        self._learn(fates, offer, now)
        self._count(codes)
        self.tally.answered += 1
        self.tally.pulled += pull
        self.tally.wanted.update(settlement.media)
        self._has_offered_media |= bool(offer.media)
        self._corrections = 0
        self._after(answer, is_progress=is_progress, is_refused=_is_refused_for_now(codes), now=now)

    def _learn(self, fates: Mapping[bytes, tuple[FateEvent, int | None]], offer: _Offer, now: datetime) -> None:
        """Learn how much goes through: a batch that is not there was cut; one of which something is there arrived."""
        if offer.have and self._last_body_bytes:
            is_there = any(fates[envelope_id][0] is not FateEvent.NOT_THERE for envelope_id in offer.have)
            (self._pace.whole if is_there else self._pace.cut)(self._last_body_bytes)
            self._last_body_bytes = 0
        if offer.envelopes:
            self._pace.whole(offer.body_bytes, (now - offer.begun).total_seconds())

    def _is_believed(self, item: PullItem, decision_keys: Sequence[bytes]) -> bool:
        """Pass over what is for another device, or not signed or named as it must be, and keyrings: they are apart."""
        device_id = self._identity.device_id
        try:
            if isinstance(item, FormVersionPull) and item.xform is not None:
                return hashlib.sha256(item.xform).digest() == item.hash
            if isinstance(item, ReturnedPull | DraftPull) and item.sealed is not None:
                address = Address(_handover_kind(item), device_id, item.instance_id, item.form_version_hash)
                verify_handover(item.sealed, address, decision_keys=decision_keys)
            if isinstance(item, RevocationPull):
                return item.device_id == device_id
            if isinstance(item, ErasurePull):
                ErasureOrder.read(item.document, decision_keys)
            if isinstance(item, WipePull):
                return WipeOrder.read(item.document, decision_keys).device_id == device_id
        except ProtocolError:
            return False
        return not isinstance(item, KeyringPull)

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
            self._backoff.reset()
            self.reason = None
            self._fire(Event.SETTLED_MORE if is_left else Event.SETTLED)

    def _refused(self, problem: Problem, offer: _Offer, now: datetime) -> None:
        """Act on a refusal that verifies: nothing of the request was stored."""
        self._store.withdraw(offer.envelopes)
        self._keep_keyring(problem)
        is_stuck = problem.retry is Retry.SMALLER and not self._shrinks(offer)
        if problem.retry is Retry.NEVER:
            self.reason = problem.slug
            self._fire(Event.REFUSED)
        elif is_stuck or problem.retry is Retry.AFTER or self._corrections == CORRECTIONS_LIMIT:
            self._pause(Event.REFUSED_LATER, problem.slug, now, problem.retry_after_seconds or 0)
        else:
            self._correct(problem)

    def _keep_keyring(self, problem: Problem) -> None:
        newer = answers.newer_keyring(self._store.keyring(), [problem.keyring] if problem.keyring else [])
        if newer is not None:
            self._store.settle(Settlement(fates={}, codes={}, cursor=None, keyring=newer[1], is_answer=False))

    def _correct(self, problem: Problem) -> None:
        if problem.retry is not Retry.SMALLER:
            self._corrections += 1
        if problem.next_counter is not None:
            self._store.adopt_counter(problem.next_counter)
        if problem.slug == "cursor-expired":
            self._store.restart_feed()
        self.reason = problem.slug
        self._fire(Event.CORRECTED)

    def _shrinks(self, offer: _Offer) -> bool:
        """Halve the batch, or set aside what the device itself sees to be too large; return whether that was possible.

        No refusal of a whole request sets anything aside: what it says of one envelope, only a receipt can say.
        """
        if len(offer.envelopes) > 1:
            self._batch = len(offer.envelopes) // 2
            return True
        if offer.body_bytes <= ENVELOPE_BYTES:
            return False
        only = offer.envelopes[0]
        self._store.begin([only])
        fates, codes = {only: (FateEvent.TOO_LARGE, None)}, {only: ReceiptCode.TOO_LARGE}
        self._store.settle(Settlement(fates=fates, codes=codes, cursor=None, is_answer=False))
        self._count(codes)
        return True

    def _count(self, codes: Mapping[bytes, ReceiptCode]) -> None:
        for code in codes.values():
            self.tally.codes[code] = self.tally.codes.get(code, 0) + 1

    def _pause(self, event: Event, reason: str, now: datetime, seconds: int = 0) -> None:
        """Pause for as long as the server asks, and at least an exponential time with jitter."""
        self._corrections = 0
        self.reason = reason
        self.retry_at = self._backoff.until(now, at_least_seconds=seconds)
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


def _offsets(answer: ExchangeAnswer, offer: _Offer) -> dict[bytes, int]:
    """Read how much of each offered medium the server has."""
    offsets: dict[bytes, int] = {}
    for told in answer.media:
        if told.index >= len(offer.media) or told.offset > offer.media[told.index].length_bytes:
            raise RemoteError("malformed", "an offset is of a medium that was not offered, or beyond its end")
        offsets[offer.media[told.index].sha256] = told.offset
    return offsets


def _handover_kind(item: ReturnedPull | DraftPull) -> HandoverKind:
    return "returned" if isinstance(item, ReturnedPull) else "draft"


def _fate_event(code: ReceiptCode) -> FateEvent:
    if code.is_kept:
        return FateEvent.KEPT
    return FateEvent.TOO_LARGE if code is ReceiptCode.TOO_LARGE else FateEvent.NOT_NOW


def _is_refused_for_now(codes: Mapping[bytes, ReceiptCode]) -> bool:
    return any(code in (ReceiptCode.QUOTA, ReceiptCode.STORAGE_FAULT) for code in codes.values())
