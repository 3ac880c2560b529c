"""What was missing when a batch was opened, and came before it was stored, is not waited for twice."""

import threading

import pytest
from sqlalchemy import select, update

from server.context import Context
from server.db.queries import opening, reopening
from server.db.tables import Envelope
from server.folding import reasons
from server.folding.encrypted import SIGNATURE_INVALID
from server.folding.material import Material
from server.folding.opener import Opener
from server.keystore import KeyStore, odk
from server.services import odk_keys, publish_form
from tests.office import NOW
from tests.server.opening.doorway import Door, Photos, encrypted, photo_form
from tests.server.opening.kit import open_all, publish_xform, worker


def states(context: Context) -> set[tuple[str, str | None]]:
    with context.database.read() as session:
        rows = session.execute(select(Envelope.state, Envelope.reason).where(Envelope.kind == 2)).all()
    return {(state, reason) for state, reason in rows}


def publish_as_people_do(context: Context, *, started: threading.Event | None = None) -> None:
    prepared = publish_form.prepare(photo_form(), "photos.xml")
    with context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="manager", now=NOW)
        if started is not None:
            started.set()


def looked_at(context: Context) -> tuple[Opener, list[object]]:
    """Open what waits, and store nothing yet: as a worker does that is a moment slower than the office."""
    with context.database.read() as session:
        batch = opening.openable(session, limit=500, is_locked=False, is_sealed=False)
        material = Material.load(session, batch, known_forms=())
    opener = Opener(context.keystore, material, {})
    return opener, list(opener.open_all(batch))


def test_a_form_that_is_published_between_the_look_and_the_lock_is_not_waited_for(context: Context) -> None:
    Door(context).post(Photos(number=1).xml())
    _, outcomes = looked_at(context)
    publish_as_people_do(context)
    worker(context)._keep(outcomes)  # type: ignore[arg-type]
    assert states(context) == {("received", None)}
    open_all(context)
    assert states(context) == {("opened", None)}


def test_what_no_publication_ends_stays_in_quarantine(context: Context) -> None:
    Door(context).post(Photos(number=1, version="9").xml())
    publish_as_people_do(context)
    open_all(context)
    assert states(context) == {("quarantined", "unknown-form-version")}
    open_all(context)
    assert states(context) == {("quarantined", "unknown-form-version")}


def test_a_publication_tries_what_waits_for_that_version_and_nothing_else(context: Context) -> None:
    door = Door(context)
    for number, version in ((1, "1"), (2, "9")):
        door.post(Photos(number=number, version=version).xml())
    open_all(context)
    publish_as_people_do(context)
    assert states(context) == {("received", None), ("quarantined", "unknown-form-version")}
    open_all(context)
    assert states(context) == {("opened", None), ("quarantined", "unknown-form-version")}


@pytest.mark.parametrize("form_named", [None, "photos 1"])
def test_what_does_not_say_its_form_outside_is_tried_at_every_publication(
    context: Context, form_named: str | None
) -> None:
    Door(context).post(Photos(number=1).xml())
    open_all(context)
    with context.database.transaction() as session:
        session.execute(update(Envelope).values(form_named=form_named))
    publish_as_people_do(context)
    open_all(context)
    assert states(context) == {("opened", None)}


