"""Sealed mode: a server without survey keys, the office's offline machine, and what goes between the two."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from server.context import Context
from server.db.queries import (
    audit,
    backups,
    devices,
    envelopes,
    erasures,
    feed,
    forms,
    interviews,
    opening,
    set_aside,
    statistics,
    uploads,
)
from server.db.queries.opening import RELEASED
from server.db.queries.statistics import DONE, RunRow
from server.db.tables import Upload
from server.db.tables.envelopes import ERASED, LISTED, OPENED, QUARANTINED
from server.errors import BadRequest, Conflict, KeyStoreSealed
from server.export.release_content import content_hash
from server.folding import deciding, erasing
from server.keystore import OFFICE_ID, KeyStore, KeyStoreError, Rotation
from server.services import alarms, proposals, rebuild, review_interview, sealed_office, verify_store
from server.services.sealed_office import Taken
from sync_protocol.deletion import OPENABLE
from sync_protocol.documents import document_hash, sign_document
from sync_protocol.epoch import parse_epoch
from sync_protocol.pull_items import ErasurePull, VerdictPull, WipePull
from tests.office import NOW
from tests.server.backups.conftest import make
from tests.server.handovers.pulling import Puller
from tests.server.opening.kit import Answers, Tablet, deliver, form_hash, open_all, publish, raw_id
from tests.server.opening.test_erasure import erase, propose

PASSPHRASE = "two words"
Restore = Callable[[Path], Context]


@pytest.fixture
def server(office: Context) -> Iterator[Context]:
    """A server with keys of its own."""
    context = Context.open(office.config)
    publish(context)
    yield context
    context.close()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Where the survey keys go."""
    return tmp_path / "survey-keys.json"


@pytest.fixture
def sealed(server: Context, keys: Path) -> Context:
    """A sealed server with a tablet."""
    server.keystore.take_out_survey_keys(keys, PASSPHRASE, keeps=False)
    return server


@pytest.fixture
def tablet(sealed: Context) -> Tablet:
    return Tablet(sealed.keystore).enrol(sealed)


@pytest.fixture
def offline(sealed: Context, keys: Path, restore: Restore, tmp_path: Path) -> Callable[[], Context]:
    """Return a function that restores a backup of the server on the offline machine and opens what is in it."""

    def bring_over() -> Context:
        made = make(sealed, tmp_path / "stick" / "backup", now=NOW)
        machine = restore(made.folder)
        machine.keystore.put_in_survey_keys(keys, PASSPHRASE)
        open_all(machine)
        return machine

    return bring_over


def states(context: Context) -> dict[str, int]:
    with context.database.read() as session:
        return envelopes.count_by_state(session)


def results_of(machine: Context, *, at: datetime = NOW) -> bytes:
    with machine.database.read() as session:
        return sealed_office.make_results(session, keystore=machine.keystore, now=at)


def bring_back(machine: Context, server: Context) -> Taken:
    """Carry the results of the offline machine to the server, as the commands do."""
    return take(server, results_of(machine))


def take(server: Context, document: bytes) -> Taken:
    found = sealed_office.read_results(document, keystore=server.keystore, now=NOW)
    with server.database.transaction() as session:
        taken = sealed_office.take_results(
            session, found, keystore=server.keystore, microdata=server.microdata, user="amina", now=NOW
        )
    erasing.clear(taken.swept, database=server.database, microdata=server.microdata, blobs=server.blobs)
    server.keystore.adopt_keyring(found.keyring)
    return taken


def told(puller: Puller) -> list[tuple[bytes, str]]:
    return [(item.instance_id, item.state) for item in puller.pull() if isinstance(item, VerdictPull)]


def bring_one(sealed: Context, tablet: Tablet) -> None:
    """Let a tablet bring an interview, and the worker look at it."""
    deliver(sealed, [tablet.epoch(), tablet.seal(Answers(number=1))])
    open_all(sealed)


def bring_late(sealed: Context, tablet: Tablet) -> bytes:
    """Let a tablet bring an interview of a form version that was retired before; return it."""
    with sealed.database.transaction() as session:
        position = feed.next_position(session)
        forms.set_state(session, form_hash(), forms.RETIRED, retired_at=NOW - timedelta(hours=1), position=position)
    late = tablet.seal(Answers(number=1))
    deliver(sealed, [tablet.epoch(), late])
    open_all(sealed)
    return late


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


def test_the_offline_machine_opens_what_the_server_listed_and_its_word_reaches_tablets(
    sealed: Context, tablet: Tablet, offline: Callable[[], Context]
) -> None:
    damaged = tablet.seal(b"<data/>", number=3)
    deliver(sealed, [tablet.epoch(), tablet.seal(Answers(number=1)), tablet.seal(Answers(number=2)), damaged])
    open_all(sealed)
    puller = Puller(sealed, device_id="tablet-1")
    assert len(told(puller)) == 3
    machine = offline()
    with machine.database.read() as session:
        assert {row.instance_id for row in interviews.all_revisions(session)} == {raw_id(1), raw_id(2)}
    first = bring_back(machine, sealed)
    assert (first.verdicts, first.erased, first.releases, first.decisions) == (3, 0, 0, 0)
    assert sorted(told(puller)) == [(raw_id(1), OPENED), (raw_id(2), OPENED), (raw_id(3), QUARANTINED)]
    again = bring_back(machine, sealed)
    assert (again.verdicts, again.erased, again.releases, again.decisions) == (0, 0, 0, 0)
    assert told(puller) == []


