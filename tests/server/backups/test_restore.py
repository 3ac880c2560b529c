"""The disk is lost after a backup, with tablets in the field: they offer again, and nothing is lost."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from server.app import create_app
from server.backups.manifest import BackupError
from server.context import Context
from server.db.engine import DatabaseUnusable
from server.db.queries import audit, backups, feed
from server.db.tables import Backup, Schedule, Upload
from sync_protocol.client.device import Device
from sync_protocol.messages import ReceiptCode
from tests.client.model_transport import no_wait, seal
from tests.office import NOW, ClientTransport, Tablet, envelope, publish, stored
from tests.server.backups.conftest import make, sqlite_only

STORED, DUPLICATE = ReceiptCode.STORED, ReceiptCode.DUPLICATE
Restore = Callable[[Path], Context]


def bodies(context: Context) -> list[bytes]:
    return sorted(body for _, _, _, body in stored(context))


def transport_to(context: Context) -> ClientTransport:
    return ClientTransport(create_app(context.config, context).test_client())


def move(tablet: Tablet, restored: Context) -> None:
    """Let a tablet meet the restored office, hear that its cursor is of another life, and begin without one."""
    tablet.context, tablet.client = restored, create_app(restored.config, restored).test_client()
    assert tablet.exchange().status == 410
    tablet.cursor = None


def test_tablets_offer_again_what_came_after_the_backup(
    office: Context, enrol: Callable[..., Device], transport: ClientTransport, restore: Restore, tmp_path: Path
) -> None:
    publish(office)
    first, second = enrol("0001"), enrol("0002")
    for number in range(3):
        seal(first, number)
    assert first.sync(transport, NOW).outcome == "synced"
    made = make(office, tmp_path / "backups" / "one")
    for number in range(3, 6):
        seal(first, number)
        seal(second, number + 100)
    assert first.sync(transport, NOW).outcome == second.sync(transport, NOW).outcome == "synced"
    before = bodies(office)

    restored = restore(made.folder)

    assert len(bodies(restored)) < len(before)
    for device in (first, second):
        report = device.sync(transport_to(restored), NOW, wait=no_wait)
        assert (report.outcome, report.waiting) == ("synced", 0)
    assert bodies(restored) == before
    again = first.sync(transport_to(restored), NOW, wait=no_wait)
    assert (again.outcome, again.sent) == ("synced", 0)


def test_a_tablet_that_deleted_what_is_backed_up_loses_nothing(
    office: Context, restore: Restore, tmp_path: Path
) -> None:
    tablet = Tablet(office, create_app(office.config, office).test_client()).enrol()
    kept = {number: envelope(number) for number in range(6)}
    first = tablet.exchange(*(kept[number] for number in range(4)))
    made = make(office, tmp_path / "one")
    office._backed_up = ("", 0.0, None)  # some seconds later
    second = tablet.exchange(kept[4], kept[5])
    assert second.answer is not None
    assert second.answer.backed_up_sequence == made.sequence == max(number for number in first.sequences if number)
    everything = bodies(office)
    for number, sequence in zip(range(4), first.sequences, strict=True):
        assert sequence is not None
        if sequence <= second.answer.backed_up_sequence:
            del kept[number]
    assert sorted(kept) == [4, 5]

    restored = restore(made.folder)
    move(tablet, restored)
    again = tablet.exchange(*kept.values())

    assert again.codes == [STORED, STORED]
    assert bodies(restored) == everything


def test_a_number_that_was_given_after_the_backup_is_not_given_to_another_envelope(
    office: Context, restore: Restore, tmp_path: Path
) -> None:
    tablet = Tablet(office, create_app(office.config, office).test_client()).enrol()
    first = tablet.exchange(envelope(1))
    made = make(office, tmp_path / "one")
    lost = tablet.exchange(envelope(2), envelope(3)).sequences
    restored = restore(made.folder)
    move(tablet, restored)
    other = tablet.exchange(envelope(7), envelope(8), envelope(1))
    assert other.codes == [STORED, STORED, DUPLICATE]
    assert other.sequences[2] == first.sequences[0]
    assert not set(other.sequences) & set(lost)


def test_a_restored_office_reports_no_more_than_the_backup_that_it_came_from(
    office: Context, restore: Restore, tmp_path: Path
) -> None:
    tablet = Tablet(office, create_app(office.config, office).test_client()).enrol()
    tablet.exchange(envelope(1))
    early = make(office, tmp_path / "early")
    tablet.exchange(envelope(2))
    late = make(office, tmp_path / "late")
    assert early.sequence is not None
    assert late.sequence is not None
    assert late.sequence > early.sequence
    restored = restore(early.folder)
    with restored.database.read() as session:
        head, last = feed.head(session), backups.last(session)
    assert last is not None
    assert restored.backed_up_sequence(head.epoch) == last.sequence == early.sequence


@sqlite_only
def test_a_link_of_before_the_restore_lets_nobody_in(office: Context, restore: Restore, tmp_path: Path) -> None:
    """It may have been used since the backup, which does not know of it."""
    tablet = Tablet(office, create_app(office.config, office).test_client())
    made = make(office, tmp_path / "one")
    restored = restore(made.folder)
    client = create_app(restored.config, restored).test_client()
    answer = client.post("/sync/v1/enrol", data=tablet.enrol_request(), content_type="application/json")
    assert answer.status_code >= 400
    Tablet(restored, client).enrol()


def test_what_is_known_of_a_backup_is_forgotten_with_the_life_of_the_database(office: Context) -> None:
    with office.database.transaction() as session:
        backups.add(session, made_at=NOW, sequence=90, place="a")
    assert office.backed_up_sequence("first") == 90
    with office.database.transaction() as session:
        backups.forget_all(session)
        backups.add(session, made_at=NOW, sequence=40, place="b")
    assert office.backed_up_sequence("first") == 90  # for some seconds
    assert office.backed_up_sequence("second") == 40


def test_nothing_is_restored_over_something(office: Context, restore: Restore, tmp_path: Path) -> None:
    made = make(office, tmp_path / "one")
    (tmp_path / "restored").mkdir()
    (tmp_path / "restored" / "letter").write_text("dear")
    with pytest.raises(BackupError, match="not empty"):
        restore(made.folder)
    (tmp_path / "restored" / "letter").unlink()
    (tmp_path / "restored" / "lost+found").mkdir()  # of a fresh disk
    restore(made.folder)
    shutil.rmtree(tmp_path / "restored") if not office.database.is_sqlite else (
        tmp_path / "restored" / "passerelle.db"
    ).rename(tmp_path / "elsewhere.db")
    with pytest.raises(BackupError, match="not empty"):
        restore(made.folder)


@sqlite_only
def test_what_was_under_way_when_the_backup_was_made_begins_again(
    office: Context, restore: Restore, tmp_path: Path
) -> None:
    upload = {"sha256": bytes(32), "length_bytes": 9, "received_bytes": 4, "carrier": "d", "begun_at": NOW}
    lease = {"lease_holder": "gone:1", "lease_until": NOW + timedelta(days=9)}
    make(office, tmp_path / "early")
    with office.database.transaction() as session:
        session.add(Upload(**upload, completed_at=None))
        session.add(Schedule(name="estimates", due_at=NOW, every_seconds=60, **lease))
    restored = restore(make(office, tmp_path / "late").folder)
    with restored.database.read() as session:
        assert session.query(Upload.sha256).all() == []
        assert session.query(Schedule.lease_holder).all() == [(None,)]
        assert [row.place for row in session.query(Backup)] == [str(tmp_path / "late")]
        assert [entry.action for entry in audit.latest(session, 1)] == ["restore"]


@sqlite_only
def test_a_restore_that_was_cut_short_is_not_served(office: Context, restore: Restore, tmp_path: Path) -> None:
    restored = restore(make(office, tmp_path / "one").folder)
    (restored.config.data_dir / "restore-unfinished").write_text("")
    with pytest.raises(DatabaseUnusable, match="did not finish"):
        Context.open(restored.config)


@sqlite_only
def test_a_damaged_backup_is_refused_before_anything_is_written(
    office: Context, restore: Restore, tmp_path: Path
) -> None:
    made = make(office, tmp_path / "one")
    file = made.folder / "keys" / "service.json"
    file.write_bytes(file.read_bytes()[:-1] + b" ")
    with pytest.raises(BackupError, match="damaged"):
        restore(made.folder)
    assert not (tmp_path / "restored").exists()
