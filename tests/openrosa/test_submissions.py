"""Submissions as Collect sends them, with its splits, repeats and deaths. Each test names its line of the list."""

import random
import threading
from dataclasses import replace
from uuid import UUID
from xml.etree.ElementTree import fromstring

import pytest

from forms.encrypting import with_public_key
from server.demo.collect import AppKilled, CollectError, Fault, Finalised, ScriptedCollect, Status, TabletFile
from server.demo.collect.posting import media_type
from server.keystore import odk
from server.services import odk_keys
from tests.office import MULTIPART, NOW, multipart, stored
from tests.openrosa.conftest import Door
from tests.openrosa.forms import filled, made_file, made_png, publish_xform, small_form, uuid
from tests.openrosa.inside import files, is_quarantined, open_all, xml_of
from tests.server.opening.doorway import encrypted

PHOTO = made_file("photo.jpg", 120_000)
SOUND = made_file("sound.m4a", 90_000)
ALL = (PHOTO, SOUND, made_file("third.jpg", 100_000))


def with_files(app: ScriptedCollect, *more: TabletFile, number: int = 1) -> Finalised:
    """Finalise an interview that names the photo and the sound, with these files in its folder."""
    xml = filled(number=number, photo=PHOTO.name, sound=SOUND.name)
    return app.finalise(xml, name=f"{number}.xml", files=more or (PHOTO, SOUND))


def assert_whole(door: Door, *expected: TabletFile, number: int = 1) -> None:
    """Compare what is read back with what was in the folder."""
    open_all(door.context)
    assert files(door.context, uuid(number)) == {file.name: file.content for file in expected or (PHOTO, SOUND)}
    assert xml_of(door.context, uuid(number)) == filled(number=number, photo=PHOTO.name, sound=SOUND.name)


def test_a_head_is_answered_by_204_with_a_small_length_for_one_post(door: Door) -> None:
    """S1, S10"""
    response = door.app.test_client().head(f"/key/{door.token}/submission?deviceID=x")
    assert (response.status_code, response.data) == (204, b"")
    assert response.headers["X-OpenRosa-Version"] == "1.0"
    assert int(response.headers["X-OpenRosa-Accept-Content-Length"]) <= 2_000_000


def test_each_photo_is_a_post_of_its_own_in_every_submission_of_a_session(door: Door) -> None:
    """S1, S10"""
    door.publish()
    app = door.collect()
    large = [made_file(f"{number}.jpg", 400_000) for number in range(3)]
    for number in (1, 2):
        app.send(app.finalise(filled(number=number), name=f"{number}.xml", files=large))
    assert app.counts["POSTs: none"] == 6


def test_files_of_every_type_and_in_any_order_of_the_folder_arrive_byte_for_byte(door: Door) -> None:
    """S2"""
    door.publish()
    names = ("a.amr", "b.oga", "c.ogv", "d.webm", "e.jpg", "é ü.png", "g.unknown", "audit.csv", 'h "quoted".mp3')
    sent = [TabletFile(name, name.encode() * 50) for name in names]
    for seed in range(3):
        app = door.collect(order=lambda found, seed=seed: random.Random(seed).sample(list(found), len(found)))
        app.send(app.finalise(filled(), name="Ménage 1_2026-11-24.xml", files=sent))
    open_all(door.context)
    found = files(door.context, uuid(1))
    assert found["é ü.png"] == "é ü.png".encode() * 50
    assert sorted(found.values()) == sorted(file.content for file in sent)
    assert media_type("b.oga") == "audio/ogg"


def test_the_xml_may_stand_anywhere_in_a_post_and_the_same_file_may_come_twice(door: Door) -> None:
    """S3"""
    door.publish()
    client = door.app.test_client()
    photo = (f'name="{PHOTO.name}"; filename="{PHOTO.name}"', PHOTO.content)
    sound = (f'name="{SOUND.name}"; filename="{SOUND.name}"', SOUND.content)
    xml = ('name="xml_submission_file"; filename="1.xml"', filled(photo=PHOTO.name, sound=SOUND.name))
    marker = ('name="*isIncomplete*"', b"yes")
    for parts in ([photo, marker, xml], [marker, sound, photo, photo, xml], [xml, photo, sound]):
        posted = client.post(f"/key/{door.token}/submission", data=multipart(parts), content_type=MULTIPART)
        assert posted.status_code == 201
    assert_whole(door)