def test_an_interview_that_is_erased_offline_goes_from_the_server_and_from_tablets(
    sealed: Context, tablet: Tablet, offline: Callable[[], Context]
) -> None:
    kept, gone, edit = (
        tablet.seal(Answers(number=1)),
        tablet.seal(Answers(number=2)),
        tablet.seal(Answers(number=3, edits=2), parents=[2]),
    )
    deliver(sealed, [tablet.epoch(), kept, gone])
    open_all(sealed)
    puller = Puller(sealed, device_id="tablet-1")
    puller.pull()
    machine = offline()
    erase(machine, 2)
    deliver(sealed, [edit])  # came after the backup, and edits what is erased
    open_all(sealed)
    taken = bring_back(machine, sealed)
    assert taken.erased == 1
    assert taken.decisions == 2, "the office's epoch and its decision"
    open_all(sealed)
    assert states(sealed)[ERASED] == 2
    with sealed.database.read() as session:
        assert erasures.known(session, [raw_id(2)])[0] == {raw_id(2)}
    assert any(isinstance(item, ErasurePull) for item in puller.pull())
    assert bring_back(machine, sealed).erased == 0


def test_a_published_release_is_published_on_the_server_and_a_draft_is_not(
    sealed: Context, offline: Callable[[], Context]
) -> None:
    machine = offline()
    with machine.database.transaction() as session:
        run = RunRow(due_at=NOW, started_at=NOW, finished_at=NOW, state=DONE, reason=None, inputs_hash=bytes(32))
        for content in (b'{"draft":1}', b'{"published":1}'):
            release_id = statistics.add_draft(
                session,
                run_id=statistics.add_run(session, run),
                now=NOW,
                cut_off=NOW,
                content=content,
                content_hash=content_hash(content),
                open_holds=0,
            )
        statistics.set_published(session, release_id, by="amina", at=NOW + timedelta(hours=1))
    assert bring_back(machine, sealed).releases == 1
    assert bring_back(machine, sealed).releases == 0
    with sealed.database.read() as session:
        (found,) = statistics.releases(session)
    assert (found.content, found.state, found.published_by) == (b'{"published":1}', "published", "amina")
    assert found.published_at == NOW + timedelta(hours=1)


def test_decisions_of_the_offline_machine_are_in_the_next_backup(
    sealed: Context, tablet: Tablet, offline: Callable[[], Context]
) -> None:
    bring_one(sealed, tablet)
    machine = offline()
    with machine.database.transaction() as session:
        review_interview.review(
            session, keystore=machine.keystore, interview_id=raw_id(1), verdict="approved", note="", user="a", now=NOW
        )
    open_all(machine)
    bring_back(machine, sealed)
    open_all(sealed)
    assert states(sealed) == {OPENED: 2, LISTED: 2}, "two epochs; an interview and a decision"


