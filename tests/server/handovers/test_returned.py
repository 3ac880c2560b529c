"""Interviews that the office gives back: to whom, with what in them, and when they are settled."""

from pathlib import Path

import pytest

from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.queries import interviews
from server.db.tables import Envelope, ReturnedInterview
from server.errors import BadRequest
from server.folding import handing
from server.folding.waiting import Waits
from server.keystore import KeyStore, odk
from server.microdata import Microdata
from server.services import odk_keys, rebuild, review_interview, settle_hold, verify_store
from sync_protocol.errors import RemoteError
from sync_protocol.handover import Handover
from sync_protocol.media import open_medium
from sync_protocol.plaintext import Medium
from sync_protocol.pull_items import VerdictPull
from tests.office import NOW
from tests.server.handovers.pulling import Puller
from tests.server.opening.doorway import Door, Photos, encrypted, photo_form
from tests.server.opening.kit import (
    Answers,
    Tablet,
    deliver,
    form_hash,
    household,
    open_all,
    publish,
    publish_xform,
    raw_id,
)

PHOTO = Medium(name="front.jpg", type="image/jpeg", length_bytes=9, sha256="ab" * 32, key="cd" * 32)


@pytest.fixture
def office(context: Context) -> Context:
    publish(context)
    return context


@pytest.fixture
def small_office(sqlite_context: Context) -> Context:
    publish(sqlite_context)
    return sqlite_context


def send(context: Context, *answers: Answers, tablet: Tablet | None = None, media: tuple[Medium, ...] = ()) -> Tablet:
    """Deliver interviews and open them."""
    made = tablet or Tablet(context.keystore).enrol(context)
    bodies = [made.seal(one, parents=[one.edits] if one.edits else [], media=media) for one in answers]
    deliver(context, [made.epoch(), *bodies])
    open_all(context)
    return made


def review(context: Context, verdict: str = "returned", note: str = "How old is she?", number: int = 1) -> bytes:
    with context.database.transaction() as session:
        made = review_interview.review(
            session,
            keystore=context.keystore,
            interview_id=raw_id(number),
            verdict=verdict,
            note=note,
            user="manager",
            now=NOW,
        )
    open_all(context)
    return made


def sound(context: Context) -> None:
    report = verify_store.verify(context.database, keystore=context.keystore, microdata=context.microdata)
    assert report.is_sound, report


def test_a_returned_interview_reaches_its_enumerators_device_with_note_answers_and_media(office: Context) -> None:
    answers = Answers(number=1, key=household(1))
    send(office, answers, media=(PHOTO,))
    puller = Puller(office)
    puller.pull()
    review(office)
    (item,) = puller.returned()
    assert (item.instance_id, item.form_version_hash, item.state) == (raw_id(1), form_hash(), "returned")
    assert puller.open(item) == Handover(
        instance_xml=answers.xml(), mode="survey", note="How old is she?", household_key=household(1), media=(PHOTO,)
    )
    assert puller.returned() == []
    sound(office)