def test_more_than_a_hundred_files_and_one_over_the_limit_arrive(door: Door) -> None:
    """S3"""
    door.publish()
    many = [made_file(f"{number:03d}.jpg", 10) for number in range(130)]
    app = door.collect()
    app.send(with_files(app, PHOTO, SOUND, *many, made_file("long.mp4", 3_000_000)))
    assert_whole(door, PHOTO, SOUND, *many, made_file("long.mp4", 3_000_000))


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.ANSWER_LOST, Fault.REPEATED])
@pytest.mark.parametrize("turn", [0, 1, 2])
def test_an_attempt_that_broke_in_the_middle_is_repeated_whole_and_nothing_is_doubled(
    door: Door, fault: Fault, turn: int
) -> None:
    """S4"""
    door.publish()
    app = door.collect(*[Fault.NONE] * turn, fault)
    sent = with_files(app, *(replace(file, content=file.content * 3) for file in ALL))
    while app.send_all():
        pass
    assert sent.status is Status.SENT
    open_all(door.context)
    assert files(door.context, uuid(1)) == {file.name: file.content * 3 for file in ALL}
    kinds = [kind for kind, _, _, _ in stored(door.context)]
    assert (kinds.count(2), kinds.count(4)) == (1, 3)


@pytest.mark.parametrize(
    "xml",
    [
        filled(),
        filled(form_id="never"),
        filled(version="99"),
        filled(edits=77),
        filled().replace(uuid(1).encode(), b""),
        filled()[:-9],
        b"",
        b"\xff\xfe\x00",
    ],
)
def test_whatever_a_tablet_has_finalised_is_taken_with_201(door: Door, xml: bytes) -> None:
    """S5"""
    door.publish()
    app = door.collect()
    one = app.finalise(xml, name="1.xml", files=[PHOTO])
    app.send(one)
    assert one.status is Status.SENT


@pytest.mark.parametrize(("language", "word"), [("en", "safe"), ("fr", "sûreté")])
def test_the_person_reads_in_their_language_that_all_is_safe(door: Door, language: str, word: str) -> None:
    """S6"""
    door.publish()
    app = door.collect()
    assert word in app.send(app.finalise(filled(), name="1.xml")).lower()
    assert language in ("en", "fr")


def test_the_person_reads_why_a_form_was_not_taken(door: Door) -> None:
    """S5"""
    app = door.collect(url=f"{door.base}/key/nobody")
    one = app.finalise(filled(), name="1.xml")

    def refusal() -> CollectError:
        with pytest.raises(CollectError) as caught:
            app.send(one)
        return caught.value

    # The test's own server hangs up on a refused body that comes late; gunicorn reads it to its end.
    refusals = (refusal() for _ in range(10))
    assert next(error.status for error in refusals if error.status is not None) == 404
    assert one.shown.startswith("Error: ")
    assert "token" in one.shown.lower()


@pytest.mark.parametrize("fault", [Fault.KILLED_BEFORE, Fault.KILLED_AFTER])
@pytest.mark.parametrize("turn", [0, 1])
def test_an_app_that_is_killed_between_posts_or_before_its_note_sends_again(
    door: Door, fault: Fault, turn: int
) -> None:
    """S7"""
    door.publish()
    app = door.collect(*[Fault.NONE] * turn, fault)
    sent = with_files(app, *ALL)
    with pytest.raises(AppKilled):
        app.send_all()
    assert sent.status is Status.FAILED
    assert door.collect(tablet=app.tablet).send_all() == []
    assert_whole(door, *ALL)
    assert [kind for kind, _, _, _ in stored(door.context)].count(2) == 1


def test_a_tablet_that_finds_the_server_again_within_its_retries_delivers_all(door: Door) -> None:
    """S8"""
    door.publish()
    app = door.collect(*[Fault.CUT, Fault.ANSWER_LOST] * 6)
    for number in (1, 2, 3):
        app.finalise(filled(number=number), name=f"{number}.xml")
    pauses: list[float] = []
    assert app.auto_send(wait=pauses.append)
    assert len(pauses) <= 13
    assert [kind for kind, _, _, _ in stored(door.context)].count(2) == 3


def test_one_form_that_fails_does_not_keep_the_others(door: Door) -> None:
    """S8"""
    door.publish()
    app = door.collect(Fault.CUT)
    sent = [app.finalise(filled(number=number), name=f"{number}.xml") for number in (1, 2)]
    assert app.send_all() == sent[:1]
    assert sent[1].status is Status.SENT


def test_what_is_deleted_after_it_was_sent_is_all_here(door: Door) -> None:
    """S9"""
    door.publish()
    app = door.collect(settings=replace(door.collect().settings, deletes_sent=True))
    with_files(app)
    assert app.send_all() == []
    assert app.tablet.finalised == []
    assert_whole(door)


def test_a_photo_that_broke_off_costs_that_photo_alone_on_the_servers_disk(door: Door) -> None:
    """S10"""
    door.publish()
    app = door.collect(Fault.NONE, Fault.CUT)
    photos = [made_file(f"{number}.jpg", 300_000) for number in range(3)]
    one = app.finalise(filled(), name="1.xml", files=photos)
    assert app.send_all() == [one]
    open_all(door.context)
    assert set(files(door.context, uuid(1))) == {"0.jpg"}
    assert app.send_all() == []
    open_all(door.context)
    assert len(files(door.context, uuid(1))) == 3


