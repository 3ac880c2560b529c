"""A server without survey keys: what it takes, what it tells, and what nobody can do on it."""

from pathlib import Path

import pytest

from server.context import Context
from server.db.queries import (
    audit,
    backups,
    interviews,
    uploads,
)
from server.db.tables import Upload
from server.db.tables.envelopes import LISTED, OPENED
from server.errors import Conflict, KeyStoreSealed
from server.folding import deciding
from server.keystore import KeyStore, KeyStoreError
from server.services import alarms, proposals, rebuild, sealed_office, verify_store
from sync_protocol.deletion import OPENABLE
from sync_protocol.epoch import parse_epoch
from sync_protocol.pull_items import WipePull
from tests.office import NOW
from tests.server.backups.sealing_kit import PASSPHRASE, bring_one, states, told
from tests.server.handovers.pulling import Puller
from tests.server.opening.kit import Answers, Tablet, deliver, form_hash, open_all, raw_id
from tests.server.opening.test_erasure import propose


def test_a_sealed_server_takes_everything_opens_nothing_and_lets_tablets_go_on(sealed: Context, tablet: Tablet) -> None:
    deliver(sealed, [tablet.epoch(), tablet.seal(Answers(number=1)), tablet.seal(Answers(number=2))])
    batch = open_all(sealed)
    assert (batch.opened, batch.waiting, batch.quarantined) == (1, 2, 0), "the epoch is read, not unwrapped"
    assert states(sealed) == {OPENED: 1, LISTED: 2}
    assert open_all(sealed).total == 0, "what is listed is not looked at again and again"
    assert sorted(told(Puller(sealed, device_id="tablet-1"))) == [(raw_id(1), LISTED), (raw_id(2), LISTED)]
    assert LISTED in OPENABLE, "a tablet may delete what is listed and backed up"
    with sealed.database.read() as session:
        status = alarms.look(session, config=sealed.config, now=NOW)
        assert "waiting-for-key" not in {alarm.code for alarm in status.alarms}
        assert list(interviews.all_revisions(session)) == []
    assert verify_store.verify(sealed.database, keystore=sealed.keystore).is_sound


def test_an_altered_envelope_is_set_aside_by_a_sealed_server_too(sealed: Context, tablet: Tablet) -> None:
    body = tablet.seal(Answers(number=1))
    deliver(sealed, [tablet.epoch(), body[:-1] + bytes([body[-1] ^ 1])])
    assert open_all(sealed).quarantined == 1


def test_no_key_on_the_server_opens_an_interview(sealed: Context, tablet: Tablet, keys: Path) -> None:
    again = KeyStore.open(sealed.config.keys_dir, None)
    assert again.is_sealed
    assert not again.is_locked
    epoch = parse_epoch(tablet.epoch())
    with pytest.raises(KeyStoreSealed, match="not on this server"):
        again.open_epoch(epoch)
    with pytest.raises(KeyStoreError, match="does not open"):
        again.put_in_survey_keys(keys, "two other words")
    with pytest.raises(KeyStoreError, match="taken off it before"):
        again.take_out_survey_keys(keys.with_name("again.json"), PASSPHRASE, keeps=False)
    assert keys.stat().st_mode & 0o777 == 0o600
    again.put_in_survey_keys(keys, PASSPHRASE)
    assert len(again.open_epoch(epoch)) == 32, "with the file it does"


def test_a_file_that_is_there_is_not_overwritten_and_nothing_is_taken_out(server: Context, keys: Path) -> None:
    keys.write_bytes(b"somebody's")
    with pytest.raises(KeyStoreError, match="never overwritten"):
        server.keystore.take_out_survey_keys(keys, PASSPHRASE, keeps=False)
    assert keys.read_bytes() == b"somebody's"
    assert not KeyStore.open(server.config.keys_dir, None).is_sealed


def test_a_copy_leaves_the_keys_in(server: Context, keys: Path) -> None:
    server.keystore.take_out_survey_keys(keys, PASSPHRASE, keeps=True)
    assert not KeyStore.open(server.config.keys_dir, None).is_sealed


def test_keys_of_another_office_are_refused(sealed: Context, tmp_path: Path) -> None:
    other = KeyStore.create(tmp_path / "other", None, tmp_path / "root.pem", now=NOW)
    other.take_out_survey_keys(tmp_path / "other.json", PASSPHRASE, keeps=True)
    with pytest.raises(KeyStoreError, match="another office"):
        sealed.keystore.put_in_survey_keys(tmp_path / "other.json", PASSPHRASE)


