"""Media on their way to the server, in parts, without IO: what to send next, and what an answer means.

The rule is that of the exchange: **no byte is sent again before the server was asked how much it has.** A part whose
answer was lost may have arrived, as a whole or in its beginning; so the next request asks for the offset. Only a word
of the server that verifies makes a medium whole: the answer to a question without a signature (HEAD) says where to go
on, and nothing else; what it calls whole is `unconfirmed` and offered again in the next exchange.

The table `transitions.UPLOADS` is the whole of the behaviour. Clock, randomness, keys and storage are arguments.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sync_protocol import answers, messages, signatures
from sync_protocol.answers import Request, Response
from sync_protocol.constants import MEDIUM_BYTES
from sync_protocol.errors import LocalError, ProtocolError, RemoteError
from sync_protocol.messages import (
    HEADER_LIMIT,
    HEADER_OFFSET,
    MEDIA_TYPE_PART,
    PATH_MEDIA,
    Problem,
    Retry,
)
from sync_protocol.pace import Pace, part_pace
from sync_protocol.storage import Identity, MediaStore, SealedMedium
from sync_protocol.transitions import UPLOADS, UploadEvent, UploadState
from sync_protocol.waiting import Backoff

ARRIVED: Final = (200, 201)
TOLD: Final = (200, 204)
UNKNOWN: Final = 404
CORRECTIONS_LIMIT: Final = 3
NOT_THIS_MEDIUM: Final = frozenset({"too-large", "unsupported-media", "malformed"})
"""Refusals of one medium: it is put off to another synchronisation, and delays no other."""
PART_LIMIT: Final = re.compile(r"(?:^|[,\s])max-append-size=([1-9][0-9]{0,14})(?:$|[,;\s])")
OFFSET: Final = re.compile(r"0|[1-9][0-9]{0,14}")


@dataclass(slots=True)
class UploadTally:
    """What an upload has done so far: parts made and their bytes, questions asked, media that became whole."""

    parts: int = 0
    part_bytes: int = 0
    arrived_bytes: int = 0
    questions: int = 0
    whole: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    """The request under way: of a part, or a question, which has no bytes."""

    request: Request
    medium: SealedMedium
    start: int
    length: int


class Upload:
    """One upload of all media that the server wants: `next_request`, then `on_response` or `on_disconnect`.

    Attributes:
        state: where it stands; `done` and `stopped` are final.
        retry_at: the end of the pause while `paused`.
        reason: the slug of what interrupted it last, or None.
        tally: what it has done.
        unconfirmed: media that an unsigned answer called whole: their lengths by SHA-256.
        missing: media that the device could not read: they wait for another time, and delay no other.
        put_off: media that the server did not take this time: the slug by SHA-256. They wait likewise.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        store: MediaStore,
        jitter: Callable[[], float],
        offsets: Mapping[bytes, int],
        pace: Pace | None = None,
        tally: UploadTally | None = None,
    ) -> None:
        """Start ready.

        Args:
            offsets: how much of each medium the server has, as an exchange has just said; no other is sent.
            pace: of an earlier upload over the same link.
        """
        self.state = UploadState.READY
        self.retry_at: datetime | None = None
        self.reason: str | None = None
        self.tally = tally if tally is not None else UploadTally()
        self.unconfirmed: dict[bytes, int] = {}
        self.missing: set[bytes] = set()
        self.put_off: dict[bytes, str] = {}
        self._identity = identity
        self._store = store
        self._backoff = Backoff(jitter)
        self._pace = pace if pace is not None else part_pace()
        self._queue = deque(medium for medium in store.waiting_media() if medium.sha256 in offsets)
        self._offsets = dict(offsets)
        self._unsure: dict[bytes, int] = {}
        self._corrections = 0
        self._begun, self._seconds = datetime.min.replace(tzinfo=UTC), 0.0
        self._part: _Part | None = None

    @property
    def progress(self) -> int:
        """A number that grows with what the server has."""
        return self.tally.arrived_bytes + self.tally.whole + self.tally.refused

    def next_request(self, now: datetime) -> Request | None:
        """Return what to send now, None when there is nothing to send (yet): see `state` and `retry_at`."""
        if self.state is UploadState.PAUSED and self.retry_at is not None and now >= self.retry_at:
            self.retry_at = None
            self._fire(UploadEvent.WOKEN)
        if self.state is not UploadState.READY:
            return None
        self._begun, self._seconds = now, 0.0
        while self._queue:
            medium = self._queue[0]
            if medium.length_bytes > MEDIUM_BYTES:  # no server takes it; the device sees that by itself
                self._store.refuse_medium(medium.sha256)
                self._queue.popleft()
                self.tally.refused += 1
                continue
            if medium.sha256 in self._unsure:
                return self._question(medium)
            try:
                return self._send(medium)
            except LocalError:
                self.missing.add(medium.sha256)
                self._queue.popleft()
        self._fire(UploadEvent.NOTHING_LEFT)
        return None

    def on_response(self, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        """Take the answer to the request under way. To a part, what does not verify is no answer."""
        part = self._under_way()
        response = Response(status, headers, body)
        try:
            if self.state is UploadState.ASKING:
                self._told(part, response)
            elif status in ARRIVED:
                self._seconds = (now - self._begun).total_seconds()
                answers.verify(response, part.request, keyring=self._store.keyring())
                self._arrived(part, messages.decode_part_answer(body), headers)
            else:
                brought = answers.problem_keyrings(response)
                answers.verify(response, part.request, keyring=self._store.keyring(), brought=brought)
                self._refused(part, messages.decode_problem(status, body), now)
        except ProtocolError as error:
            self._lost(part)
            self._pause(UploadEvent.UNANSWERED, error.code, now)

    def on_disconnect(self, *, was_sent: bool, now: datetime) -> None:
        """Take the loss of the request under way; `was_sent` is False only when surely not one byte has left."""
        part = self._under_way()
        if was_sent:
            self._lost(part)
        self._pause(UploadEvent.UNANSWERED, "disconnected", now)

    def _send(self, medium: SealedMedium) -> Request:
        start = self._offsets[medium.sha256]
        rest = medium.length_bytes - start
        length = rest if rest <= self._pace.size + self._pace.size // 4 else self._pace.size  # no tiny last part
        length = min(length, self._pace.largest)
        body = self._store.read_medium(medium.sha256, offset=start, length=length)
        path = PATH_MEDIA + medium.sha256.hex()
        headers = signatures.sign_request(
            *("POST", path, body),
            device_id=self._identity.device_id,
            key=self._identity.signer,
            place=signatures.Place(start, medium.length_bytes),
        )
        request = Request("POST", path, {"Content-Type": MEDIA_TYPE_PART, **headers}, body)
        self._part = _Part(request, medium, start, length)
        self._fire(UploadEvent.SENT)
        self.tally.parts += 1
        self.tally.part_bytes += length
        return request

    def _question(self, medium: SealedMedium) -> Request:
        path = PATH_MEDIA + medium.sha256.hex()
        headers = signatures.sign_request(
            "HEAD", path, b"", device_id=self._identity.device_id, key=self._identity.signer
        )
        request = Request("HEAD", path, headers, b"")
        self._part = _Part(request, medium, self._offsets[medium.sha256], 0)
        self._fire(UploadEvent.ASKED)
        self.tally.questions += 1
        return request

    def _told(self, part: _Part, response: Response) -> None:
        """Take the answer to a question. It is not signed: it moves the next part, and completes nothing."""
        offset = _told_offset(response)
        if offset is None or offset > part.medium.length_bytes:
            raise RemoteError("malformed", "the answer does not say how much of the medium is there")
        self._adopt_limit(response.headers)
        sha256 = part.medium.sha256
        self._learn(self._unsure.pop(sha256), offset - self._offsets[sha256])
        self._move(part.medium, offset)
        if offset == part.medium.length_bytes:
            self.unconfirmed[sha256] = offset
            self._queue.popleft()
        self._go_on(UploadEvent.TOLD)

    def _arrived(self, part: _Part, told: messages.PartAnswer, headers: Mapping[str, str]) -> None:
        if told.offset > part.medium.length_bytes:
            raise RemoteError("malformed", "the offset is beyond the end of the medium")
        self._adopt_limit(headers)
        self._learn(part.length, told.offset - part.start)
        if told.offset <= part.start and not told.complete:
            raise RemoteError("no-progress", "the server kept nothing of the part")
        self._move(part.medium, told.offset)
        self._keep(part.medium, part.medium.length_bytes if told.complete else told.offset, is_whole=told.complete)
        self._go_on(UploadEvent.TOLD)

    def _refused(self, part: _Part, problem: Problem, now: datetime) -> None:
        """Act on a refusal that verifies."""
        if problem.next_offset is not None:
            self._misplaced(part, problem.next_offset, problem.slug, now)
        elif problem.retry is Retry.SMALLER and part.length > self._pace.smallest:
            self._pace.limit(part.length // 2)
            self._fire(UploadEvent.CORRECTED)
        elif problem.slug in NOT_THIS_MEDIUM:
            self.put_off[part.medium.sha256] = problem.slug
            self._queue.popleft()
            self._fire(UploadEvent.PUT_OFF)
        elif problem.retry is Retry.NEVER:
            self.reason = problem.slug
            self._fire(UploadEvent.REFUSED)
        else:
            self._again(problem, now)

    def _misplaced(self, part: _Part, offset: int, slug: str, now: datetime) -> None:
        """Go on from where the server is; it says so under its signature."""
        if offset > part.medium.length_bytes:
            raise RemoteError("malformed", "the offset is beyond the end of the medium")
        self._corrections += 1
        self._move(part.medium, offset)
        self._keep(part.medium, offset, is_whole=offset == part.medium.length_bytes)
        if self._corrections > CORRECTIONS_LIMIT:
            self._pause(UploadEvent.REFUSED_LATER, slug, now)
        else:
            self._fire(UploadEvent.CORRECTED)

    def _again(self, problem: Problem, now: datetime) -> None:
        self._corrections += 1
        if problem.retry is Retry.AFTER or self._corrections > CORRECTIONS_LIMIT:
            self._pause(UploadEvent.REFUSED_LATER, problem.slug, now, problem.retry_after_seconds or 0)
        else:
            self.reason = problem.slug
            self._fire(UploadEvent.CORRECTED)

    def _keep(self, medium: SealedMedium, offset: int, *, is_whole: bool) -> None:
        """Store a signed offset."""
        self._store.medium_at(medium.sha256, offset)
        if is_whole:
            self._queue.popleft()
            self.tally.whole += 1

    def _move(self, medium: SealedMedium, offset: int) -> None:
        self.tally.arrived_bytes += max(0, offset - self._offsets[medium.sha256])
        self._offsets[medium.sha256] = offset

    def _learn(self, sent: int, arrived: int) -> None:
        """Learn how much goes through at once."""
        if arrived >= sent > 0:
            self._pace.whole(sent, self._seconds)
        elif arrived <= 0:
            self._pace.cut(sent)
        else:
            self._pace.kept()

    def _lost(self, part: _Part) -> None:
        if self.state is UploadState.SENDING:
            self._unsure[part.medium.sha256] = part.length

    def _adopt_limit(self, headers: Mapping[str, str]) -> None:
        found = PART_LIMIT.search(_header(headers, HEADER_LIMIT))
        if found is not None:
            self._pace.limit(int(found.group(1)))

    def _go_on(self, event: UploadEvent) -> None:
        self._backoff.reset()
        self._corrections = 0
        self.reason = None
        self._fire(event)

    def _pause(self, event: UploadEvent, reason: str, now: datetime, seconds: int = 0) -> None:
        self._corrections = 0
        self.reason = reason
        self.retry_at = self._backoff.until(now, at_least_seconds=seconds)
        self._fire(event)

    def _under_way(self) -> _Part:
        if self._part is None:
            raise LocalError("no-request", "there is no request under way to answer")
        return self._part

    def _fire(self, event: UploadEvent) -> None:
        following = UPLOADS.get((self.state, event))
        if following is None:
            raise LocalError("wrong-state", f"an upload that is {self.state} cannot be: {event}")
        self.state = following
        if following not in (UploadState.SENDING, UploadState.ASKING):
            self._part = None


def _told_offset(response: Response) -> int | None:
    """Read the offset of an answer to HEAD; a medium that the server does not know begins at 0."""
    if response.status == UNKNOWN:
        return 0
    text = _header(response.headers, HEADER_OFFSET)
    return int(text) if response.status in TOLD and OFFSET.fullmatch(text) else None


def _header(headers: Mapping[str, str], wanted: str) -> str:
    return next((value for name, value in headers.items() if name.lower() == wanted.lower()), "").strip()