def test_an_audit_comes_as_any_other_file(door: Door) -> None:
    """S11"""
    door.publish()
    audit = TabletFile("audit.csv", b"event,node,start,end\nform start,,1764000000000,\n")
    app = door.collect()
    app.send(with_files(app, PHOTO, SOUND, audit))
    assert_whole(door, PHOTO, SOUND, audit)


@pytest.fixture
def key(door: Door) -> str:
    """The public half of a key that tablets encrypt to."""
    made = odk.make_key(door.context.keystore)
    with door.context.database.transaction() as session:
        odk_keys.keep(session, made, is_managed=True, user="manager", now=NOW)
    return made.public_key


def sealed_by_the_tablet(key: str) -> tuple[bytes, list[TabletFile]]:
    """Encrypt the interview with its files as the app does: a manifest, and ciphertext alone."""
    clear = {file.name: file.content for file in (PHOTO, SOUND)}
    number, xml = UUID(uuid(1).removeprefix("uuid:")).int, filled(photo=PHOTO.name, sound=SOUND.name)
    manifest, sealed = encrypted(key, xml, number=number, media=clear, form_id="visit")
    return manifest, [TabletFile(*one) for one in sealed.items()]


def test_an_encrypted_interview_is_opened_whatever_order_its_files_come_in(door: Door, key: str) -> None:
    """S11"""
    publish_xform(door.context, with_public_key(small_form(), key))
    manifest, files_ = sealed_by_the_tablet(key)
    app = door.collect(order=lambda found: list(reversed(found)))
    app.send(app.finalise(manifest, name="submission.xml", files=files_))
    assert_whole(door)


def test_what_the_app_sends_in_clear_beside_ciphertext_is_never_read_and_can_be_wiped(door: Door, key: str) -> None:
    """S11"""
    publish_xform(door.context, with_public_key(small_form(), key))
    manifest, files_ = sealed_by_the_tablet(key)
    clear = TabletFile("visit_1.xml", filled(photo=PHOTO.name, sound=SOUND.name))
    app = door.collect()
    one = app.finalise(manifest, name="submission.xml", files=[*files_, PHOTO, clear])
    app.send(one)
    assert one.status is Status.SENT
    assert_whole(door)
    context = door.context
    assert odk_keys.wipe_plaintext(context.database, context.blobs, user="manager", now=NOW) == 2
    assert_whole(door)


def test_an_interview_in_clear_of_an_encrypted_form_is_taken_and_held_back(door: Door, key: str) -> None:
    """S11"""
    publish_xform(door.context, with_public_key(small_form(), key))
    app = door.collect()
    app.send(app.finalise(filled(), name="1.xml"))
    open_all(door.context)
    assert is_quarantined(door.context)


def test_an_edit_names_what_it_replaces_and_stands_in_its_place(each_door: Door) -> None:
    """S12"""
    each_door.publish()
    app = each_door.collect()
    for xml in (filled("Amina", number=1), filled("Samira", number=2, edits=1)):
        app.send(app.finalise(xml, name="x.xml"))
    open_all(each_door.context)
    assert xml_of(each_door.context, uuid(1)) == filled("Amina", number=1)
    assert xml_of(each_door.context, uuid(2)) == filled("Samira", number=2, edits=1)
    assert not is_quarantined(each_door.context)


def test_a_photo_of_a_real_format_is_read_back_as_it_was(door: Door) -> None:
    """S2"""
    door.publish()
    app = door.collect()
    picture = TabletFile("photo.jpg", made_png(1))
    app.send(with_files(app, picture, SOUND))
    assert_whole(door, picture, SOUND)


def test_two_apps_that_send_the_same_at_once_are_both_told_yes(door: Door) -> None:
    """S4"""
    door.publish()
    apps = [door.collect() for _ in range(8)]
    sent = [with_files(app, *ALL) for app in apps]
    threads = [threading.Thread(target=app.send_all) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.status for one in sent} == {Status.SENT}
    assert_whole(door, *ALL)
    kinds = [kind for kind, _, _, _ in stored(door.context)]
    assert (kinds.count(2), kinds.count(4)) == (1, 3)


def test_the_message_is_xml_that_the_app_parses(door: Door) -> None:
    """S6"""
    posted = door.app.test_client().post(
        f"/key/{door.token}/submission",
        data=multipart([('name="xml_submission_file"; filename="1.xml"', filled())]),
        content_type=MULTIPART,
    )
    root = fromstring(posted.data)
    assert root.tag == "{http://openrosa.org/http/response}OpenRosaResponse"
    assert root[0].text
