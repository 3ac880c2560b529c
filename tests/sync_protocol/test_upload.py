"""Media on a bad line: each rule of the upload once, then exchange and upload together under every kind of bad luck."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sync_protocol import messages
from sync_protocol.answers import Request
from sync_protocol.constants import FIRST_PART_BYTES, PART_BYTES
from sync_protocol.errors import LocalError
from sync_protocol.exchange import OFFER_LIMIT, ExchangeClient
from sync_protocol.messages import PATH_MEDIA, Problem, Retry
from sync_protocol.pace import PATIENCE, Pace, part_pace
from sync_protocol.storage import Identity
from sync_protocol.transitions import (
    MEDIA,
    UPLOADS,
    Fate,
    MediumEvent,
    MediumFate,
    State,
    UploadEvent,
    UploadState,
    diagram,
)
from sync_protocol.upload import Upload
from tests.sync_protocol.link import DEVICE_KEY, Link, Trip
from tests.sync_protocol.memory_store import MemoryStore
from tests.sync_protocol.model_server import NOW, ModelServer, Response, raw_public


def picture(number: int, length: int) -> bytes:
    return b"".join(hashlib.sha256(b"%d %d" % (number, block)).digest() for block in range(length // 32 + 1))[:length]


class Pair:
    """A device and an office, and what each byte of a medium was sent for."""

    upload_class: type[Upload] = Upload

    def __init__(self) -> None:
        self.server = ModelServer(devices={"device-1": raw_public(DEVICE_KEY)})
        self.store = MemoryStore(self.server.keyring(), self.server.root_key)
        self.identity = Identity(device_id="device-1", signer=DEVICE_KEY, root_key=self.server.root_key)
        self.now = NOW
        self.parts: list[tuple[int, int]] = []
        self.repeated_bytes = 0
        self.pace = part_pace()
        self.restart()

    def restart(self) -> None:
        """Lose all that is in memory; the exchange begins again."""
        self.client = ExchangeClient(identity=self.identity, store=self.store, jitter=lambda: 0.5)
        self.upload: Upload | None = None

    @property
    def machine(self) -> ExchangeClient | Upload:
        """What has the turn: after an exchange that is done, the upload of what it said is wanted."""
        if self.upload is None and self.client.state is State.SYNCED:
            self.upload = self.upload_class(
                identity=self.identity,
                store=self.store,
                jitter=lambda: 0.5,
                offsets=self.client.tally.wanted,
                pace=self.pace,
            )
        return self.upload if self.upload is not None else self.client

    def request(self) -> Request | None:
        """Return the next request; waits as long as the device wants."""
        self.now = self.machine.retry_at or self.now
        return self.machine.next_request(self.now)

    def ask(self, request: Request) -> Response:
        self._note(request)
        return self.server.handle(request.method, request.path, request.headers, request.body)

    def tear(self, request: Request, arrived: int) -> None:
        """Let only the beginning of a request arrive."""
        self._note(request)
        if self.is_part(request):
            self.server.tear(request.path, request.headers, request.body[:arrived])

    def answer(self, response: Response) -> None:
        status, headers, body = response
        self.machine.on_response(status, headers, body, now=self.now)

    def turn(self) -> Request:
        request = self.request()
        assert request is not None
        self.answer(self.ask(request))
        return request

    def lose_answer(self) -> Request:
        request = self.request()
        assert request is not None
        self.ask(request)
        self.machine.on_disconnect(was_sent=True, now=self.now)
        return request

    def finish(self, limit: int = 400) -> None:
        """Go on without faults until nothing is left."""
        for _ in range(limit):
            request = self.request()
            if request is not None:
                self.answer(self.ask(request))
            elif self.machine.retry_at is None:
                if self.upload is not None and not self.store.waiting_media():
                    return
                self.restart()
        raise AssertionError("the upload does not come to an end")

    @staticmethod
    def is_part(request: Request) -> bool:
        return request.method == "POST" and request.path.startswith(PATH_MEDIA)

    def _note(self, request: Request) -> None:
        if self.is_part(request):
            start = int(request.headers["Upload-Offset"])
            self.parts.append((start, len(request.body)))
            there = self.server.offset(bytes.fromhex(request.path[len(PATH_MEDIA) :]))
            self.repeated_bytes += max(0, min(there - start, len(request.body)))


@pytest.fixture
def pair() -> Pair:
    return Pair()


def refusal(slug: str, **members: int) -> Problem:
    status, retry = messages.PROBLEMS[slug]
    return Problem(slug=slug, status=status, retry=retry, **members)  # type: ignore[arg-type]


def test_small_media_come_first_and_parts_double_when_they_arrive(pair: Pair) -> None:
    large = pair.store.take_picture(picture(1, 200_000))
    small = pair.store.take_picture(picture(2, 900))
    pair.finish()
    assert list(pair.server.media) == [small, large]
    first = FIRST_PART_BYTES
    assert pair.parts == [(0, 900), (0, first), (first, 2 * first), (3 * first, 4 * first), (7 * first, 85_312)]
    assert set(pair.store.medium_fates.values()) == {MediumFate.WHOLE}


def test_interviews_go_before_media(pair: Pair) -> None:
    pair.store.take_picture(picture(1, 900))
    sealed = pair.store.seal(b"interview")
    request = pair.turn()
    assert messages.decode_request(request.body).envelopes == (b"interview",)
    assert pair.store.fates[sealed] is Fate.RECEIPTED
    assert not pair.server.media


def test_after_a_lost_answer_the_offset_is_asked_for_before_any_byte_goes_again(pair: Pair) -> None:
    pair.store.take_picture(picture(1, 100_000))
    pair.turn()
    pair.lose_answer()
    question = pair.turn()
    assert (question.method, question.body) == ("HEAD", b"")
    part = pair.turn()
    assert part.headers["Upload-Offset"] == str(FIRST_PART_BYTES)
    pair.finish()
    assert pair.repeated_bytes == 0


@pytest.mark.parametrize(("arrived", "next_length"), [(5_000, 2 * FIRST_PART_BYTES), (0, FIRST_PART_BYTES)])
def test_what_arrived_of_a_torn_part_is_not_sent_again_and_parts_of_which_nothing_did_are_halved(
    pair: Pair, arrived: int, next_length: int
) -> None:
    pair.store.take_picture(picture(1, 100_000))
    pair.turn()
    pair.turn()
    request = pair.request()
    assert request is not None
    assert len(request.body) == 2 * FIRST_PART_BYTES
    pair.tear(request, arrived)
    pair.machine.on_disconnect(was_sent=True, now=pair.now)
    pair.turn()
    part = pair.turn()
    assert (part.headers["Upload-Offset"], len(part.body)) == (str(FIRST_PART_BYTES + arrived), next_length)
    pair.finish()
    assert pair.repeated_bytes == 0


def test_what_surely_did_not_leave_is_sent_without_a_question(pair: Pair) -> None:
    pair.store.take_picture(picture(1, 900))
    pair.turn()
    assert pair.request() is not None
    pair.machine.on_disconnect(was_sent=False, now=pair.now)
    assert pair.turn().method == "POST"
    assert len(pair.server.media) == 1


@pytest.mark.parametrize("broken", ["body", "signature", "page"])
def test_an_answer_to_a_part_that_does_not_verify_is_no_answer(pair: Pair, broken: str) -> None:
    sha256 = pair.store.take_picture(picture(1, 900))
    pair.turn()
    request = pair.request()
    assert request is not None
    status, headers, body = pair.ask(request)
    answers: dict[str, Response] = {
        "body": (status, headers, body.replace(b"true", b"false")),
        "signature": (status, {**headers, "Signature": "passerelle=:" + "A" * 86 + "==:"}, body),
        "page": (502, {}, b"<html>Bad gateway</html>"),
    }
    pair.answer(answers[broken])
    assert (pair.machine.state, pair.store.medium_fates[sha256]) == (UploadState.PAUSED, MediumFate.WAITING)
    pair.finish()
    assert (len(pair.parts), pair.store.medium_fates[sha256]) == (1, MediumFate.WHOLE)


def test_only_a_signed_word_makes_a_medium_whole(pair: Pair) -> None:
    sha256 = pair.store.take_picture(picture(1, 900))
    pair.turn()
    request = pair.request()
    assert request is not None
    pair.machine.on_disconnect(was_sent=True, now=pair.now)
    assert pair.request() is not None
    pair.answer((200, {"Upload-Offset": "900", "Upload-Complete": "?1"}, b""))  # of a proxy that lies
    assert pair.machine.next_request(pair.now) is None
    assert (pair.machine.state, pair.store.medium_fates[sha256]) == (UploadState.DONE, MediumFate.WAITING)
    assert isinstance(pair.machine, Upload)
    assert pair.machine.unconfirmed == {sha256: 900}
    pair.finish()
    assert pair.server.media.keys() == {sha256}


def test_an_offset_that_the_server_corrects_is_adopted(pair: Pair) -> None:
    content = picture(1, 100_000)
    sha256 = pair.store.take_picture(content)
    pair.turn()
    pair.server.parts[sha256] = content[:70_000]  # another device delivered the beginning meanwhile
    pair.turn()
    assert (pair.machine.state, pair.machine.reason) == (UploadState.READY, None)
    assert pair.turn().headers["Upload-Offset"] == "70000"
    pair.server.media[sha256] = content
    pair.turn()
    assert pair.store.medium_fates[sha256] is MediumFate.WHOLE


def test_a_server_that_corrects_without_end_is_left_alone_for_a_while(pair: Pair) -> None:
    pair.store.take_picture(picture(1, 900))
    pair.turn()
    for offset in (1, 2, 3, 4):
        pair.server.media_refusal = refusal("offset-mismatch", next_offset=offset)
        pair.turn()
    assert (pair.machine.state, pair.machine.reason) == (UploadState.PAUSED, "offset-mismatch")


def test_the_servers_limit_of_a_part_is_kept(pair: Pair) -> None:
    pair.store.take_picture(picture(1, 120_000))
    pair.server.largest_part = 20_000
    pair.finish()
    assert len(pair.server.media) == 1
    assert pair.parts[-1][1] <= 20_000


def test_a_medium_that_the_server_will_not_take_delays_no_other(pair: Pair) -> None:
    small = pair.store.take_picture(picture(1, 900))
    large = pair.store.take_picture(picture(2, 1_900))
    pair.turn()
    pair.server.media_refusal = refusal("unsupported-media")
    pair.turn()
    pair.server.media_refusal = None
    while (request := pair.machine.next_request(pair.now)) is not None:
        pair.answer(pair.ask(request))
    assert pair.machine.put_off == {small: "unsupported-media"}
    assert pair.store.medium_fates == {small: MediumFate.WAITING, large: MediumFate.WHOLE}
    pair.finish()
    assert pair.store.medium_fates == {small: MediumFate.WHOLE, large: MediumFate.WHOLE}


@pytest.mark.parametrize(
    ("slug", "state"), [("device-unknown", UploadState.STOPPED), ("storage-full", UploadState.PAUSED)]
)
def test_refusals_of_the_device_stop_and_those_for_now_pause(pair: Pair, slug: str, state: UploadState) -> None:
    sha256 = pair.store.take_picture(picture(1, 900))
    pair.turn()
    pair.server.media_refusal = replace(refusal(slug), retry_after_seconds=600)
    pair.turn()
    assert (pair.machine.state, pair.machine.reason) == (state, slug)
    assert pair.store.medium_fates[sha256] is MediumFate.WAITING
    if state is UploadState.PAUSED:
        assert pair.machine.retry_at == pair.now + timedelta(seconds=600)


def test_a_refusal_to_be_tried_again_is_tried_again(pair: Pair) -> None:
    pair.store.take_picture(picture(1, 900))
    pair.turn()
    pair.server.media_refusal = Problem(slug="digest-mismatch", status=400, retry=Retry.SAME)
    for _ in range(4):
        pair.turn()
    assert (pair.machine.state, pair.machine.reason) == (UploadState.PAUSED, "digest-mismatch")


def test_many_media_are_offered_a_page_at_a_time(pair: Pair) -> None:
    for number in range(OFFER_LIMIT + 5):
        pair.store.take_picture(picture(number, 40))
    request = pair.turn()
    assert len(messages.decode_request(request.body).media) == OFFER_LIMIT
    pair.finish()
    assert len(pair.server.media) == OFFER_LIMIT + 5


def test_after_a_restore_media_are_offered_again(pair: Pair) -> None:
    pair.store.take_picture(picture(1, 40_000))
    pair.finish()
    pair.server.restore(kept=0)
    pair.server.lose_media()
    pair.restart()
    pair.finish()
    assert len(pair.server.media) == 1


def test_an_answer_without_a_part_is_an_error_of_the_caller(pair: Pair) -> None:
    upload = Upload(identity=pair.identity, store=pair.store, jitter=lambda: 0.5, offsets={})
    with pytest.raises(LocalError) as caught:
        upload.on_disconnect(was_sent=True, now=NOW)
    assert caught.value.code == "no-request"
    assert upload.next_request(NOW) is None
    assert upload.state is UploadState.DONE


def test_the_tables_name_every_state_and_event() -> None:
    assert set(UploadState) - {state for state, _ in UPLOADS} == {UploadState.DONE, UploadState.STOPPED}
    assert {event for _, event in UPLOADS} == set(UploadEvent)
    assert {event for _, event in MEDIA} == set(MediumEvent)
    assert not [event for fate, event in MEDIA if fate is MediumFate.DELETED]
    assert diagram(UPLOADS).count("-->") == len(UPLOADS) + 3


class TestPace:
    """How much goes at once."""

    def test_a_size_doubles_until_it_is_cut_and_then_after_many_in_a_row(self) -> None:
        pace = Pace(size=16, smallest=4, largest=1_000)
        for _ in range(3):
            pace.whole(pace.size)
        assert pace.size == 128
        pace.cut(128)
        for _ in range(PATIENCE - 1):
            pace.whole(64)
        assert pace.size == 64
        pace.whole(64)
        assert pace.size == 128

    def test_a_size_that_takes_long_is_not_doubled_at_once(self) -> None:
        pace = Pace(size=16, smallest=4, largest=1_000)
        pace.whole(16, seconds=8.0)
        assert pace.size == 16

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 2 * PART_BYTES)), max_size=60))
    def test_a_size_stays_within_its_bounds(self, events: list[tuple[bool, int]]) -> None:
        pace = part_pace()
        for is_whole, sent in events:
            (pace.whole if is_whole else pace.cut)(sent)
            assert pace.smallest <= pace.size <= pace.largest


@pytest.mark.parametrize(("keeps_torn", "at_most"), [(True, 1.15), (False, 1.30)])
def test_little_more_than_the_payload_is_written_on_a_link_that_is_cut_and_loses_answers(
    keeps_torn: bool, at_most: float
) -> None:
    """Cuts after exponential times of mean 20 s at 60 kbit/s, 30 % of the answers lost; 40 interviews, 10 photos."""
    written = payload = 0
    for seed in range(3):
        link = Link(ModelServer(), seed, keeps_torn)
        trip = Trip(link)
        for number in range(40):
            payload += len(trip.store.bodies[trip.store.seal(picture(number, 750))])
        for number in range(10):
            payload += len(trip.store.media[trip.store.take_picture(picture(number, 200_000))])
        trip.run()
        assert (len(link.server.media), len(link.server.envelopes)) == (10, 40)
        written += link.written
    assert written <= at_most * payload, f"{written / payload:.3f} times the payload"


FAULTS = ("none", "none", "none", "refused", "lost", "torn", "answer", "half", "repeated")


class BadLuck(RuleBasedStateMachine):
    """Interviews and media are made, everything is lost, torn and repeated, devices and servers restart."""

    upload_class: type[Upload] = Upload

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.pair.upload_class = self.upload_class
        self.pair.pace = Pace(size=64, smallest=16, largest=4_096)
        self.was_restored = False

    @rule(length=st.integers(1, 3_000))
    def take_a_picture(self, length: int) -> None:
        self.pair.store.take_picture(picture(len(self.pair.store.media), length))

    @rule()
    def seal(self) -> None:
        self.pair.store.seal(b"interview %d" % len(self.pair.store.bodies))

    @rule(turns=st.lists(st.tuples(st.sampled_from(FAULTS), st.floats(0, 1)), min_size=1, max_size=8))
    def send(self, turns: list[tuple[str, float]]) -> None:
        for fault, part in turns:
            self._send(fault, part)

    def _send(self, fault: str, part: float) -> None:
        request = self.pair.request()
        if request is None:
            if self.pair.machine.retry_at is None:
                self.pair.restart()
            return
        if fault in ("refused", "lost", "torn"):
            if fault == "torn":
                self.pair.tear(request, int(len(request.body) * part))
            self.pair.machine.on_disconnect(was_sent=fault != "refused", now=self.pair.now)
            return
        response = self.pair.ask(request)
        if fault == "repeated":
            response = self.pair.server.handle(request.method, request.path, request.headers, request.body)
        if fault == "answer":
            self.pair.machine.on_disconnect(was_sent=True, now=self.pair.now)
        else:
            status, headers, body = response
            self.pair.answer((status, headers, body[:-1] if fault == "half" else body))

    @rule()
    def restart(self) -> None:
        self.pair.restart()

    @rule()
    def restore_the_server(self) -> None:
        self.pair.server.restore(kept=len(self.pair.server.envelopes) // 2)
        self.pair.server.lose_media()
        self.was_restored = True

    @invariant()
    def what_is_whole_is_on_the_server(self) -> None:
        if not self.was_restored:
            whole = {sha256 for sha256, fate in self.pair.store.medium_fates.items() if fate is MediumFate.WHOLE}
            assert whole <= set(self.pair.server.media)

    @invariant()
    def no_byte_is_sent_that_the_server_has(self) -> None:
        assert self.pair.repeated_bytes == 0, "repeated_bytes"

    @invariant()
    def the_server_has_what_was_taken(self) -> None:
        assert self.pair.server.media.items() <= self.pair.store.media.items()

    def teardown(self) -> None:
        self.pair.restart()
        self.pair.finish()
        assert self.pair.server.media == self.pair.store.media
        assert set(self.pair.store.medium_fates.values()) <= {MediumFate.WHOLE}
        assert set(self.pair.server.envelopes) == set(self.pair.store.bodies)


TestBadLuck = BadLuck.TestCase
TestBadLuck.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


class ResendsBeforeAsking(Upload):
    """Wrong on purpose: it takes a lost answer for a lost part."""

    def _lost(self, part: object) -> None:
        return None


def test_an_upload_that_sends_again_before_it_asks_is_found_out() -> None:
    class Mutant(BadLuck):
        upload_class = ResendsBeforeAsking

    few = settings(
        max_examples=50,
        stateful_step_count=20,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
    )
    with pytest.raises(AssertionError, match="repeated_bytes"):
        run_state_machine_as_test(Mutant, settings=few)
