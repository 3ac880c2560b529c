"""What an exchange stores of the device that carries it, and how much it takes of it in a day."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flask.testing import FlaskClient
from sqlalchemy import select, update

from server.clock import utc_now
from server.config import Config, ConfigError, Quota
from server.context import Context
from server.context.busy import BACKLOG_SECONDS, Busy
from server.context.pace import BURST, SECONDS_EACH, Pace
from server.db.tables import Device
from server.errors import RateLimited
from server.services import limit_logins
from sync_protocol.assignments import open_assignments
from sync_protocol.documents import key_id
from sync_protocol.messages import Backlog, MediumOffer, ReceiptCode
from sync_protocol.pull_items import AssignmentsPull
from tests.office import NOW, Tablet, envelope, revoke, stored
from tests.server.doors.test_pull import draw

STORED, DUPLICATE, QUOTA = ReceiptCode.STORED, ReceiptCode.DUPLICATE, ReceiptCode.QUOTA


def row(tablet: Tablet) -> Device:
    with tablet.context.database.read() as session:
        found = session.scalar(select(Device).where(Device.device_id == tablet.device_id))
        assert found is not None
        session.expunge(found)
    return found


def limited(context: Context, quota: Quota) -> None:
    context.config = replace(context.config, quota=quota)


def test_an_exchange_stores_what_the_device_says_of_itself(tablet: Tablet) -> None:
    backlog = Backlog(envelopes=3, interviews=2, body_bytes=4000, media=1, media_bytes=200_000, unsealed=4)
    tablet.exchange(envelope(1), backlog=backlog, keyring_serial=7, device_time=utc_now() + timedelta(hours=3))
    found = row(tablet)
    assert json.loads(found.backlog) == {
        "envelopes": 3, "interviews": 2, "body_bytes": 4000, "media": 1, "media_bytes": 200_000, "unsealed": 4
    }  # fmt: skip
    assert found.keyring_serial == 7
    assert abs((found.clock_offset_seconds or 0) - 3 * 3600) < 60
    assert (found.quota_day, found.quota_envelopes) == (f"{utc_now():%Y-%m-%d}", 1)
    tablet.exchange(device_time=NOW - timedelta(days=20_000))
    assert (row(tablet).clock_offset_seconds or 0) < -10_000 * 86_400


def test_what_a_device_pulls_is_sealed_to_the_key_that_it_named_last(tablet: Tablet, context: Context) -> None:
    draw(context, "0001", "001", "a")
    first = tablet.receiving

    def assignments(**members: object) -> AssignmentsPull:
        answer = tablet.exchange(since=None, **members).answer
        assert answer is not None
        (found,) = [item for item in answer.pull if isinstance(item, AssignmentsPull)]
        return found

    def opens(item: AssignmentsPull, key: X25519PrivateKey) -> None:
        assert item.sealed_to == key_id(key.public_key().public_bytes_raw())
        seed = key.private_bytes_raw()
        (one,) = open_assignments(item.sealed, psu="001", device_id=tablet.device_id, receiving_seed=seed)
        assert one.household_key == "a"

    opens(assignments(), first)
    second = X25519PrivateKey.generate()
    opens(assignments(receiving_key=second.public_key().public_bytes_raw()), second)
    opens(assignments(), second)


def test_over_its_quota_a_device_keeps_the_rest_and_nothing_is_lost(tablet: Tablet, context: Context) -> None:
    limited(context, Quota(envelopes=3))
    sent = [envelope(number) for number in range(5)]
    first = tablet.exchange(*sent)
    assert first.codes == [STORED, STORED, STORED, QUOTA, QUOTA]
    assert first.sequences[3:] == [None, None]
    assert first.answer is not None
    assert first.answer.backoff_seconds >= 900
    again = tablet.exchange(*sent)
    assert again.codes == [DUPLICATE, DUPLICATE, DUPLICATE, QUOTA, QUOTA]
    assert len(stored(context)) == 3
    with context.database.transaction() as session:
        session.execute(update(Device).values(quota_day="2020-01-01"))
    assert tablet.exchange(*sent[3:]).codes == [STORED, STORED]
    assert row(tablet).quota_envelopes == 2


def test_a_small_envelope_fits_behind_a_large_one_that_does_not(tablet: Tablet, context: Context) -> None:
    limited(context, Quota(envelope_bytes=5000))
    small, large = envelope(1), envelope(2, content=b"x" * 6000)
    assert tablet.exchange(large, small, large).codes == [QUOTA, STORED, QUOTA]
    assert tablet.exchange(envelope(3)).codes == [STORED]
    assert row(tablet).quota_bytes == len(small) + len(envelope(3))


def test_the_quota_is_of_each_device_and_of_a_revoked_one_too(
    tablet: Tablet, another_tablet: Callable[..., Tablet], context: Context
) -> None:
    limited(context, Quota(envelopes=1))
    revoke(context, tablet.device_id)
    assert tablet.exchange(envelope(1), envelope(2)).codes == [ReceiptCode.QUARANTINED, QUOTA]
    assert another_tablet().exchange(envelope(2)).codes == [STORED]


def test_a_device_that_asks_for_nothing_again_and_again_is_told_to_wait(sqlite_tablet: Tablet) -> None:
    context, clock = sqlite_tablet.context, [0.0]
    context.pace = Pace(lambda: clock[0])
    for _ in range(int(BURST)):
        assert context.pace.wait_seconds(sqlite_tablet.device_id) == 0
    refused = sqlite_tablet.exchange()
    assert refused.problem is not None
    assert (refused.status, refused.problem.slug) == (429, "rate-limited")
    assert refused.problem.retry_after_seconds == SECONDS_EACH
    counter = row(sqlite_tablet).counter
    assert sqlite_tablet.exchange(envelope(1)).codes == [STORED]
    assert sqlite_tablet.exchange(have=(bytes(16),)).status == 200
    assert sqlite_tablet.exchange(media=(MediumOffer(bytes(32), 1),)).status == 200
    assert row(sqlite_tablet).counter == counter + 4
    assert context.pace.wait_seconds("another") == 0
    clock[0] += SECONDS_EACH
    assert sqlite_tablet.exchange().status == 200


def test_a_busy_server_asks_to_be_left_alone(sqlite_context: Context, sqlite_tablet: Tablet) -> None:
    clock = [0.0]
    for jitter in (0.0, 0.99):
        busy = Busy(sqlite_context.database, lambda: clock[0], lambda jitter=jitter: jitter, backlog=2)  # type: ignore[misc]
        assert busy.backoff_seconds(0.2) == 0
        assert busy.backoff_seconds(4.0) == round(40 * (0.5 + jitter))
        assert busy.backoff_seconds(1000.0) <= 180
    sqlite_tablet.exchange(*map(envelope, range(3)))
    assert busy.backoff_seconds(0.0) == 0  # it does not look again so soon
    clock[0] += 10
    assert 0.5 * BACKLOG_SECONDS <= busy.backoff_seconds(0.0) <= 1.5 * BACKLOG_SECONDS
    sqlite_context.busy = busy
    answer = sqlite_tablet.exchange().answer
    assert answer is not None
    assert answer.backoff_seconds > 0


def test_codes_of_enrolment_are_not_guessed_fast(context: Context, client: FlaskClient) -> None:
    tablet = Tablet(context, client)
    guessed = Tablet(context, client)
    guessed.link = replace(tablet.link, token="guessed")
    for _ in range(limit_logins.FAILURES_OF_AN_ADDRESS):
        refused = client.post("/sync/v1/enrol", data=guessed.enrol_request(), content_type="application/json")
        assert refused.status_code == 403
    limited_now = client.post("/sync/v1/enrol", data=tablet.enrol_request(), content_type="application/json")
    assert (limited_now.status_code, limited_now.headers["Retry-After"]) == (429, "60")
    elsewhere = client.post(
        "/sync/v1/enrol",
        data=tablet.enrol_request(),
        content_type="application/json",
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )
    assert elsewhere.status_code == 201


def test_enrolments_that_succeed_count_for_nothing(sqlite_context: Context) -> None:
    key = sqlite_context.keystore.session_secret
    for _ in range(limit_logins.FAILURES_OF_AN_ADDRESS * 2):
        with sqlite_context.database.transaction() as session:
            attempt = limit_logins.begin_enrolment(session, address="192.0.2.7", key=key, now=NOW)
            limit_logins.succeed(session, attempt)
    for _ in range(limit_logins.FAILURES_OF_AN_ADDRESS):
        with sqlite_context.database.transaction() as session:
            limit_logins.begin_enrolment(session, address="192.0.2.7", key=key, now=NOW)
    with sqlite_context.database.transaction() as session, pytest.raises(RateLimited):
        limit_logins.begin_enrolment(session, address="192.0.2.7", key=key, now=NOW)


def test_quotas_come_from_the_environment() -> None:
    environ = {"PASSERELLE_DATA": "/srv", "PASSERELLE_QUOTA_ENVELOPES": "5", "PASSERELLE_QUOTA_MEDIA_BYTES": " 7 "}
    quota = Config.from_env(environ).quota
    assert (quota.envelopes, quota.envelope_bytes, quota.media_bytes) == (5, Quota().envelope_bytes, 7)
    for wrong in ("0", "-1", "many", "1e3", "9" * 30):
        with pytest.raises(ConfigError, match="PASSERELLE_QUOTA_ENVELOPES"):
            Config.from_env(environ | {"PASSERELLE_QUOTA_ENVELOPES": wrong})
