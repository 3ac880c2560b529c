"""The device's side of the exchange: each rule once, then all of them under every kind of bad luck."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sync_protocol import messages, signatures
from sync_protocol.constants import ENVELOPE_BYTES
from sync_protocol.documents import key_id
from sync_protocol.errors import LocalError
from sync_protocol.exchange import ExchangeClient, Request
from sync_protocol.messages import Problem, ReceiptCode, Retry
from sync_protocol.pull_items import FormVersionPull, KeyringPull, VerdictPull
from sync_protocol.storage import Identity
from sync_protocol.transitions import FATES, TRANSITIONS, Event, Fate, FateEvent, State, diagram
from tests.sync_protocol.memory_store import MemoryStore
from tests.sync_protocol.model_server import NOW, ModelServer, Response, private_key, raw_public

DEVICE_KEY = private_key("device")


def form(number: int) -> FormVersionPull:
    xform = b"<h:html/>" + bytes([number % 256])
    return FormVersionPull(
        form_id="f", version=str(number), title="F", hash=hashlib.sha256(xform).digest(), xform=xform
    )


class Pair:
    """A device and an office."""

    def __init__(self) -> None:
        self.server = ModelServer(devices={"device-1": raw_public(DEVICE_KEY)})
        self.store = MemoryStore(self.server.keyring(), self.server.root_key)
        self.now = NOW
        self.client = self.new_client()

    def new_client(self) -> ExchangeClient:
        identity = Identity(device_id="device-1", signer=DEVICE_KEY, root_key=self.server.root_key)
        return ExchangeClient(identity=identity, store=self.store, jitter=lambda: 0.5)

    def request(self) -> Request:
        request = self.client.next_request(self.now)
        assert request is not None
        return request

    def ask(self, request: Request) -> Response:
        return self.server.handle(request.method, request.path, request.headers, request.body)

    def answer(self, response: Response) -> None:
        status, headers, body = response
        self.client.on_response(status, headers, body, now=self.now)

    def turn(self) -> None:
        self.answer(self.ask(self.request()))

    def finish(self, limit: int = 200) -> None:
        """Exchange without faults until nothing is left."""
        self.client = self.new_client()
        for _ in range(limit):
            request = self.client.next_request(self.now)
            if request is None:
                if self.client.retry_at is None:
                    return
                self.now = self.client.retry_at
                continue
            self.answer(self.ask(request))
        raise AssertionError("the exchange does not come to an end")


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_an_exchange_sends_what_waits_and_is_synced_when_it_is_receipted(pair: Pair) -> None:
    sealed = [pair.store.seal(b"envelope %d" % number) for number in range(3)]
    pair.turn()
    assert pair.client.state is State.SYNCED
    assert [pair.store.fates[envelope_id] for envelope_id in sealed] == [Fate.RECEIPTED] * 3
    assert [pair.store.sequences[envelope_id] for envelope_id in sealed] == [1, 2, 3]
    assert pair.client.next_request(pair.now) is None


def test_a_lost_answer_is_asked_for_by_hash_and_nothing_is_sent_again(pair: Pair) -> None:
    sealed = pair.store.seal(b"envelope")
    pair.ask(pair.request())
    pair.client.on_disconnect(was_sent=True, now=pair.now)
    assert pair.store.fates[sealed] is Fate.SENT
    pair.now += timedelta(minutes=1)
    request = pair.request()
    control = messages.decode_request(request.body)
    assert (control.have, control.envelopes) == ((sealed[:16],), ())
    pair.answer(pair.ask(request))
    assert pair.store.fates[sealed] is Fate.RECEIPTED
    assert pair.client.tally.sent == 1


def test_a_lost_request_is_asked_for_and_then_sent_again(pair: Pair) -> None:
    sealed = pair.store.seal(b"envelope")
    pair.request()
    pair.client.on_disconnect(was_sent=True, now=pair.now)
    pair.now += timedelta(minutes=1)
    pair.turn()
    assert (pair.client.state, pair.store.fates[sealed]) == (State.READY, Fate.WAITING)
    pair.turn()
    assert (pair.client.state, pair.store.fates[sealed]) == (State.SYNCED, Fate.RECEIPTED)


def test_what_surely_did_not_leave_is_sent_without_asking(pair: Pair) -> None:
    pair.store.seal(b"envelope")
    pair.request()
    pair.client.on_disconnect(was_sent=False, now=pair.now)
    pair.now += timedelta(minutes=1)
    control = messages.decode_request(pair.request().body)
    assert (control.have, control.envelopes) == ((), (b"envelope",))


def test_a_restart_in_the_middle_asks_for_what_was_sent(pair: Pair) -> None:
    sealed = pair.store.seal(b"envelope")
    pair.request()
    pair.client = pair.new_client()
    control = messages.decode_request(pair.request().body)
    assert control.have == (sealed[:16],)


@pytest.mark.parametrize("part", ["body", "signature", "status", "page"])
def test_an_answer_that_does_not_verify_is_no_answer(pair: Pair, part: str) -> None:
    sealed = pair.store.seal(b"envelope")
    status, headers, body = pair.ask(pair.request())
    broken: dict[str, Response] = {
        "body": (status, headers, body[:-1]),
        "signature": (status, {**headers, "Signature": "passerelle=:" + "A" * 86 + "==:"}, body),
        "status": (201, headers, body),
        "page": (502, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>"),
    }
    pair.answer(broken[part])
    assert pair.client.state is State.PAUSED
    assert pair.store.fates[sealed] is Fate.SENT
    assert pair.store.cursor() is None


def test_an_answer_to_another_request_is_no_answer(pair: Pair) -> None:
    old = pair.ask(pair.request())
    pair.client = pair.new_client()
    sealed = pair.store.seal(b"envelope")
    pair.request()
    pair.answer(old)
    assert (pair.client.state, pair.store.fates[sealed]) == (State.PAUSED, Fate.SENT)


def test_a_refusal_that_does_not_verify_stops_nothing(pair: Pair) -> None:
    pair.request()
    problem = Problem(slug="device-unknown", status=403, retry=Retry.NEVER)
    pair.answer((403, {}, messages.encode_problem(problem, title="No")))
    assert pair.client.state is State.PAUSED


def test_a_counter_that_is_behind_is_adopted_and_the_same_is_sent_at_once(pair: Pair) -> None:
    sealed = pair.store.seal(b"envelope")
    pair.server.counters["device-1"] = 41
    pair.turn()
    assert (pair.client.state, pair.client.reason) == (State.READY, "counter-behind")
    request = pair.request()
    assert messages.decode_request(request.body).counter == 42
    pair.answer(pair.ask(request))
    assert (pair.client.state, pair.store.fates[sealed]) == (State.SYNCED, Fate.RECEIPTED)


def test_a_request_that_the_network_repeats_is_answered_as_replayed_and_recovers(pair: Pair) -> None:
    pair.store.seal(b"envelope")
    request = pair.request()
    pair.ask(request)
    pair.answer(pair.ask(request))
    assert pair.client.reason == "counter-replayed"
    pair.turn()
    assert pair.client.state is State.SYNCED
    assert pair.server.next_sequence == 2


def test_a_server_that_corrects_without_end_is_left_alone_for_a_while(pair: Pair) -> None:
    pair.server.refuse_with = Problem(slug="digest-mismatch", status=400, retry=Retry.SAME)
    for _ in range(4):
        pair.turn()
    assert (pair.client.state, pair.client.reason) == (State.PAUSED, "digest-mismatch")


def test_a_batch_that_is_too_large_is_halved(pair: Pair) -> None:
    for number in range(40):
        pair.store.seal(b"envelope %d" % number)
    pair.server.largest_batch = 7
    pair.finish()
    assert set(pair.store.fates.values()) == {Fate.RECEIPTED}


def test_forty_interviews_and_the_epoch_of_their_day_go_in_one_exchange(pair: Pair) -> None:
    for number in range(41):
        pair.store.seal(bytes([number]) * 830)
    pair.turn()
    assert (pair.client.state, pair.client.tally.exchanges) == (State.SYNCED, 1)


def test_a_batch_that_is_cut_is_halved_and_recovers(pair: Pair) -> None:
    for number in range(400):
        pair.store.seal(number.to_bytes(2) * 400)
    sizes = []
    for turn in range(9):
        request = pair.request()
        sizes.append(len(messages.decode_request(request.body).envelopes))
        if turn == 1:
            pair.client.on_disconnect(was_sent=False, torn_bytes=9_000, now=pair.now)
            pair.now += timedelta(minutes=1)
        else:
            pair.answer(pair.ask(request))
    assert sizes[:3] == [51, 102, 51], "doubled, cut, halved"
    pair.finish()
    assert set(pair.store.fates.values()) == {Fate.RECEIPTED}


def test_a_cut_in_the_middle_of_a_request_needs_no_question(pair: Pair) -> None:
    pair.store.seal(b"envelope")
    pair.request()
    pair.client.on_disconnect(was_sent=False, torn_bytes=100, now=pair.now)
    pair.now += timedelta(minutes=1)
    control = messages.decode_request(pair.request().body)
    assert (control.have, control.envelopes) == ((), (b"envelope",))


def test_each_exchange_names_a_new_receiving_key(pair: Pair) -> None:
    for _ in range(2):
        pair.client = pair.new_client()
        pair.turn()
    assert pair.server.named_keys["device-1"] == pair.store.named_keys
    assert len(set(pair.store.named_keys)) == 2


def test_an_offset_beyond_the_end_of_a_medium_is_no_answer(pair: Pair) -> None:
    sha256 = pair.store.take_picture(b"picture")
    pair.server.parts[sha256] = b"more than the picture"
    pair.turn()
    assert (pair.client.state, pair.client.reason) == (State.PAUSED, "malformed")


def test_an_envelope_that_is_too_large_by_itself_delays_no_other(pair: Pair) -> None:
    sealed = [pair.store.seal(body) for body in (b"a", b"x" * 100, b"b", b"c")]
    pair.server.largest_envelope = 50
    pair.finish()
    assert [pair.store.fates[envelope_id] for envelope_id in sealed] == [
        Fate.RECEIPTED, Fate.REFUSED, Fate.RECEIPTED, Fate.RECEIPTED,
    ]  # fmt: skip
    assert pair.store.bodies[sealed[1]] == b"x" * 100


@pytest.mark.parametrize("code", [ReceiptCode.QUOTA, ReceiptCode.STORAGE_FAULT])
def test_what_the_server_cannot_keep_now_waits(pair: Pair, code: ReceiptCode) -> None:
    sealed = pair.store.seal(b"envelope")
    pair.server.storage_code = code
    pair.turn()
    assert (pair.client.state, pair.store.fates[sealed]) == (State.PAUSED, Fate.WAITING)
    pair.server.storage_code = None
    pair.finish()
    assert pair.store.fates[sealed] is Fate.RECEIPTED


@pytest.mark.parametrize(
    ("code", "fate"), [(ReceiptCode.ERASED, Fate.RECEIPTED), (ReceiptCode.QUARANTINED, Fate.RECEIPTED)]
)
def test_what_the_server_answers_for_is_not_sent_again(pair: Pair, code: ReceiptCode, fate: Fate) -> None:
    sealed = pair.store.seal(b"envelope")
    pair.server.storage_code = code
    pair.turn()
    assert (pair.client.state, pair.store.fates[sealed]) == (State.SYNCED, fate)


def test_a_refusal_for_good_stops_and_deletes_nothing(pair: Pair) -> None:
    sealed = pair.store.seal(b"envelope")
    pair.server.devices.clear()
    pair.turn()
    assert (pair.client.state, pair.client.reason) == (State.STOPPED, "device-unknown")
    assert (pair.store.fates[sealed], pair.store.bodies[sealed]) == (Fate.WAITING, b"envelope")
    assert pair.client.next_request(pair.now + timedelta(days=1)) is None


def test_a_pause_is_as_long_as_the_server_asks(pair: Pair) -> None:
    pair.server.refuse_with = Problem(slug="maintenance", status=503, retry=Retry.AFTER, retry_after_seconds=300)
    pair.turn()
    assert pair.client.retry_at == pair.now + timedelta(seconds=300)
    assert pair.client.next_request(pair.now + timedelta(seconds=299)) is None
    assert pair.client.next_request(pair.now + timedelta(seconds=300)) is not None


def test_pauses_grow_and_have_a_ceiling(pair: Pair) -> None:
    lengths = []
    for _ in range(14):
        pair.request()
        pair.client.on_disconnect(was_sent=True, now=pair.now)
        assert pair.client.retry_at is not None
        lengths.append((pair.client.retry_at - pair.now).total_seconds())
        pair.now = pair.client.retry_at
    assert lengths[:4] == [1.5, 3.0, 6.0, 12.0]
    assert lengths[-1] == 675.0


def test_forms_and_verdicts_are_pulled_page_by_page(pair: Pair) -> None:
    verdict = VerdictPull(instance_id=bytes(16), envelope_id=bytes(32), state="opened")
    pair.server.feed = [*(form(number) for number in range(7)), verdict]
    pair.finish()
    assert pair.store.pulled == pair.server.feed


def test_a_form_that_is_not_the_one_of_its_hash_is_passed_over(pair: Pair) -> None:
    pair.server.feed = [replace(form(1), xform=b"<swapped/>"), form(2)]
    pair.finish()
    assert pair.store.pulled == [form(2)]


def test_a_rotated_receipt_key_is_believed_because_the_root_signed_its_keyring(pair: Pair) -> None:
    pair.store.seal(b"envelope")
    pair.server.rotate_receipt_key()
    pair.turn()
    assert pair.client.state is State.SYNCED
    assert pair.store.keyring().serial == 2


def test_a_refusal_brings_the_keyring_that_verifies_it(pair: Pair) -> None:
    sealed = pair.store.seal(b"envelope")
    pair.server.rotate_receipt_key()
    pair.server.counters["device-1"] = 41
    pair.turn()
    assert (pair.client.state, pair.client.reason) == (State.READY, "counter-behind")
    assert pair.store.keyring().serial == 2
    pair.turn()
    assert pair.store.fates[sealed] is Fate.RECEIPTED


def test_a_keyring_of_another_root_is_not_believed(pair: Pair) -> None:
    sealed = pair.store.seal(b"envelope")
    pair.server.rotate_receipt_key()
    pair.server.root = private_key("usurper")
    pair.turn()
    assert (pair.client.state, pair.client.reason) == (State.PAUSED, "signature-invalid")
    assert (pair.store.fates[sealed], pair.store.keyring().serial) == (Fate.SENT, 1)


def test_an_older_keyring_never_replaces_a_newer_one(pair: Pair) -> None:
    older = pair.server.keyring()
    pair.server.serial = 2
    pair.store.keyring_document = pair.server.keyring()
    pair.server.feed = [KeyringPull(document=older)]
    pair.finish()
    assert pair.store.keyring().serial == 2


def test_after_a_restore_every_envelope_is_offered_again_by_hash(pair: Pair) -> None:
    sealed = [pair.store.seal(b"envelope %d" % number) for number in range(5)]
    pair.finish()
    pair.server.restore(kept=2)
    pair.finish()
    assert set(pair.server.envelopes) == set(sealed)
    assert set(pair.store.fates.values()) == {Fate.RECEIPTED}


def test_a_receipt_for_an_entry_that_was_not_sent_is_no_answer(pair: Pair) -> None:
    pair.store.seal(b"envelope")
    request = pair.request()
    answer = messages.ExchangeAnswer(
        server_time=NOW, receipts=(messages.Receipt(1, ReceiptCode.STORED, 1),), cursor=None
    )
    body = messages.encode_answer(answer)
    _, headers, _ = pair.ask(request)
    key_id = signatures.answer_key_id(headers)
    digest = signatures.request_digest(request.body)
    signed = signatures.sign_answer(
        200, body, method="POST", path=request.path, request_digest=digest, key=pair.server.receipt, key_id=key_id
    )
    pair.answer((200, signed, body))
    assert (pair.client.state, pair.client.reason) == (State.PAUSED, "malformed")


class TestAnswersThatAskForPatience:
    """Signed answers of a server that is busy, or that does not do what it says."""

    def answered(self, pair: Pair, **members: object) -> None:
        request = pair.request()
        answer = messages.ExchangeAnswer(server_time=NOW, receipts=(), cursor=None, **members)  # type: ignore[arg-type]
        body = messages.encode_answer(answer)
        signed = signatures.sign_answer(
            200,
            body,
            method="POST",
            path=request.path,
            request_digest=signatures.request_digest(request.body),
            key=pair.server.receipt,
            key_id=key_id(raw_public(pair.server.receipt)),
        )
        pair.answer((200, signed, body))

    def test_more_without_anything_new_is_not_asked_for_at_once(self, pair: Pair) -> None:
        self.answered(pair, more=True)
        assert (pair.client.state, pair.client.reason) == (State.PAUSED, "no-progress")

    def test_a_busy_server_is_left_alone_as_long_as_it_asks(self, pair: Pair) -> None:
        self.answered(pair, more=True, backoff_seconds=30, pull=(form(1),))
        assert (pair.client.state, pair.client.reason) == (State.PAUSED, "rate-limited")
        assert pair.client.retry_at == NOW + timedelta(seconds=30)

    def test_a_busy_server_delays_nobody_who_has_nothing_left(self, pair: Pair) -> None:
        self.answered(pair, backoff_seconds=30)
        assert pair.client.state is State.SYNCED

    def test_an_envelope_without_a_receipt_is_sent_again(self, pair: Pair) -> None:
        sealed = pair.store.seal(b"envelope")
        self.answered(pair)
        assert pair.store.fates[sealed] is Fate.WAITING
        assert pair.client.reason == "no-progress"


def test_a_refusal_as_too_large_of_nothing_at_all_comes_to_a_pause(pair: Pair) -> None:
    pair.server.refuse_with = Problem(slug="too-large", status=413, retry=Retry.SMALLER)
    pair.turn()
    assert (pair.client.state, pair.client.reason) == (State.PAUSED, "too-large")


def test_no_refusal_of_a_whole_request_sets_an_envelope_aside(pair: Pair) -> None:
    sealed = [pair.store.seal(b"envelope %d" % number) for number in range(3)]
    pair.server.refuse_with = Problem(slug="too-large", status=413, retry=Retry.SMALLER)
    for _ in range(2):
        pair.turn()
    assert (pair.client.state, pair.client.reason) == (State.PAUSED, "too-large")
    assert [pair.store.fates[one] for one in sealed] == [Fate.WAITING] * 3
    pair.server.refuse_with = None
    pair.finish()
    assert [pair.store.fates[one] for one in sealed] == [Fate.RECEIPTED] * 3


def test_what_the_device_sees_to_be_over_the_limit_is_set_aside(pair: Pair) -> None:
    sealed = pair.store.seal(bytes(ENVELOPE_BYTES + 1))
    pair.turn()
    assert pair.store.fates[sealed] is Fate.REFUSED


def test_an_answer_without_a_request_is_an_error_of_the_caller(pair: Pair) -> None:
    with pytest.raises(LocalError) as caught:
        pair.client.on_disconnect(was_sent=True, now=NOW)
    assert caught.value.code == "no-request"


def test_every_state_that_is_not_final_has_a_way_out() -> None:
    left = {state for state, _ in TRANSITIONS}
    assert set(State) - left == {State.SYNCED, State.STOPPED}
    assert {event for _, event in TRANSITIONS} == set(Event)
    assert {event for _, event in FATES} == set(FateEvent)


def test_an_envelope_that_is_receipted_never_waits_again_without_a_question() -> None:
    following = {following for (fate, _), following in FATES.items() if fate is Fate.RECEIPTED}
    assert following == {Fate.SENT, Fate.DELETED, Fate.ERASED}
    assert {following for (fate, _), following in FATES.items() if fate in (Fate.DELETED, Fate.ERASED)} == {Fate.ERASED}


def test_a_diagram_names_every_transition() -> None:
    drawn = diagram(TRANSITIONS)
    assert drawn.count("-->") == len(TRANSITIONS) + 3


class BadLuck(RuleBasedStateMachine):
    """Interviews are sealed, requests and answers lost, repeated and torn, devices restarted, servers restored."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.sealed: dict[bytes, bytes] = {}
        self.sequences: dict[bytes, set[int]] = {}
        self.was_restored = False

    @rule(count=st.integers(1, 6))
    def seal(self, count: int) -> None:
        for _ in range(count):
            body = b"interview %d" % len(self.sealed)
            self.sealed[self.pair.store.seal(body)] = body
        if self.pair.client.state is State.SYNCED:
            self.pair.client = self.pair.new_client()

    @rule(fault=st.sampled_from(["none", "none", "refused", "request", "answer", "torn", "repeated", "crash"]))
    def exchange(self, fault: str) -> None:
        request = self.pair.client.next_request(self.pair.now)
        if request is None:
            self.pair.now = self.pair.client.retry_at or self.pair.now
            return
        if fault in ("refused", "request"):
            self.pair.client.on_disconnect(was_sent=fault == "request", now=self.pair.now)
            return
        response = self.pair.ask(request)
        if fault == "repeated":
            response = self.pair.ask(request)
        if fault == "answer":
            self.pair.client.on_disconnect(was_sent=True, now=self.pair.now)
        elif fault == "crash":
            self.pair.client = self.pair.new_client()
        elif fault == "torn":
            self.pair.answer((response[0], response[1], response[2][:-1]))
        else:
            self.pair.answer(response)

    @rule()
    def restart(self) -> None:
        self.pair.client = self.pair.new_client()

    @rule()
    def publish(self) -> None:
        self.pair.server.feed.append(form(len(self.pair.server.feed)))

    @rule()
    def rotate(self) -> None:
        self.pair.server.rotate_receipt_key()

    @rule(code=st.sampled_from([None, ReceiptCode.STORAGE_FAULT, ReceiptCode.QUOTA]))
    def fill_the_disk(self, code: ReceiptCode | None) -> None:
        self.pair.server.storage_code = code

    @rule(limit=st.integers(1, 5))
    def lower_the_limit(self, limit: int) -> None:
        self.pair.server.largest_batch = limit

    @rule()
    def restore_the_device(self) -> None:
        self.pair.store.counter //= 2
        self.pair.client = self.pair.new_client()

    @precondition(lambda self: self.pair.server.envelopes)
    @rule(data=st.data())
    def restore_the_server(self, data: st.DataObject) -> None:
        self.pair.server.restore(data.draw(st.integers(0, len(self.pair.server.envelopes) - 1)))
        self.was_restored = True

    @invariant()
    def nothing_is_deleted_or_changed_on_the_device(self) -> None:
        assert self.pair.store.bodies == self.sealed

    @invariant()
    def a_receipted_envelope_is_on_the_server(self) -> None:
        if not self.was_restored:
            receipted = {key for key, fate in self.pair.store.fates.items() if fate is Fate.RECEIPTED}
            assert receipted <= set(self.pair.server.envelopes)

    @invariant()
    def the_server_holds_each_envelope_once(self) -> None:
        assert set(self.pair.server.envelopes) <= set(self.sealed)
        assert len(set(self.pair.server.envelopes.values())) == len(self.pair.server.envelopes)

    def teardown(self) -> None:
        self.pair.server.storage_code = None
        self.pair.server.largest_batch = 500
        self.pair.finish()
        assert self.pair.client.state is State.SYNCED
        assert set(self.pair.server.envelopes) == set(self.sealed)
        assert set(self.pair.store.fates.values()) <= {Fate.RECEIPTED}
        assert set(self.pair.server.feed) <= set(self.pair.store.pulled)
        assert self.pair.store.sequences.keys() == self.sealed.keys()


TestBadLuck = BadLuck.TestCase
TestBadLuck.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