def test_what_cannot_be_read_just_now_waits_and_is_not_settled(
    small_office: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waits(*_: object, **__: object) -> None:
        raise Waits("waiting-for-odk-key")

    send(small_office, Answers(number=1))
    puller = Puller(small_office)
    puller.pull()
    review(small_office)
    with monkeypatch.context() as patch:
        patch.setattr(handing, "returned_interview", waits)
        assert puller.pull() == []
    assert [item.state for item in puller.returned()] == ["returned"]


def test_nobody_else_gets_it_or_can_open_it(small_office: Context) -> None:
    send(small_office, Answers(number=1))
    review(small_office)
    assert Puller(small_office, enumerator="0002").returned() == []
    assert Puller(small_office, enumerator="").returned() == []
    assert Puller(small_office, project_id=2).returned() == []
    puller = Puller(small_office)
    (item,) = puller.returned()
    thief = Puller(small_office, receiving=puller.receiving, device_id="another")
    with pytest.raises(RemoteError):
        thief.open(item)


def test_the_correction_settles_it_and_it_can_be_returned_again(office: Context) -> None:
    tablet = send(office, Answers(number=1))
    review(office)
    puller = Puller(office)
    assert [item.state for item in puller.returned()] == ["returned"]
    send(office, Answers(number=2, edits=1, age="42"), tablet=tablet)
    (settled,) = puller.returned()
    assert (settled.instance_id, settled.state, settled.sealed) == (raw_id(1), "settled", None)
    review(office, note="And her name?")
    (again,) = puller.returned()
    assert (again.instance_id, puller.open(again).note) == (raw_id(2), "And her name?")
    sound(office)


@pytest.mark.parametrize("verdict", ["approved", "rejected"])
def test_another_word_of_the_office_settles_it(small_office: Context, verdict: str) -> None:
    send(small_office, Answers(number=1))
    puller = Puller(small_office)
    review(small_office)
    review(small_office, verdict, note="")
    assert [item.state for item in puller.returned()] == ["settled"]
    review(small_office, note="After all: how old?")
    assert [puller.open(item).note for item in puller.returned()] == ["After all: how old?"]


def test_a_second_return_of_the_same_revision_brings_the_new_note(small_office: Context) -> None:
    send(small_office, Answers(number=1))
    puller = Puller(small_office)
    for note in ("one", "two"):
        review(small_office, note=note)
        assert [puller.open(item).note for item in puller.returned()] == [note]


def test_a_household_that_was_reassigned_comes_with_its_new_key(small_office: Context) -> None:
    send(small_office, Answers(number=1, key=household(1)))
    with small_office.database.transaction() as session:
        settle_hold.settle(
            session, keystore=small_office.keystore, interview_id=raw_id(1), verdict="reassign",
            household_key=household(2), note="", user="m", now=NOW,
        )  # fmt: skip
    review(small_office)
    puller = Puller(small_office)
    assert [puller.open(item).household_key for item in puller.returned()] == [household(2)]


def test_without_a_code_in_the_answers_it_goes_to_whoever_sent_it(small_office: Context) -> None:
    sender = Tablet(small_office.keystore, device_id="tablet-7", enumerator="0007").enrol(small_office)
    answers = Answers(number=1).xml().replace(b"<enumerator_id>0001</enumerator_id>", b"<enumerator_id/>")
    deliver(small_office, [sender.epoch(), sender.seal(answers, number=1)], carrier="tablet-7")
    open_all(small_office)
    review(small_office)
    assert len(Puller(small_office, enumerator="0007").returned()) == 1
    sound(small_office)


def test_a_return_needs_a_note(small_office: Context) -> None:
    send(small_office, Answers(number=1))
    with pytest.raises(BadRequest, match="correct"):
        review(small_office, note=" ")


def test_it_still_counts_until_the_correction_comes(small_office: Context) -> None:
    send(small_office, Answers(number=1))
    review(small_office)
    with small_office.database.read() as session:
        (found,) = interviews.interviews_by_id(session, [raw_id(1)])
    assert (found.review, found.holds) == ("returned", "")
    assert handing.Standing.open(found.sealed, raw_id(1), small_office.keystore).weighs


def test_a_rebuild_changes_nothing_and_tells_nobody_anew(office: Context) -> None:
    tablet = send(office, Answers(number=1), Answers(number=3))
    review(office)
    review(office, number=3)
    send(office, Answers(number=2, edits=1), tablet=tablet)
    puller = Puller(office)
    assert {item.instance_id: item.state for item in puller.returned()} == {
        raw_id(1): "settled", raw_id(3): "returned",
    }  # fmt: skip
    report = rebuild.rebuild(database=office.database, keystore=office.keystore, microdata=office.microdata, now=NOW)
    assert report.is_same, report
    assert [item for item in puller.pull() if not isinstance(item, VerdictPull)] == []
    sound(office)


def test_a_row_that_says_otherwise_is_found_by_verifying(small_office: Context) -> None:
    send(small_office, Answers(number=1))
    review(small_office)
    with small_office.database.transaction() as session:
        session.query(ReturnedInterview).update({"enumerator": "0002"})
    report = verify_store.verify(small_office.database, keystore=small_office.keystore)
    assert [line.split(" ")[0] for line in report.differences] == ["handover"]


def test_what_cannot_be_read_back_stops_nothing(small_office: Context) -> None:
    send(small_office, Answers(number=1), Answers(number=2))
    review(small_office)
    review(small_office, number=2)
    with small_office.database.transaction() as session:
        session.query(Envelope).filter(Envelope.instance_id == raw_id(1)).update({"body": b""})
    assert [(item.instance_id, item.state) for item in Puller(small_office).returned()] == [
        (raw_id(1), "settled"), (raw_id(2), "returned"),
    ]  # fmt: skip


def test_while_the_key_store_is_locked_it_waits_and_what_comes_after_too(
    tmp_path: Path, sqlite_database: Database
) -> None:
    keys, passphrase = tmp_path / "keys", "long enough"
    KeyStore.create(keys, passphrase, tmp_path / "root.pem", now=NOW)
    config = Config(data_dir=tmp_path, database_url=sqlite_database.url)

    def context_with(keystore: KeyStore) -> Context:
        microdata = Microdata(config.microdata_dir, keystore, sqlite_database)
        return Context(config=config, database=sqlite_database, keystore=keystore, microdata=microdata)

    unlocked = context_with(KeyStore.open(keys, passphrase))
    publish(unlocked)
    send(unlocked, Answers(number=1))
    review(unlocked)
    publish(unlocked, version="2")
    puller = Puller(context_with(KeyStore.open(keys, None)))
    assert [type(item).__name__ for item in puller.pull()] == ["FormVersionPull"]
    assert puller.pull() == []
    puller.context = unlocked
    assert [type(item).__name__ for item in puller.pull()] == ["ReturnedPull", "FormVersionPull"]


def test_what_came_through_collect_is_given_back_with_the_keys_of_its_photos(small_office: Context) -> None:
    publish_xform(small_office, photo_form())
    photos = Photos(number=1, house="a.jpg")
    Door(small_office).post(photos.xml(), {"a.jpg": b"house" * 100})
    open_all(small_office)
    review(small_office)
    puller = Puller(small_office)
    (handover,) = (puller.open(item) for item in puller.returned())
    (medium,) = handover.media
    sealed = small_office.blobs.chunks(bytes.fromhex(medium.sha256))
    assert (handover.instance_xml, medium.name) == (photos.xml(), "a.jpg")
    assert b"".join(open_medium(sealed, bytes.fromhex(medium.key))) == b"house" * 100


def test_what_collect_has_encrypted_is_given_back_as_it_was_answered(small_office: Context) -> None:
    made = odk.make_key(small_office.keystore)
    publish_xform(small_office, photo_form(public_key=made.public_key))
    with small_office.database.transaction() as session:
        odk_keys.keep(session, made, is_managed=True, user="manager", now=NOW)
    clear = Photos(number=1, name="Ama").xml()
    Door(small_office).post(*encrypted(made.public_key, clear, number=1))
    open_all(small_office)
    review(small_office)
    puller = Puller(small_office)
    assert [(puller.open(item).instance_xml, puller.open(item).media) for item in puller.returned()] == [(clear, ())]
