"""The offline machine of a sealed server: what goes between the two, and what comes back."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from server.context import Context
from server.db.queries import (
    devices,
    envelopes,
    erasures,
    feed,
    forms,
    interviews,
    reopening,
    set_aside,
    statistics,
)
from server.db.queries.opening import RELEASED
from server.db.queries.statistics import DONE, RunRow
from server.db.tables.envelopes import ERASED, LISTED, OPENED, QUARANTINED
from server.errors import BadRequest, Conflict
from server.export.release_content import content_hash
from server.folding import erasing
from server.keystore import OFFICE_ID, KeyStore, KeyStoreError, Rotation
from server.services import review_interview, sealed_office
from server.services.sealed_office import Taken
from sync_protocol.documents import document_hash, sign_document
from sync_protocol.pull_items import ErasurePull
from tests.office import NOW
from tests.server.backups.conftest import make
from tests.server.backups.sealing_kit import PASSPHRASE, bring_one, states, told
from tests.server.handovers.pulling import Puller
from tests.server.opening.kit import Answers, Tablet, deliver, form_hash, open_all, raw_id
from tests.server.opening.test_erasure import erase

Restore = Callable[[Path], Context]


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


def bring_late(sealed: Context, tablet: Tablet) -> bytes:
    """Let a tablet bring an interview of a form version that was retired before; return it."""
    with sealed.database.transaction() as session:
        position = feed.next_position(session)
        forms.set_state(session, form_hash(), forms.RETIRED, retired_at=NOW - timedelta(hours=1), position=position)
    late = tablet.seal(Answers(number=1))
    deliver(sealed, [tablet.epoch(), late])
    open_all(sealed)
    return late


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
        assert reopening.release(session, document_hash(late))
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
