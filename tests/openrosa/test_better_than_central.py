"""Seven things that were seen on ODK Central, each done better here."""

import threading

from forms.instance import instance_id_bytes
from server.db.queries import interviews
from server.demo.collect import Finalised, Status, TabletFile
from server.folding.media import media_of, plain_chunks
from tests.office import stored
from tests.openrosa.conftest import Door
from tests.openrosa.forms import filled, made_file, uuid
from tests.openrosa.inside import files, is_quarantined, open_all, xml_of


def send(door: Door, xml: bytes, *sent: TabletFile) -> Finalised:
    """Send one form from a tablet of its own."""
    app = door.collect()
    one = app.finalise(xml, name="1.xml", files=sent)
    app.send(one)
    assert one.status is Status.SENT
    return one


def interviews_stored(door: Door) -> int:
    return [kind for kind, _, _, _ in stored(door.context)].count(2)


def test_one_changed_space_in_a_repeat_is_no_conflict(each_door: Door) -> None:
    each_door.publish()
    send(each_door, filled())
    send(each_door, filled().replace(b"<name>", b"\n  <name>"))
    open_all(each_door.context)
    assert interviews_stored(each_door) == 1
    assert not is_quarantined(each_door.context)


def test_eight_identical_repeats_at_once_are_each_told_that_it_is_safe(each_door: Door) -> None:
    each_door.publish()
    photo = made_file("p.jpg", 20_000)
    xml = filled(photo="p.jpg")
    for turn in range(5):
        number = turn + 1
        apps = [each_door.collect() for _ in range(8)]
        sent = [
            app.finalise(xml.replace(uuid(1).encode(), uuid(number).encode()), name="1.xml", files=[photo])
            for app in apps
        ]
        threads = [threading.Thread(target=app.send_all) for app in apps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [one.status for one in sent] == [Status.SENT] * 8, [one.shown for one in sent]
    kinds = [kind for kind, _, _, _ in stored(each_door.context)]
    assert (kinds.count(2), kinds.count(4)) == (5, 5)


def test_an_original_that_was_edited_since_may_be_sent_again(each_door: Door) -> None:
    each_door.publish()
    original, edit = filled("Amina", number=1), filled("Samira", number=2, edits=1)
    for xml in (original, edit, original):
        send(each_door, xml)
        open_all(each_door.context)
    assert interviews_stored(each_door) == 2
    with each_door.context.database.read() as session:
        (interview,) = interviews.all_interviews(session)
        (current,) = interviews.revisions_by_id(session, [interview.current_revision_id or 0])
        assert current.instance_id == instance_id_bytes(uuid(2))


def test_what_cannot_be_read_or_has_no_name_is_kept_once_however_often_it_is_sent(each_door: Door) -> None:
    each_door.publish()
    for xml in (filled()[:-12], filled().replace(uuid(1).encode(), b""), b"", b"\x00"):
        before = interviews_stored(each_door)
        for _ in range(3):
            send(each_door, xml)
        assert interviews_stored(each_door) == before + 1
    open_all(each_door.context)
    assert is_quarantined(each_door.context)


def test_two_files_of_one_name_are_both_kept(each_door: Door) -> None:
    each_door.publish()
    one, other = TabletFile("p.jpg", b"first" * 500), TabletFile("p.jpg", b"second" * 500)
    xml = filled(photo="p.jpg")
    for sent in (one, other, one):
        send(each_door, xml, sent)
    open_all(each_door.context)
    context = each_door.context
    with context.database.read() as session:
        found = media_of(session, instance_id_bytes(uuid(1)), keystore=context.keystore)
        contents = {b"".join(plain_chunks(medium, keystore=context.keystore, blobs=context.blobs)) for medium in found}
    assert contents == {one.content, other.content}
    assert all(medium.has_rival for medium in found)


def test_one_damaged_ciphertext_costs_itself_and_nothing_else(each_door: Door) -> None:
    each_door.publish()
    context = each_door.context
    send(each_door, filled(number=1, photo="p.jpg"), made_file("p.jpg"), made_file("q.jpg"))
    send(each_door, filled(number=2, photo="r.jpg"), made_file("r.jpg"))
    with context.database.read() as session:
        first = [blob for blob in context.config.blobs_dir.glob("??/*")]
    damaged = min(first)
    damaged.write_bytes(damaged.read_bytes()[:-7])
    open_all(context)
    readable: dict[str, bytes] = {}
    for number in (1, 2):
        assert xml_of(context, uuid(number))
        with context.database.read() as session:
            for medium in media_of(session, instance_id_bytes(uuid(number)), keystore=context.keystore):
                if medium.blob_sha256.hex() != damaged.parent.name + damaged.name:
                    chunks = plain_chunks(medium, keystore=context.keystore, blobs=context.blobs)
                    readable[medium.name] = b"".join(chunks)
    assert len(readable) == 2
    assert all(content == made_file(name).content for name, content in readable.items())


def test_files_that_are_all_there_are_read_back(each_door: Door) -> None:
    each_door.publish()
    send(each_door, filled(photo="p.jpg"), made_file("p.jpg"))
    open_all(each_door.context)
    assert files(each_door.context, uuid(1)) == {"p.jpg": made_file("p.jpg").content}