def test_a_worker_that_runs_hears_that_the_server_was_sealed(server: Context, keys: Path) -> None:
    running = KeyStore.open(server.config.keys_dir, None)
    server.keystore.take_out_survey_keys(keys, PASSPHRASE, keeps=False)
    running._looked_at = 0.0  # some seconds later
    running.refresh()
    assert running.is_sealed


def test_a_server_that_has_interviews_is_not_sealed(server: Context, keys: Path) -> None:
    tablet = Tablet(server.keystore).enrol(server)
    deliver(server, [tablet.epoch(), tablet.draft(Answers(number=1))])
    with server.database.transaction() as session, pytest.raises(Conflict, match="seal a new one"):
        sealed_office.seal(
            session, keystore=server.keystore, path=keys, passphrase=PASSPHRASE, keeps=False, user="amina", now=NOW
        )
    assert not keys.exists()
    with server.database.transaction() as session:
        sealed_office.seal(
            session, keystore=server.keystore, path=keys, passphrase=PASSPHRASE, keeps=True, user="amina", now=NOW
        )
        assert audit.latest(session)[0].action == "copy-survey-keys"


def test_nothing_is_decided_or_made_again_on_a_sealed_server_but_a_wipe(sealed: Context, tablet: Tablet) -> None:
    bring_one(sealed, tablet)
    with pytest.raises(KeyStoreSealed, match="does not know all of it"):
        propose(sealed, 1)
    with sealed.database.transaction() as session, pytest.raises(KeyStoreSealed, match="decide on that machine"):
        deciding.store_sealed_decision(
            session, keystore=sealed.keystore, decision={"action": "review"}, about=(raw_id(1),), mode="survey",
            form_version_hash=form_hash(), now=NOW,
        )  # fmt: skip
    with pytest.raises(KeyStoreSealed):
        rebuild.rebuild(database=sealed.database, keystore=sealed.keystore, microdata=sealed.microdata, now=NOW)
    with sealed.database.transaction() as session:
        number = proposals.propose_wipe(
            session, keystore=sealed.keystore, device_id="tablet-1", note="stolen", user="amina", now=NOW
        )
        proposals.agree(session, keystore=sealed.keystore, proposal_id=number, user="sami", now=NOW)
    assert any(isinstance(item, WipePull) for item in Puller(sealed, device_id="tablet-1").pull())


def test_a_process_whose_passphrase_was_changed_lets_the_survey_keys_go_too(server: Context, keys: Path) -> None:
    running = KeyStore.open(server.config.keys_dir, None)
    server.keystore.change_passphrase("three other words")
    server.keystore.take_out_survey_keys(keys, PASSPHRASE, keeps=False)
    running._looked_at = 0.0  # some seconds later
    running.refresh()
    assert running.is_sealed


def test_the_file_may_lie_on_a_stick_that_knows_no_owners(sealed: Context, keys: Path) -> None:
    keys.chmod(0o755)
    sealed.keystore.put_in_survey_keys(keys, PASSPHRASE)
    assert not sealed.keystore.is_sealed


def test_an_epoch_under_a_foreign_survey_key_is_no_interview_that_is_listed(sealed: Context, tmp_path: Path) -> None:
    other = KeyStore.create(tmp_path / "other", None, tmp_path / "other.pem", now=NOW)
    foreign = Tablet(sealed.keystore, device_id="tablet-9").enrol(sealed)
    foreign.keystore = other
    deliver(sealed, [foreign.epoch(), foreign.seal(Answers(number=1))], carrier="tablet-9")
    assert open_all(sealed).quarantined == 2


def test_no_backup_reaches_what_is_listed_while_a_medium_is_lost(sealed: Context, tablet: Tablet) -> None:
    deliver(sealed, [tablet.epoch(), tablet.seal(Answers(number=1)), tablet.seal(Answers(number=2))])
    open_all(sealed)
    with sealed.database.transaction() as session:
        assert backups.first_with_media_to_come(session, now=NOW) is None
        session.add(
            Upload(
                sha256=bytes(32), length_bytes=9, received_bytes=0, carrier="tablet-1", begun_at=NOW, is_settled=True
            )
        )
    with sealed.database.read() as session:
        assert backups.first_with_media_to_come(session, now=NOW) == 2
        assert uploads.count_lost(session) == 1
