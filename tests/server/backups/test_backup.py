"""A backup of a server that goes on: consistent, whole or not there, and never said to reach further than it does."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from server.app import create_app
from server.backups import snapshot
from server.backups.manifest import BackupError, Manifest, verify
from server.context import Context
from server.db.queries import backups, uploads
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.envelopes import store as store_envelopes
from server.db.tables import Device, Envelope, ManifestMedium, Upload
from server.jobs import scheduled
from server.services import alarms, back_up
from tests.office import NOW, Tablet, envelope, stored
from tests.server.backups.conftest import make, sqlite_only
from tests.server.opening import kit


def keep_blob(office: Context, content: bytes, *, named: bool = True) -> bytes:
    """Put sealed bytes into the blob store, as the end of an upload does."""
    digest = hashlib.sha256(content).digest()
    with office.blobs.incoming() as incoming:
        incoming.write(content)
        incoming.keep(digest)
    if named:
        with office.database.transaction() as session:
            row = {"sha256": digest, "length_bytes": len(content), "received_bytes": len(content), "carrier": "d"}
            session.execute(insert(Upload).values(begun_at=NOW, completed_at=NOW, **row))
    return digest


def path_of(digest: bytes) -> str:
    return f"blobs/{digest.hex()[:2]}/{digest.hex()[2:]}"


def tablet_of(office: Context) -> Tablet:
    return Tablet(office, create_app(office.config, office).test_client()).enrol()


def test_a_backup_reads_back_and_has_what_the_snapshot_names(office: Context, tmp_path: Path) -> None:
    named, stray = keep_blob(office, b"sealed"), keep_blob(office, b"nobody names it", named=False)
    made = make(office, tmp_path / "place" / "one")
    manifest, damaged = verify(made.folder)
    paths = {file.path for file in manifest.files}
    assert damaged == ()
    assert path_of(named) in paths
    assert path_of(stray) not in paths
    assert {"keys/service.json", "keys/vault.json"} <= paths
    assert all((made.folder / path).stat().st_mode & 0o077 == 0 for path in paths)
    assert [child.name for child in (tmp_path / "place").iterdir()] == ["one"]
    assert made.is_on_same_disk
    assert made.opens_interviews


@sqlite_only
def test_an_answer_says_how_far_the_last_backup_reaches(office: Context, tmp_path: Path) -> None:
    tablet = tablet_of(office)
    first = tablet.exchange(envelope(1), envelope(2))
    assert first.answer is not None
    assert (first.answer.backed_up_sequence, first.answer.deletes_without_backup) == (None, False)
    made = make(office, tmp_path / "one")
    office._backed_up = ("", 0.0, None)
    second = tablet.exchange(envelope(3))
    assert second.answer is not None
    assert second.answer.backed_up_sequence == made.sequence == max(number or 0 for number in first.sequences)


@sqlite_only
def test_an_office_without_backups_says_so(office: Context) -> None:
    office.config = replace(office.config, backups=False)
    answer = tablet_of(office).exchange().answer
    assert answer is not None
    assert (answer.backed_up_sequence, answer.deletes_without_backup) == (None, True)


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.postgresql
def test_a_number_taken_before_the_snapshot_and_committed_after_it_is_waited_for(
    office: Context, restore: Callable[[Path], Context], tmp_path: Path
) -> None:
    taken, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with office.database.transaction() as session:
            store_envelopes(session, [NewEnvelope.read(envelope(1))], carrier="slow", received_at=NOW)
            taken.set()
            go_on.wait(20)

    writer = threading.Thread(target=slow)
    writer.start()
    assert taken.wait(20)
    with office.database.transaction() as session:
        store_envelopes(session, [NewEnvelope.read(envelope(2))], carrier="quick", received_at=NOW)
    found: list[back_up.MadeBackup] = []
    maker = threading.Thread(target=lambda: found.append(make(office, tmp_path / "one")))
    maker.start()
    time.sleep(0.3)
    assert found == []
    with office.database.transaction() as session:  # nobody else is kept waiting
        store_envelopes(session, [NewEnvelope.read(envelope(3))], carrier="quick", received_at=NOW)
    go_on.set()
    writer.join(20)
    maker.join(20)
    assert found[0].sequence in (2, 3)
    kept = {body for _, _, _, body in stored(restore(found[0].folder))}
    assert {envelope(1), envelope(2)} <= kept


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.postgresql
def test_without_a_pg_dump_that_fits_it_says_what_to_install(
    office: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(snapshot, "server_major", lambda _: 99)
    with pytest.raises(BackupError, match="apt install postgresql-client-99"):
        make(office, tmp_path / "one")
    assert list(tmp_path.glob(".one*")) == []


def test_no_backup_reaches_an_interview_before_its_media(office: Context, tmp_path: Path) -> None:
    tablet = tablet_of(office)
    numbers = tablet.exchange(envelope(1), envelope(2)).sequences
    assert None not in numbers
    assert make(office, tmp_path / "none to come").sequence == numbers[1]
    with office.database.transaction() as session:
        session.execute(update(Device).values(backlog=json.dumps({"media": 2})))
        session.execute(update(Envelope).values(received_at=NOW))
    assert make(office, tmp_path / "unopened").sequence == (numbers[0] or 0) - 1
    with office.database.transaction() as session:
        session.execute(update(Envelope).where(Envelope.sequence == numbers[0]).values(state="opened"))
    assert make(office, tmp_path / "one opened").sequence == numbers[0]
    late = NOW + backups.GRACE + timedelta(hours=1)
    assert make(office, tmp_path / "given up", now=late).sequence == numbers[1]


@sqlite_only
def test_media_that_an_opened_interview_wants_hold_the_figure_back(office: Context, tmp_path: Path) -> None:
    tablet = kit.Tablet(office.keystore).enrol(office)
    kit.publish(office)
    kit.deliver(office, [tablet.epoch(), tablet.seal(kit.Answers(number=1))])
    assert kit.open_all(office).opened == 2
    assert make(office, tmp_path / "none").sequence == 2
    medium = hashlib.sha256(b"photo").digest()
    with office.database.transaction() as session:
        envelope_id = session.scalar(select(Envelope.envelope_id).where(Envelope.sequence == 2))
        row = {"name_tag": bytes(32), "instance_id": kit.raw_id(1), "blob_sha256": medium, "length_bytes": 5}
        session.execute(insert(ManifestMedium).values(envelope_id=envelope_id, received_at=NOW, sealed=b"", **row))
    assert make(office, tmp_path / "wanted").sequence == 1
    with office.database.transaction() as session:
        session.execute(update(Device).values(revoked_at=NOW))
    assert make(office, tmp_path / "revoked").sequence == 2
    with office.database.transaction() as session:
        session.execute(update(Device).values(revoked_at=None))
    assert keep_blob(office, b"photo") == medium
    assert make(office, tmp_path / "come").sequence == 2
    office.blobs.remove(medium)
    lost = make(office, tmp_path / "elsewhere" / "lost")
    assert (lost.sequence, list(lost.missing)) == (1, [path_of(medium)])
    with office.database.transaction() as session:
        assert uploads.count_lost(session) == 0
        session.execute(update(Upload).values(is_settled=True))
        assert uploads.count_lost(session) == 1
        assert "lost-media" in {one.code for one in alarms.look(session, config=office.config, now=NOW).alarms}
    assert (after := make(office, tmp_path / "after")).sequence == 1
    assert after.missing == ()
    assert make(office, tmp_path / "late", now=NOW + timedelta(days=31)).sequence == 2


@sqlite_only
def test_a_lost_medium_that_nothing_names_holds_nothing_back(office: Context, tmp_path: Path) -> None:
    lost = keep_blob(office, b"of nobody")
    office.blobs.remove(lost)
    tablet = kit.Tablet(office.keystore).enrol(office)
    kit.publish(office)
    kit.deliver(office, [tablet.epoch(), tablet.seal(kit.Answers(number=1))])
    assert make(office, tmp_path / "unopened").sequence == 1
    assert kit.open_all(office).opened == 2
    assert make(office, tmp_path / "opened").sequence == 2


@sqlite_only
def test_files_of_the_backup_before_are_linked_and_what_rotted_there_is_copied(office: Context, tmp_path: Path) -> None:
    sound, rotten, cut = (keep_blob(office, content) for content in (b"sound", b"rotten", b"cut"))
    first = make(office, tmp_path / "place" / "1")
    (first.folder / path_of(rotten)).write_bytes(b"rutten")
    os.truncate(first.folder / path_of(cut), 2)
    second = make(office, tmp_path / "place" / "2", now=NOW + timedelta(days=1))
    assert second.reused_files == 1
    assert (second.folder / path_of(sound)).samefile(first.folder / path_of(sound))
    assert verify(second.folder)[1] == ()
    assert set(verify(first.folder)[1]) == {path_of(rotten), path_of(cut)}


@sqlite_only
def test_what_the_office_has_lost_is_taken_from_the_backup_before(office: Context, tmp_path: Path) -> None:
    kept, lost = keep_blob(office, b"kept once"), keep_blob(office, b"never kept")
    office.blobs.remove(lost)
    tablet_of(office).exchange(envelope(1))
    first = make(office, tmp_path / "place" / "1")
    assert (list(first.missing), first.sequence) == ([path_of(lost)], 0)
    office.blobs.remove(kept)
    second = make(office, tmp_path / "place" / "2", now=NOW + timedelta(days=1))
    assert list(second.missing) == []  # whoever offers it is asked for it
    assert (second.folder / path_of(kept)).read_bytes() == b"kept once"


@sqlite_only
def test_what_is_erased_while_the_backup_is_made_is_not_missed(office: Context, tmp_path: Path) -> None:
    erased = keep_blob(office, b"withdrawn")
    real = back_up._gather

    def gather(*arguments: object) -> None:
        office.blobs.remove(erased)
        with office.database.transaction() as session:
            session.execute(Upload.__table__.delete())  # type: ignore[attr-defined]
        real(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(back_up, "_gather", gather)
        made = make(office, tmp_path / "one")
    assert (made.missing, made.sequence) == ((), 0)
    assert verify(made.folder)[1] == ()


@sqlite_only
def test_a_backup_that_fails_half_way_leaves_nothing(
    office: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(back_up, "_copy_beside", full)
    with pytest.raises(OSError, match="No space"):
        make(office, tmp_path / "place" / "one")
    assert list((tmp_path / "place").iterdir()) == []
    with office.database.read() as session:
        assert backups.last(session) is None


@sqlite_only
def test_what_does_not_read_back_is_no_backup(office: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = back_up._copy_beside

    def spoil(target: Path, *arguments: object, **more: object) -> None:
        real(target, *arguments, **more)  # type: ignore[arg-type]
        os.truncate(target / "keys" / "service.json", 5)

    monkeypatch.setattr(back_up, "_copy_beside", spoil)
    with pytest.raises(BackupError, match="does not read back"):
        make(office, tmp_path / "place" / "one")
    assert list((tmp_path / "place").iterdir()) == []


@sqlite_only
def test_every_altered_byte_of_the_list_is_noticed(office: Context, tmp_path: Path) -> None:
    made = make(office, tmp_path / "one", with_keys=False)
    assert not made.opens_interviews
    assert not (made.folder / "keys").exists()
    path = made.folder / "manifest.json"
    content = path.read_bytes()
    for position in range(0, len(content), 37):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(BackupError, match="damaged"):
            Manifest.read(made.folder)


@sqlite_only
def test_the_job_makes_a_backup_a_day_and_keeps_the_last_few(
    office: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    office.config = replace(office.config, backup_dir=place, backup_keep=2, backup_days=30)
    (job,) = (one for one in scheduled.JOBS if one.name == "backup")
    scheduled.prepare(office, now=NOW, jobs=(job,))
    for day in range(4):
        ran = scheduled.run_due(office, holder="me", clock=lambda: NOW + timedelta(days=day), jobs=(job,))  # noqa: B023
        assert ran == ("backup",)
    names = sorted(child.name for child in place.iterdir())
    assert names == ["20261126T080000Z", "20261127T080000Z"]
    with office.database.read() as session:
        last = backups.last(session)
    assert last is not None
    assert last.made_at == NOW + timedelta(days=3)


@sqlite_only
def test_what_people_and_updates_left_beside_the_jobs_backups_grows_too_old_like_them(
    office: Context, tmp_path: Path
) -> None:
    place, server_id = tmp_path / "place", office.keystore.server_id
    made = {"before-update-of-0005-20261124T080000Z": 0, "by-hand": 3, back_up.name_of(NOW): 40}
    for name, day in made.items():
        make(office, place / name, now=NOW + timedelta(days=day))
    (place / "mine").symlink_to(place / "by-hand")
    for day, left in ((32, {*made, "mine"}), (42, {back_up.name_of(NOW), "mine"})):
        back_up.prune(place, server_id="another", keep=1, days=30, now=NOW + timedelta(days=day))
        back_up.prune(place, server_id=server_id, keep=1, days=38, now=NOW + timedelta(days=day))
        assert {child.name for child in place.iterdir()} == left


@sqlite_only
@pytest.mark.parametrize(("keep", "days", "left"), [(9, 90, 4), (2, 90, 2), (9, 2, 3), (9, 1, 2), (1, 1, 1)])
def test_backups_go_when_they_are_too_many_or_too_old_but_never_the_last(
    office: Context, tmp_path: Path, keep: int, days: int, left: int
) -> None:
    for day in range(4):
        now = NOW + timedelta(days=day)
        make(office, tmp_path / "place" / back_up.name_of(now), now=now)
    (tmp_path / "place" / "20200101T000000Z").mkdir()  # somebody else's
    server_id = office.keystore.server_id
    back_up.prune(tmp_path / "place", server_id=server_id, keep=keep, days=days, now=NOW + timedelta(days=3))
    found = sorted(child.name for child in (tmp_path / "place").iterdir())
    assert "20200101T000000Z" in found
    assert found[-1] == "20261127T080000Z"
    assert len(found) - 1 == left


def test_the_server_goes_on_while_a_backup_is_made(
    office: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed between the snapshot and the copy is not in it, and is not held up by it."""
    tablet = tablet_of(office)
    tablet.exchange(envelope(1))
    real: Callable[..., object] = back_up._names

    def names(taken: snapshot.Snapshot, **more: object) -> object:
        found = real(taken, **more)
        assert tablet.exchange(envelope(2)).status == 200
        return found

    monkeypatch.setattr(back_up, "_names", names)
    made = make(office, tmp_path / "one")
    with office.database.read() as session:
        assert (made.sequence, backups.highest(session)) == (1, 2)
