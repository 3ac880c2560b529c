"""What a device's exchange stores, and what it refuses. Every answer is signed, or the tablet would not read it."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.context import Context
from server.db.queries import devices, feed
from sync_protocol import messages, signatures
from sync_protocol.constants import EXCHANGE_BYTES
from sync_protocol.envelope import envelope_id
from sync_protocol.messages import ReceiptCode, Retry
from sync_protocol.pull_items import RevocationPull
from tests.office import Tablet, envelope, leave_pages, revoke, stored

STORED, DUPLICATE, QUARANTINED = ReceiptCode.STORED, ReceiptCode.DUPLICATE, ReceiptCode.QUARANTINED


def test_every_envelope_gets_a_receipt_and_is_kept_byte_for_byte(tablet: Tablet, context: Context) -> None:
    sent = [envelope(number) for number in range(5)]
    reply = tablet.exchange(*sent)
    assert reply.codes == [STORED] * 5
    assert [body for _, _, _, body in stored(context)] == sent
    assert {state for _, state, _, _ in stored(context)} == {"received"}


def test_the_same_again_is_a_duplicate_with_its_first_number(tablet: Tablet, context: Context) -> None:
    first = tablet.exchange(envelope(1), envelope(2))
    again = tablet.exchange(envelope(2), envelope(3), envelope(1))
    assert again.codes == [DUPLICATE, STORED, DUPLICATE]
    assert [again.sequences[0], again.sequences[2]] == [first.sequences[1], first.sequences[0]]
    assert len(stored(context)) == 3


def test_one_request_may_hold_the_same_envelope_twice(tablet: Tablet, context: Context) -> None:
    reply = tablet.exchange(envelope(1), envelope(1))
    assert reply.codes == [STORED, DUPLICATE]
    assert reply.sequences[0] == reply.sequences[1]
    assert len(stored(context)) == 1


def test_any_enrolled_device_delivers_any_devices_envelopes(
    tablet: Tablet, another_tablet: Callable[..., Tablet]
) -> None:
    tablet.exchange(envelope(1))
    assert another_tablet().exchange(envelope(1), envelope(2)).codes == [DUPLICATE, STORED]


def test_what_nobody_understands_is_kept_apart_and_delays_nothing(tablet: Tablet, context: Context) -> None:
    odd = [
        b"",
        b"nonsense",
        envelope(1)[:50],
        envelope(3)[:6] + b"\x09" + envelope(3)[7:],
        b"PSRL\x09" + envelope(4)[5:],
    ]
    reply = tablet.exchange(envelope(0), *odd, envelope(9))
    assert reply.codes == [STORED, *[QUARANTINED] * len(odd), STORED]
    reasons = {body: reason for _, state, reason, body in stored(context) if state == "quarantined"}
    assert reasons == {
        odd[0]: "malformed",
        odd[1]: "malformed",
        odd[2]: "truncated",
        odd[3]: "unknown-kind",
        odd[4]: "unknown-version",
    }
    assert tablet.exchange(*odd).codes == [DUPLICATE] * len(odd)


@given(bodies=st.lists(st.binary(max_size=200), max_size=20))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_well_framed_gets_a_code(sqlite_tablet: Tablet, bodies: list[bytes]) -> None:
    reply = sqlite_tablet.exchange(*bodies)
    assert len(reply.codes) == len(bodies)
    assert all(code.is_kept for code in reply.codes)
    kept = {body for _, _, _, body in stored(sqlite_tablet.context)}
    assert set(bodies) <= kept


def test_a_torn_body_stores_nothing_wherever_it_is_torn(sqlite_tablet: Tablet) -> None:
    body = sqlite_tablet.body(envelope(1), envelope(2))
    for length in (*range(0, len(body), 11), len(body) - 1):
        reply = sqlite_tablet.send(body[:length], signed=body)
        assert (reply.status, reply.problem and reply.problem.slug) == (400, "digest-mismatch")
    assert stored(sqlite_tablet.context) == []
    assert sqlite_tablet.send(body).codes == [STORED, STORED]


def test_a_flipped_byte_stores_nothing_wherever_it_is(sqlite_tablet: Tablet) -> None:
    body = sqlite_tablet.body(envelope(1))
    for position in range(0, len(body), 7):
        flipped = bytearray(body)
        flipped[position] ^= 1
        reply = sqlite_tablet.send(bytes(flipped), signed=body)
        assert reply.problem is not None
        assert (reply.problem.slug, reply.problem.retry, reply.is_signed) == ("digest-mismatch", Retry.SAME, True)
    assert stored(sqlite_tablet.context) == []


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x00\x00\x00\x01x", b"\xff\xff\xff\xff", b"{}"])
def test_a_signed_body_that_is_no_exchange_is_malformed(sqlite_tablet: Tablet, body: bytes) -> None:
    reply = sqlite_tablet.send(body)
    assert (reply.status, reply.problem and reply.problem.slug, reply.is_signed) == (400, "malformed", True)


def test_a_body_over_the_limit_is_refused_before_it_is_read(sqlite_tablet: Tablet) -> None:
    reply = sqlite_tablet.send(bytes(EXCHANGE_BYTES + 1))
    assert reply.problem is not None
    assert (reply.status, reply.problem.slug, reply.problem.retry) == (413, "too-large", Retry.SMALLER)
    assert not reply.is_signed, "nobody knows whose body it was"
    assert stored(sqlite_tablet.context) == []


def test_nobody_makes_the_office_refuse_what_the_device_sent(sqlite_tablet: Tablet) -> None:
    """Whoever stands between them and holds no key: a padded body, another header, no signature at all."""
    body = sqlite_tablet.body(envelope(1))
    path = messages.PATH_EXCHANGE
    signed = signatures.sign_request("POST", path, body, device_id=sqlite_tablet.device_id, key=sqlite_tablet.key)
    whole = {"Content-Type": messages.MEDIA_TYPE_EXCHANGE, **signed}
    padded = body + bytes(EXCHANGE_BYTES)
    for sent, changed, status in [
        (padded, {}, 413),
        (padded, {"Signature": "", "Signature-Input": ""}, 401),
        (body, {"Content-Type": "text/plain"}, 415),
        (body, {"Signature": "passerelle=:" + "A" * 86 + "==:"}, 401),
    ]:
        answer = sqlite_tablet.client.post(path, data=sent, headers={**whole, **changed})
        assert (answer.status_code, "Signature" in answer.headers) == (status, False)
    assert sqlite_tablet.send(body).codes == [STORED]


def test_an_envelope_over_the_limit_is_refused_and_nothing_stored(sqlite_tablet: Tablet) -> None:
    reply = sqlite_tablet.exchange(envelope(1), envelope(2, content=bytes(1 << 20)))
    assert reply.problem is not None
    assert (reply.status, reply.problem.slug) == (413, "too-large")
    assert stored(sqlite_tablet.context) == []


def test_a_body_of_another_type_is_refused(sqlite_tablet: Tablet) -> None:
    reply = sqlite_tablet.send(b"{}", media_type="application/json")
    assert reply.problem is not None
    assert (reply.status, reply.problem.slug) == (415, "unsupported-media")


def test_the_same_request_again_is_refused_with_the_next_counter(tablet: Tablet, context: Context) -> None:
    body = tablet.body(envelope(1))
    tablet.send(body)
    again = tablet.send(body)
    assert again.problem is not None
    assert (again.status, again.problem.slug, again.problem.next_counter) == (409, "counter-replayed", 2)
    assert len(stored(context)) == 1


def test_a_counter_that_is_behind_is_refused_and_nothing_stored(tablet: Tablet, context: Context) -> None:
    tablet.exchange(counter=50)
    reply = tablet.exchange(envelope(1), counter=7)
    assert reply.problem is not None
    assert (reply.status, reply.problem.slug, reply.problem.next_counter) == (409, "counter-behind", 51)
    assert stored(context) == []
    assert tablet.exchange(envelope(1), counter=51).codes == [STORED]


def test_a_device_that_nobody_enrolled_is_refused(sqlite_context: Context, sqlite_client: FlaskClient) -> None:
    stranger = Tablet(sqlite_context, sqlite_client)
    stranger.device_id = "0123456789abcdef"
    reply = stranger.exchange(envelope(1))
    assert (reply.status, reply.problem and reply.problem.slug) == (403, "device-unknown")
    assert stored(sqlite_context) == []


def test_a_signature_of_another_key_is_refused(sqlite_tablet: Tablet) -> None:
    reply = sqlite_tablet.send(sqlite_tablet.body(envelope(1)), key=Ed25519PrivateKey.generate())
    assert (reply.status, reply.problem and reply.problem.slug) == (401, "signature-invalid")
    assert stored(sqlite_tablet.context) == []


def test_a_device_cannot_speak_for_another(
    sqlite_tablet: Tablet, sqlite_context: Context, sqlite_client: FlaskClient
) -> None:
    other = Tablet(sqlite_context, sqlite_client, "0002").enrol()
    reply = sqlite_tablet.exchange(envelope(1), device_id=other.device_id)
    assert (reply.status, reply.problem and reply.problem.slug) == (400, "malformed")
    assert stored(sqlite_context) == []


def test_a_revoked_device_delivers_into_quarantine_and_hears_that_it_is_revoked(
    tablet: Tablet, context: Context
) -> None:
    tablet.exchange(envelope(1))
    revoke(context, tablet.device_id)
    reply = tablet.exchange(envelope(1), envelope(2))
    assert reply.codes == [DUPLICATE, QUARANTINED]
    assert [(state, reason) for _, state, reason, _ in stored(context)] == [
        ("received", None),
        ("quarantined", "after-revocation"),
    ]
    assert reply.answer is not None
    assert [type(item) for item in reply.answer.pull] == [RevocationPull]
    again = tablet.exchange()
    assert again.answer is not None
    assert (again.answer.pull, again.answer.cursor) == ((), reply.answer.cursor)


def test_what_a_device_asks_about_is_answered_by_hash(tablet: Tablet) -> None:
    first = tablet.exchange(*[envelope(number) for number in range(120)])
    prefixes = tuple(envelope_id(envelope(number))[:16] for number in (3, 500, 119, 0))
    reply = tablet.exchange(envelope(200), have=prefixes)
    assert reply.answer is not None
    found = {receipt.index: (receipt.code, receipt.sequence) for receipt in reply.answer.receipts}
    assert found == {
        0: (STORED, reply.sequences[0]),
        1: (DUPLICATE, first.sequences[3]),
        3: (DUPLICATE, first.sequences[119]),
        4: (DUPLICATE, first.sequences[0]),
    }


def test_a_cursor_of_another_life_of_the_database_expires_and_nothing_is_stored(
    tablet: Tablet, context: Context
) -> None:
    tablet.exchange()
    with context.database.transaction() as session:
        feed.start_anew(session, "another life")
    reply = tablet.exchange(envelope(1))
    assert reply.problem is not None
    assert (reply.status, reply.problem.slug, reply.problem.retry) == (410, "cursor-expired", Retry.SAME)
    assert stored(context) == []
    with context.database.read() as session:
        device = devices.device(session, tablet.device_id)
    assert device is not None
    assert device.counter == 1


@pytest.mark.parametrize("cursor", ["x", "a.b.c.d", "....", "🙂", "1.2.3.zz"])
def test_a_cursor_that_nobody_wrote_expires(sqlite_tablet: Tablet, cursor: str) -> None:
    reply = sqlite_tablet.exchange(envelope(1), since=cursor)
    assert (reply.status, reply.problem and reply.problem.slug) == (410, "cursor-expired")


def test_a_full_disk_is_said_under_signature_and_nothing_is_stored_half(sqlite_tablet: Tablet) -> None:
    database = sqlite_tablet.context.database
    sqlite_tablet.exchange(envelope(0))
    leave_pages(database, 2)
    reply = sqlite_tablet.exchange(*[envelope(number, content=bytes(4000)) for number in range(1, 40)])
    assert reply.problem is not None
    assert (reply.status, reply.problem.slug, reply.problem.retry) == (507, "storage-full", Retry.AFTER)
    assert len(stored(sqlite_tablet.context)) == 1
    leave_pages(database, 1 << 20)
    assert set(sqlite_tablet.exchange(*[envelope(number) for number in range(1, 40)]).codes) == {STORED}


def test_an_old_protocol_version_is_refused_by_name(sqlite_tablet: Tablet) -> None:
    reply = sqlite_tablet.exchange(version=99)
    assert (reply.status, reply.problem and reply.problem.slug) == (400, "version-unsupported")