@pytest.mark.parametrize("round_", range(3))
def test_a_publication_and_a_worker_at_once_leave_nothing_behind(context: Context, round_: int) -> None:
    Door(context).post(Photos(number=1).xml())
    _, outcomes = looked_at(context)
    errors: list[BaseException] = []
    barrier = threading.Barrier(2)

    def run(work: object) -> None:
        try:
            barrier.wait(10)
            work()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 -- told to the test
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=(work,))
        for work in (
            lambda: publish_as_people_do(context),
            lambda: worker(context)._keep(outcomes),  # type: ignore[arg-type]
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    open_all(context)
    assert states(context) == {("opened", None)}


def test_a_worker_that_holds_the_lock_is_waited_for_by_the_publication(context: Context) -> None:
    if context.database.is_sqlite:
        pytest.skip("on SQLite one transaction writes at a time")
    Door(context).post(Photos(number=1).xml())
    _, outcomes = looked_at(context)
    done = threading.Event()

    def publish() -> None:
        publish_as_people_do(context)
        done.set()

    with context.database.transaction() as session:
        opening.lock_fold(session)
        thread = threading.Thread(target=publish)
        thread.start()
        assert not done.wait(0.5)
    thread.join(30)
    assert done.is_set()
    worker(context)._keep(outcomes)  # type: ignore[arg-type]
    open_all(context)
    assert states(context) == {("opened", None)}


def test_a_key_and_a_file_that_come_between_the_look_and_the_lock_are_not_waited_for(
    context: Context, keystore: KeyStore
) -> None:
    made = odk.make_key(keystore)
    publish_xform(context, photo_form(public_key=made.public_key))
    door, opened = Door(context), worker(context)
    manifest, files = encrypted(made.public_key, Photos(number=1).xml(), number=1)
    door.post(manifest)
    slow = _outcomes(context)
    with context.database.transaction() as session:
        odk_keys.keep(session, made, is_managed=True, user="manager", now=NOW)
    opened._keep(slow)  # type: ignore[arg-type]
    assert states(context) == {("received", None)}
    slow = _outcomes(context)
    door.post(manifest, files)
    assert opened.run_once(limit=1000).total
    opened._keep(slow)  # type: ignore[arg-type]
    open_all(context)
    assert states(context) == {("opened", None)}


def test_a_whole_file_that_comes_while_a_cut_one_is_looked_at_is_not_waited_for(
    context: Context, keystore: KeyStore
) -> None:
    made = odk.make_key(keystore)
    publish_xform(context, photo_form(public_key=made.public_key))
    with context.database.transaction() as session:
        odk_keys.keep(session, made, is_managed=True, user="manager", now=NOW)
    door, opened = Door(context), worker(context)
    manifest, files = encrypted(made.public_key, Photos(number=1).xml(), number=1)
    door.post(manifest, {"submission.xml.enc": files["submission.xml.enc"][:-1]})
    open_all(context)
    assert states(context) == {("quarantined", "odk-undecryptable")}
    with context.database.transaction() as session:
        (held,) = opening.quarantined(session)
        reopening.release(session, held.envelope_id)
    slow = _outcomes(context)
    door.post(manifest, files)
    assert opened.run_once(limit=1000).total
    opened._keep(slow)  # type: ignore[arg-type]
    open_all(context)
    assert states(context) == {("opened", "released")}


def _outcomes(context: Context) -> list[object]:
    from server.folding.encrypted import EncryptedFiles

    with context.database.read() as session:
        batch = opening.openable(session, limit=500, is_locked=False, is_sealed=False)
        material = Material.load(session, batch, known_forms=())
    files = EncryptedFiles.of(context.database, context.blobs)
    return list(Opener(context.keystore, material, {}, files).open_all(batch))


def test_every_reason_has_a_text_in_both_languages() -> None:
    asked = {
        *(opening.AFTER_REVOCATION, opening.FORM_RETIRED, opening.UNKNOWN_FORM_VERSION, *opening.ENDED_BY_A_FILE),
        *(reasons.UNREADABLE_INSTANCE, reasons.NO_INSTANCE_ID, reasons.PLAINTEXT, reasons.BESIDE_CIPHERTEXT),
        *(opening.WIPED, SIGNATURE_INVALID, odk.UNDECRYPTABLE, "cannot-be-folded", "unstorable-answers", "unforeseen"),
        *(f"waiting-for-{what}" for what in ("epoch", "form", "key", "media", "odk-key")),
        *("wrong-form", "wrong-instance-id", "signature-invalid", "unknown-certificate", "undecryptable"),
    }
    assert asked <= set(reasons.codes())
    for code in reasons.codes():
        english, french = reasons.reason_text(code), reasons.reason_text(code, "fr")
        assert english.what != french.what
        assert all((english.remedy, french.remedy))
        assert english.ends_by_itself == french.ends_by_itself
    assert "fresh" in reasons.reason_text("fresh", "fr").what
    assert reasons.reason_text(None, "de").what == reasons.reason_text(None).what
