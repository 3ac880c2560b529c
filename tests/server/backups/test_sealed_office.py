"""Sealed mode: a server without survey keys, the office's offline machine, and what goes between the two."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from server.context import Context
from server.db.queries import envelopes, erasures, interviews, statistics
from server.db.queries.statistics import DONE, RunRow
from server.db.tables.envelopes import ERASED, LISTED, OPENED, QUARANTINED
from server.errors import BadRequest, Conflict, KeyStoreSealed
from server.export.release_content import content_hash
from server.folding import erasing
from server.keystore import KeyStore, KeyStoreError, Rotation
from server.services import alarms, proposals, review_interview, sealed_office, verify_store
from server.services.sealed_office import Taken
from sync_protocol.deletion import OPENABLE
from sync_protocol.documents import sign_document
from sync_protocol.epoch import parse_epoch
from sync_protocol.pull_items import ErasurePull, VerdictPull
from tests.office import NOW
from tests.server.backups.conftest import make
from tests.server.handovers.pulling import Puller
from tests.server.opening.kit import Answers, Tablet, deliver, open_all, publish, raw_id

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


def bring_back(machine: Context, server: Context) -> Taken:
    """Carry the results of the offline machine to the server, as the commands do."""
    with machine.database.read() as session:
        document = sealed_office.make_results(session, keystore=machine.keystore, now=NOW)
    return take(server, document)


def take(server: Context, document: bytes) -> Taken:
    with server.database.transaction() as session:
        taken = sealed_office.take_results(
            session, document, keystore=server.keystore, microdata=server.microdata, user="amina", now=NOW
        )
    erasing.clear(taken.swept, database=server.database, microdata=server.microdata, blobs=server.blobs)
    server.keystore.adopt_keyring(taken.keyring)
    return taken


def told(puller: Puller) -> list[tuple[bytes, str]]:
    return [(item.instance_id, item.state) for item in puller.pull() if isinstance(item, VerdictPull)]


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
    with machine.database.transaction() as session:
        number = proposals.propose_erasure(
            session, keystore=machine.keystore, instance_id=raw_id(2), note="they asked", user="amina", now=NOW
        )
        proposals.agree(session, keystore=machine.keystore, proposal_id=number, user="sami", now=NOW)
    open_all(machine)
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
    deliver(sealed, [tablet.epoch(), tablet.seal(Answers(number=1))])
    open_all(sealed)
    machine = offline()
    with machine.database.transaction() as session:
        review_interview.review(
            session, keystore=machine.keystore, interview_id=raw_id(1), verdict="approved", note="", user="a", now=NOW
        )
    open_all(machine)
    bring_back(machine, sealed)
    open_all(sealed)
    assert states(sealed) == {OPENED: 2, LISTED: 2}, "two epochs; an interview and a decision"


def test_survey_keys_are_rotated_offline_and_tablets_hear_of_it(
    sealed: Context, offline: Callable[[], Context], keys_dir: Path
) -> None:
    root = load_pem_private_key((keys_dir.parent / "root.pem").read_bytes(), None)
    assert isinstance(root, Ed25519PrivateKey)
    with pytest.raises(KeyStoreError, match="rotated where they are"):
        sealed.keystore.rotate(Rotation(kinds=frozenset({"survey"})), root, now=NOW)
    machine = offline()
    machine.keystore.rotate(Rotation(kinds=frozenset({"survey"})), root, now=NOW)
    bring_back(machine, sealed)
    assert sealed.keystore.keyring.serial == 2
    assert sealed.keystore.is_sealed


def test_results_that_are_not_of_this_office_or_were_altered_are_refused(
    sealed: Context, tablet: Tablet, offline: Callable[[], Context], tmp_path: Path
) -> None:
    deliver(sealed, [tablet.epoch(), tablet.seal(Answers(number=1))])
    open_all(sealed)
    machine = offline()
    with machine.database.read() as session:
        document = sealed_office.make_results(session, keystore=machine.keystore, now=NOW)
    other = KeyStore.create(tmp_path / "other", None, tmp_path / "other.pem", now=NOW)
    forged = sign_document({"verdicts": []}, other.office.signer, sealed_office.LABEL_RESULTS)
    halved = sign_document({"verdicts": [["x"]]}, sealed.keystore.office.signer, sealed_office.LABEL_RESULTS)
    for wrong in (b"", document[:-2], document.replace(b"opened", b"listed"), forged, halved):
        with pytest.raises(BadRequest):
            take(sealed, wrong)
    with pytest.raises(Conflict, match="opens its interviews itself"):
        take(machine, document)
    assert told(Puller(sealed, device_id="tablet-1")) == [(raw_id(1), LISTED)]