@pytest.fixture
def root(keys_dir: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key((keys_dir.parent / "root.pem").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


SURVEY = Rotation(kinds=frozenset({"survey"}))


def test_survey_keys_are_rotated_offline_and_tablets_hear_of_it(
    sealed: Context, offline: Callable[[], Context], root: Ed25519PrivateKey, keys: Path
) -> None:
    with pytest.raises(KeyStoreError, match="rotated where they are"):
        sealed.keystore.rotate(SURVEY, root, now=NOW)
    machine = offline()
    machine.keystore.rotate(SURVEY, root, now=NOW)
    with pytest.raises(Conflict, match="on this machine only"):
        results_of(machine)
    newer = keys.with_name("newer.json")
    machine.keystore.take_out_survey_keys(newer, PASSPHRASE, keeps=True)
    bring_back(machine, sealed)
    assert sealed.keystore.keyring.serial == 2
    assert sealed.keystore.is_sealed
    with sealed.database.read() as session:
        assert devices.keyrings(session)[-1] == sealed.keystore.keyring_document
    copy = KeyStore.open(sealed.config.keys_dir, None)
    with pytest.raises(KeyStoreError, match="older than the keyring"):
        copy.put_in_survey_keys(keys, PASSPHRASE)
    assert copy.is_sealed, "with the former file, new interviews would be taken for forged ones"
    copy.put_in_survey_keys(newer, PASSPHRASE)
    assert not copy.is_sealed


def test_a_keyring_that_lacks_what_the_server_has_done_since_is_refused_before_anything_is_taken(
    sealed: Context, tablet: Tablet, offline: Callable[[], Context], root: Ed25519PrivateKey, keys: Path
) -> None:
    bring_one(sealed, tablet)
    machine = offline()
    revoked = Rotation(kinds=frozenset(), revocations=(bytes(32),))
    sealed.keystore.rotate(revoked, root, now=NOW)
    for number in range(2):  # of the same serial, and of a higher one
        machine.keystore.rotate(SURVEY, root, now=NOW)
        machine.keystore.take_out_survey_keys(keys.with_name(f"{number}.json"), PASSPHRASE, keeps=True)
        with pytest.raises(KeyStoreError, match="signed anew since"):
            bring_back(machine, sealed)
    assert sealed.keystore.keyring.revocations == (bytes(32),)
    assert told(Puller(sealed, device_id="tablet-1")) == [(raw_id(1), LISTED)]


def test_what_is_let_in_offline_stays_let_in_after_the_next_backup(
    sealed: Context, tablet: Tablet, restore: Restore, keys: Path, tmp_path: Path
) -> None:
    late = bring_late(sealed, tablet)
    puller = Puller(sealed, device_id="tablet-1")
    puller.pull()
    with sealed.database.transaction() as session:
        # what `offline` does, twice: the fixture restores into one folder only
        set_aside.set_marks(
            session, [(document_hash(late), RELEASED), (bytes(32), RELEASED), (document_hash(late), "x")]
        )
    made = make(sealed, tmp_path / "stick" / "later")
    machine = restore(made.folder)
    machine.keystore.put_in_survey_keys(keys, PASSPHRASE)
    open_all(machine)
    assert states(machine) == {OPENED: 2}
    with machine.database.read() as session:
        assert set_aside.marks(session) == [(document_hash(late), RELEASED)]
    bring_back(machine, sealed)
    assert told(puller) == [(raw_id(1), OPENED)]


def test_what_a_person_lets_in_offline_is_marked_on_the_server(
    sealed: Context, tablet: Tablet, offline: Callable[[], Context]
) -> None:
    late = bring_late(sealed, tablet)
    machine = offline()
    with machine.database.transaction() as session:
        assert opening.release(session, document_hash(late))
    open_all(machine)
    bring_back(machine, sealed)
    with sealed.database.read() as session:
        assert set_aside.marks(session) == [(document_hash(late), RELEASED)]
    assert told(Puller(sealed, device_id="tablet-1")) == [(raw_id(1), OPENED)]
    assert open_all(sealed).total == 0


def test_decisions_about_people_who_are_erased_are_emptied_on_the_server_too(
    sealed: Context, tablet: Tablet, offline: Callable[[], Context]
) -> None:
    bring_one(sealed, tablet)
    machine = offline()
    with machine.database.transaction() as session:
        decision = review_interview.review(
            session, keystore=machine.keystore, interview_id=raw_id(1), verdict="approved", note="n", user="a", now=NOW
        )
    open_all(machine)
    bring_back(machine, sealed)
    erase(machine, 1)
    bring_back(machine, sealed)
    with sealed.database.read() as session:
        assert decision in envelopes.emptied(session, carrier=OFFICE_ID)


def test_older_results_are_not_taken_after_newer_ones(
    sealed: Context, tablet: Tablet, offline: Callable[[], Context]
) -> None:
    bring_one(sealed, tablet)
    machine = offline()
    older, newer = results_of(machine), results_of(machine, at=NOW + timedelta(hours=1))
    take(sealed, newer)
    with pytest.raises(Conflict, match="older than those of"):
        take(sealed, older)
    assert take(sealed, newer).verdicts == 0


def test_verdicts_on_what_is_not_here_or_erased_here_are_told_to_nobody(
    sealed: Context, tablet: Tablet, offline: Callable[[], Context]
) -> None:
    bring_one(sealed, tablet)
    machine = offline()
    stray = tablet.seal(Answers(number=2))
    deliver(machine, [stray])
    open_all(machine)
    assert bring_back(machine, sealed).verdicts == 1
    assert [name for name, _ in told(Puller(sealed, device_id="tablet-1"))] == [raw_id(1)]


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


def test_results_that_are_not_of_this_office_or_were_altered_are_refused(
    sealed: Context, tablet: Tablet, offline: Callable[[], Context], tmp_path: Path
) -> None:
    bring_one(sealed, tablet)
    machine = offline()
    document = results_of(machine)
    other = KeyStore.create(tmp_path / "other", None, tmp_path / "other.pem", now=NOW)
    forged = sign_document({"verdicts": []}, other.office.signer, sealed_office.LABEL_RESULTS)
    halved = sign_document({"verdicts": [["x"]]}, sealed.keystore.office.signer, sealed_office.LABEL_RESULTS)
    for wrong in (b"", document[:-2], document.replace(b"opened", b"listed"), forged, halved):
        with pytest.raises(BadRequest):
            take(sealed, wrong)
    with pytest.raises(Conflict, match="opens its interviews itself"):
        take(machine, document)
    assert told(Puller(sealed, device_id="tablet-1")) == [(raw_id(1), LISTED)]
