"""Sealed drafts: opened so that a bad one is seen, never folded, handed to the device that takes over."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from server.context import Context
from server.db.queries import devices, handovers, interviews
from server.db.tables import Envelope
from server.folding import handing
from server.folding.waiting import Waits
from server.services import projects, rebuild, verify_store
from sync_protocol.handover import Handover
from sync_protocol.plaintext import Medium
from tests.office import NOW, revoke
from tests.server.handovers.pulling import Puller
from tests.server.opening.kit import Answers, Tablet, deliver, form_hash, open_all, publish, raw_id

PHOTO = Medium(name="front.jpg", type="image/jpeg", length_bytes=9, sha256="ab" * 32, key="cd" * 32)
BEGUN = Answers(number=1, result="", age="", workers=())


@pytest.fixture
def office(context: Context) -> Context:
    publish(context)
    return context


@pytest.fixture
def small_office(sqlite_context: Context) -> Context:
    publish(sqlite_context)
    return sqlite_context


def tablet(context: Context, device_id: str = "tablet-1", enumerator: str = "0001") -> Tablet:
    return Tablet(context.keystore, device_id=device_id, enumerator=enumerator).enrol(context)


def outcomes(context: Context, body: bytes) -> tuple[str, str | None]:
    with context.database.read() as session:
        row = session.execute(select(Envelope.state, Envelope.reason).where(Envelope.body == body)).one()
    return row.state, row.reason


def test_a_draft_is_handed_over_when_its_device_is_revoked_and_not_before(office: Context) -> None:
    former = tablet(office)
    body = former.draft(BEGUN, media=(PHOTO,))
    deliver(office, [former.epoch(), body])
    open_all(office)
    assert outcomes(office, body) == ("opened", None)
    puller = Puller(office, device_id="tablet-2")
    assert puller.drafts() == []
    revoke(office, "tablet-1")
    (item,) = puller.drafts()
    assert (item.instance_id, item.form_version_hash) == (raw_id(1), form_hash())
    assert puller.open(item) == Handover(instance_xml=BEGUN.xml(), mode="survey", media=(PHOTO,))
    assert puller.drafts() == []
    assert Puller(office, device_id="tablet-3", enumerator="0002").drafts() == []
    assert Puller(office, device_id="tablet-3", project_id=2).drafts() == []


def test_a_draft_is_no_interview_and_no_row_of_microdata(small_office: Context) -> None:
    former = tablet(small_office)
    deliver(small_office, [former.epoch(), former.draft(BEGUN)])
    batch = open_all(small_office)
    assert (batch.opened, batch.quarantined) == (2, 0)
    with small_office.database.read() as session:
        assert interviews.count_interviews(session) == 0
        assert interviews.all_revisions(session) == ()
    assert list(small_office.microdata.read("analysis", form_id="small", mode="survey")) == []


def test_the_device_hears_that_its_draft_was_opened(small_office: Context) -> None:
    former = tablet(small_office)
    bad = bytearray(former.draft(Answers(number=2)))
    bad[-1] ^= 1
    deliver(small_office, [former.epoch(), former.draft(BEGUN), bytes(bad)])
    open_all(small_office)
    told = {item.instance_id: item.state for item in Puller(small_office, device_id="tablet-1").pull()
            if hasattr(item, "envelope_id")}  # fmt: skip
    assert told == {raw_id(1): "opened", raw_id(2): "quarantined"}


def test_the_newest_by_the_devices_count_is_kept_whatever_comes_first(small_office: Context) -> None:
    former = tablet(small_office)
    epoch, old = former.epoch(), former.draft(Answers(number=1, name="Old"))
    new = former.draft(Answers(number=1, name="New"))
    for body in (epoch, new, old):
        deliver(small_office, [body])
        open_all(small_office)
    revoke(small_office, "tablet-1")
    puller = Puller(small_office, device_id="tablet-2")
    assert [b"New" in puller.open(item).instance_xml for item in puller.drafts()] == [True]


@pytest.mark.parametrize("how", ["opened", "waiting", "quarantined"])
def test_an_interview_under_its_instance_id_makes_it_moot_in_any_state(small_office: Context, how: str) -> None:
    former, other = tablet(small_office), tablet(small_office, "tablet-5")
    deliver(small_office, [former.epoch(), former.draft(BEGUN)])
    finished = other.seal(Answers(number=1))
    if how == "quarantined":
        finished = finished[:-1] + bytes([finished[-1] ^ 1])
    deliver(small_office, [finished] if how == "waiting" else [other.epoch(), finished])
    open_all(small_office)
    revoke(small_office, "tablet-1")
    assert Puller(small_office, device_id="tablet-2").drafts() == []


def test_of_one_instance_the_newest_draft_of_all_devices_is_handed_on(small_office: Context) -> None:
    first, second = tablet(small_office), tablet(small_office, "tablet-2")
    deliver(small_office, [first.epoch(), first.draft(Answers(number=1, name="First"))])
    open_all(small_office)
    revoke(small_office, "tablet-1")
    deliver(small_office, [second.epoch(), second.draft(Answers(number=1, name="Second"))], carrier="tablet-2")
    open_all(small_office)
    assert Puller(small_office, device_id="tablet-2").drafts() == []
    third = Puller(small_office, device_id="tablet-3")
    assert third.drafts() == []
    revoke(small_office, "tablet-2")
    assert [b"Second" in third.open(item).instance_xml for item in third.drafts()] == [True]


def test_nobody_elses_draft_replaces_it(small_office: Context) -> None:
    first, stranger = tablet(small_office), tablet(small_office, "tablet-9", enumerator="0009")
    deliver(small_office, [first.epoch(), first.draft(Answers(number=1, name="First"))])
    deliver(small_office, [stranger.epoch(), stranger.draft(Answers(number=1, name="Theirs"))], carrier="tablet-9")
    open_all(small_office)
    revoke(small_office, "tablet-1")
    puller = Puller(small_office, device_id="tablet-2")
    assert [b"First" in puller.open(item).instance_xml for item in puller.drafts()] == [True]


def test_what_comes_after_the_revocation_waits_for_a_person(small_office: Context) -> None:
    former = tablet(small_office)
    revoke(small_office, "tablet-1")
    body = former.draft(BEGUN)
    deliver(small_office, [former.epoch(), body], at=NOW + timedelta(hours=2))
    open_all(small_office)
    assert outcomes(small_office, body) == ("quarantined", "after-revocation")
    assert Puller(small_office, device_id="tablet-2").drafts() == []


def wrong_form(context: Context, device: Tablet) -> bytes:
    return device.draft(Answers(number=1).xml().replace(b'version="1"', b'version="9"'), number=1)


def wrong_instance(context: Context, device: Tablet) -> bytes:
    return device.draft(Answers(number=1).xml(), number=2)


def no_instance(context: Context, device: Tablet) -> bytes:
    return device.draft(b"<data", number=1)


def of_another_project(context: Context, device: Tablet) -> bytes:
    with context.database.transaction() as session:
        projects.add_project(session, name="Returns", user="m", now=NOW)
    publish(context, "abroad", project_id=2)
    return device.draft(Answers(number=1, form_id="abroad"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (wrong_form, "wrong-form"),
        (wrong_instance, "wrong-instance-id"),
        (no_instance, "malformed"),
        (of_another_project, "other-project"),
    ],
)
def test_a_bad_draft_is_seen(small_office: Context, make: Callable[[Context, Tablet], bytes], reason: str) -> None:
    former = tablet(small_office)
    body = make(small_office, former)
    deliver(small_office, [former.epoch(), body])
    open_all(small_office)
    assert outcomes(small_office, body) == ("quarantined", reason)
    with small_office.database.read() as session:
        assert handovers.all_drafts(session) == ()


def test_a_draft_waits_for_its_form(small_office: Context) -> None:
    former = tablet(small_office)
    body = former.draft(Answers(number=1, version="2"))
    deliver(small_office, [former.epoch(), body])
    open_all(small_office)
    assert outcomes(small_office, body)[0] == "waiting-for-form"
    publish(small_office, version="2")
    open_all(small_office)
    assert outcomes(small_office, body)[0] == "opened"


def test_verifying_and_rebuilding_know_drafts(office: Context) -> None:
    former = tablet(office)
    deliver(
        office, [former.epoch(), former.draft(BEGUN), former.draft(Answers(number=1)), former.seal(Answers(number=4))]
    )
    open_all(office)
    revoke(office, "tablet-1")
    puller = Puller(office, device_id="tablet-2")
    assert len(puller.drafts()) == 1
    report = rebuild.rebuild(database=office.database, keystore=office.keystore, microdata=office.microdata, now=NOW)
    assert report.is_same, report
    assert puller.drafts() == []
    assert verify_store.verify(office.database, keystore=office.keystore).is_sound


def test_one_that_cannot_be_read_back_stops_nothing(small_office: Context) -> None:
    former = tablet(small_office)
    deliver(small_office, [former.epoch(), former.draft(Answers(number=1)), former.draft(Answers(number=2))])
    open_all(small_office)
    with small_office.database.transaction() as session:
        session.query(Envelope).filter(Envelope.instance_id == raw_id(1)).update({"body": b""})
        assert devices.revoke_device(session, device_id="tablet-1", now=NOW + timedelta(hours=1))
    assert [item.instance_id for item in Puller(small_office, device_id="tablet-2").drafts()] == [raw_id(2)]


def test_one_that_cannot_be_read_just_now_waits(small_office: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(*_: object, **__: object) -> None:
        raise Waits("waiting-for-form")

    former = tablet(small_office)
    deliver(small_office, [former.epoch(), former.draft(BEGUN)])
    open_all(small_office)
    revoke(small_office, "tablet-1")
    puller = Puller(small_office, device_id="tablet-2")
    with monkeypatch.context() as patch:
        patch.setattr(handing, "draft", waits)
        assert puller.drafts() == []
    assert [item.instance_id for item in puller.drafts()] == [raw_id(1)]
