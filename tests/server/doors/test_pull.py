"""What a device pulls: everything once, in one order, however the answers are cut."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forms.library import workbook
from forms.package import Medium
from server.app import create_app
from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.queries import feed, fieldwork, form_media
from server.db.tables import DrawnHousehold, Verdict
from server.errors import CursorExpired, DeviceRevoked, NotFound, WorkbookInvalid
from server.keystore import KeyStore
from server.microdata import Microdata
from server.services import deliver_forms, news, projects, publish_form, receive_exchange
from sync_protocol.assignments import Household, open_assignments
from sync_protocol.messages import ReceiptCode
from sync_protocol.pull_items import (
    AssignmentsPull,
    FormVersionPull,
    KeyringPull,
    PullItem,
    VerdictPull,
)
from tests.office import NOW, XFORM, Tablet, envelope, publish, revoke


def draw(context: Context, enumerator: str, psu: str, *keys: str) -> None:
    """Assign households to an enumerator."""
    keystore = context.keystore
    with context.database.transaction() as session:
        position = feed.next_position(session)
        for key in keys:
            identity = json.dumps({"head": f"Head {key}", "position": "1 2", "persons": 4}).encode()
            session.merge(
                DrawnHousehold(
                    household_key=key,
                    psu=psu,
                    listing_class=1,
                    enumerator=enumerator,
                    tag=keystore.household_tag(key),
                    sealed=keystore.seal_projection(identity, fieldwork.identity_context(key)),
                    feed_position=position,
                )
            )


def judge(context: Context, device_id: str, *numbers: int, state: str = "opened") -> None:
    """Write verdicts, as an opening does: one position a batch."""
    with context.database.transaction() as session:
        position = feed.next_position(session)
        for number in numbers:
            verdict = Verdict(
                device_id=device_id,
                envelope_id=number.to_bytes(32, "big"),
                instance_id=number.to_bytes(16, "big"),
                state=state,
                reason=None,
                feed_position=position,
            )
            session.merge(verdict)


def pull_all(tablet: Tablet) -> tuple[list[PullItem], int]:
    """Follow the cursor to the end; return what came, in order, and in how many answers."""
    items: list[PullItem] = []
    for answers in range(1, 1000):
        reply = tablet.exchange()
        assert reply.answer is not None
        items += reply.answer.pull
        if not reply.answer.more:
            return items, answers
    raise AssertionError("the server never says that it is done")


def test_a_form_version_comes_once_with_its_very_bytes(tablet: Tablet, context: Context) -> None:
    xform = publish(context)
    items, _ = pull_all(tablet)
    assert [(item.form_id, item.title, item.xform) for item in items if isinstance(item, FormVersionPull)] == [
        ("visit", "Visit & return", xform)
    ]
    assert pull_all(tablet) == ([], 1)
    publish(context, version="2")
    assert [item.version for item in pull_all(tablet)[0] if isinstance(item, FormVersionPull)] == ["2"]


def test_a_form_version_names_its_files_and_the_dictionary_that_is_shown_to_tablets_only(
    tablet: Tablet, context: Context
) -> None:
    picture = Medium(name="map.png", content=b"\x89PNG\r\n\x1a\n" + bytes(20))
    prepared = publish_form.prepare(
        XFORM.format(form_id="visit", version="1", title="Visit").encode(), "visit.xml", media=[picture]
    )
    with context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="manager", now=NOW)
    items, _ = pull_all(tablet)
    (item,) = items
    assert isinstance(item, FormVersionPull)
    assert item.dictionary is not None
    assert [(file.name, file.sha256) for file in item.files] == [
        ("map.png", picture.sha256),
        ("dictionary", item.dictionary),
    ]
    with context.database.read() as session:
        for file in item.files:
            content = deliver_forms.read_blob_for(session, file.sha256, device_id=tablet.device_id).content
            assert (hashlib.sha256(content).digest(), len(content)) == (file.sha256, file.length_bytes)
        package = deliver_forms.find_package(session, form_id="visit", version="1")
    assert [medium.name for medium in package.media] == ["map.png"]
    assert b'<data id="visit" version="1">' in content


def test_a_dictionary_stays_when_a_draft_is_submitted_anew(sqlite_context: Context) -> None:
    publish(sqlite_context)
    with sqlite_context.database.transaction() as session:
        (version,) = deliver_forms.list_versions(session)
        form_media.remove_unused(session)
        assert version.dictionary_hash is not None
        assert set(form_media.dictionaries(session, [version.dictionary_hash])) == {version.dictionary_hash}


def test_envelopes_up_and_forms_down_take_one_round_trip(tablet: Tablet, context: Context) -> None:
    publish(context)
    reply = tablet.exchange(envelope(1))
    assert reply.answer is not None
    assert (len(reply.codes), len(reply.answer.pull)) == (1, 1)


def test_receiving_envelopes_does_not_move_the_feed(tablet: Tablet) -> None:
    tablet.exchange()
    cursor = tablet.cursor
    tablet.exchange(envelope(1))
    assert tablet.cursor == cursor


def test_assignments_are_sealed_to_the_one_device(
    tablet: Tablet, another_tablet: Callable[..., Tablet], context: Context
) -> None:
    draw(context, "0001", "0101", "01010000101", "01010000202")
    other = another_tablet("0002")
    (item,), _ = pull_all(tablet)
    assert isinstance(item, AssignmentsPull)
    assert (item.psu, item.households) == ("0101", ("01010000101", "01010000202"))
    assert b"Head" not in item.sealed
    opened = open_assignments(
        item.sealed, psu="0101", device_id=tablet.device_id, receiving_seed=tablet.receiving.private_bytes_raw()
    )
    assert opened[0] == Household("01010000101", "Head 01010000101", "1 2")
    assert pull_all(other)[0] == []


def test_a_changed_unit_comes_again_whole(tablet: Tablet, context: Context) -> None:
    draw(context, "0001", "0101", "a", "b")
    draw(context, "0001", "0102", "c")
    pull_all(tablet)
    draw(context, "0001", "0101", "d")
    assert [item.households for item in pull_all(tablet)[0] if isinstance(item, AssignmentsPull)] == [("a", "b", "d")]


def test_a_device_that_holds_an_old_keyring_gets_the_new_one(tablet: Tablet, context: Context) -> None:
    reply = tablet.exchange(keyring_serial=0)
    assert reply.answer is not None
    assert reply.answer.pull == (KeyringPull(document=context.keystore.keyring_document),)
    assert pull_all(tablet)[0] == []


def test_each_device_hears_of_its_own_envelopes_only(
    tablet: Tablet, another_tablet: Callable[..., Tablet], context: Context
) -> None:
    judge(context, tablet.device_id, 1)
    judge(context, another_tablet().device_id, 2)
    assert [item.envelope_id[-1] for item in pull_all(tablet)[0] if isinstance(item, VerdictPull)] == [1]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("form"), st.integers(0, 3)),
        st.tuples(st.just("draw"), st.lists(st.integers(0, 6), min_size=1, max_size=4)),
        st.tuples(st.just("judge"), st.lists(st.integers(0, 30), min_size=1, max_size=9)),
        st.tuples(st.just("pull"), st.integers(1, 3)),
    ),
    max_size=12,
)


@given(steps=STEPS, page=st.integers(1, 4))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_who_follows_the_cursor_ends_where_a_full_pull_does(
    sqlite_context: Context, sqlite_client: FlaskClient, steps: list[tuple[str, object]], page: int
) -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(news, "PULL_ITEMS", page)
    follower = Tablet(sqlite_context, sqlite_client, "0001").enrol()
    seen: dict[object, PullItem] = {}
    try:
        for kind, what in steps:
            _step(sqlite_context, follower, kind, what)
            if kind == "pull":
                reply = follower.exchange()
                assert reply.answer is not None
                seen.update({_name(item): item for item in reply.answer.pull})
        seen.update({_name(item): item for item in pull_all(follower)[0]})
    finally:
        patch.undo()
    follower.cursor = None
    full = {_name(item): item for item in pull_all(follower)[0]}
    assert {name: _content(item) for name, item in seen.items()} == {
        name: _content(item) for name, item in full.items()
    }


def _step(context: Context, tablet: Tablet, kind: str, what: object) -> None:
    if kind == "form":
        publish(context, form_id=f"{tablet.device_id}-{what}")
    elif kind == "draw" and isinstance(what, list):
        for number in what:
            draw(context, "0001", f"psu {number % 3}", f"{number}")
    elif kind == "judge" and isinstance(what, list):
        judge(context, tablet.device_id, *what, state="held" if len(what) % 2 else "opened")


def _name(item: PullItem) -> object:
    match item:
        case FormVersionPull():
            return "form", item.hash
        case AssignmentsPull():
            return "psu", item.psu
        case VerdictPull():
            return "verdict", item.envelope_id
    raise AssertionError(item)


def _content(item: PullItem) -> object:
    """What counts of an item: two seals of the same households differ."""
    return item.households if isinstance(item, AssignmentsPull) else item


def test_large_forms_are_spread_over_answers(sqlite_context: Context, sqlite_tablet: Tablet) -> None:
    for number in range(4):
        publish(sqlite_context, version=str(number), title=f"{number}" * 900)
    patch = pytest.MonkeyPatch()
    patch.setattr(news, "PULL_BYTES", 4_000)  # two forms fit, never part of a third
    items, answers = pull_all(sqlite_tablet)
    patch.undo()
    assert (len(items), answers) == (4, 2)


def test_while_the_key_store_is_locked_devices_are_receipted_and_assignments_wait(
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
    draw(unlocked, "0001", "0101", "a")
    publish(unlocked, version="2")
    locked = context_with(KeyStore.open(keys, None))
    tablet = Tablet(locked, create_app(config, locked).test_client()).enrol()
    reply = tablet.exchange(envelope(1))
    assert len(reply.codes) == 1
    assert reply.answer is not None
    assert [type(item) for item in reply.answer.pull] == [FormVersionPull]
    assert not reply.answer.more
    assert pull_all(tablet)[0] == []
    locked.keystore.unlock(passphrase)
    assert [type(item) for item in pull_all(tablet)[0]] == [AssignmentsPull, FormVersionPull]


def test_times_of_a_device_are_kept_by_the_servers_clock(tablet: Tablet, context: Context) -> None:
    tablet.exchange(device_time=NOW + timedelta(days=4000))
    with context.database.read() as session:
        from server.db.queries import devices

        device = devices.device(session, tablet.device_id)
    assert device is not None
    assert device.last_seen_at is not None
    assert device.last_seen_at < NOW + timedelta(days=3650)


@pytest.mark.parametrize("cursor", ["-1.0.", "0.-1.", "0.10.", "-99999999999999999999.0.", "0.0." + "00" * 201])
def test_a_cursor_that_nobody_wrote_expires(sqlite_context: Context, sqlite_tablet: Tablet, cursor: str) -> None:
    with sqlite_context.database.read() as session:
        head = receive_exchange.feed.head(session)
    with sqlite_context.database.transaction() as session, pytest.raises(CursorExpired):
        receive_exchange.receive(
            session.connection(),
            device_id=sqlite_tablet.device_id,
            counter=1,
            since=f"{head.epoch}.{cursor}",
            arrived=(),
            now=NOW,
        )


def test_a_revoked_device_gets_no_form_by_its_hash_either(sqlite_context: Context, sqlite_tablet: Tablet) -> None:
    version = hashlib.sha256(publish(sqlite_context, version="1")).digest()
    with sqlite_context.database.read() as session:
        assert deliver_forms.read_blob_for(session, version, device_id=sqlite_tablet.device_id)
    revoke(sqlite_context, sqlite_tablet.device_id)
    with sqlite_context.database.read() as session, pytest.raises(DeviceRevoked):
        deliver_forms.read_blob_for(session, version, device_id=sqlite_tablet.device_id)


def test_a_device_gets_the_forms_of_its_project_only(tablet: Tablet, context: Context, client: FlaskClient) -> None:
    with context.database.transaction() as session:
        projects.add_project(session, name="Returns", user="m", now=NOW)
    publish(context)
    theirs = publish(context, "returns", project_id=2)
    abroad = Tablet(context, client, project_id=2).enrol()
    assert [item.form_id for item in pull_all(tablet)[0] if isinstance(item, FormVersionPull)] == ["visit"]
    assert [item.form_id for item in pull_all(abroad)[0] if isinstance(item, FormVersionPull)] == ["returns"]
    digest = hashlib.sha256(theirs).digest()
    with context.database.read() as session:
        assert deliver_forms.read_blob_for(session, digest, device_id=abroad.device_id).content == theirs
        with pytest.raises(NotFound):
            deliver_forms.read_blob_for(session, digest, device_id=tablet.device_id)


def test_a_device_of_an_archived_project_delivers_and_gets_nothing_until_it_is_opened_again(
    tablet: Tablet, context: Context
) -> None:
    xform = publish(context)
    with context.database.transaction() as session:
        projects.archive_project(session, project_id=1, user="m", now=NOW)
    reply = tablet.exchange(envelope(1))
    assert reply.answer is not None
    assert (reply.codes, reply.answer.pull) == ([ReceiptCode.STORED], ())
    with context.database.read() as session, pytest.raises(NotFound, match="archived"):
        deliver_forms.read_blob_for(session, hashlib.sha256(xform).digest(), device_id=tablet.device_id)
    with context.database.transaction() as session:
        projects.reopen_project(session, project_id=1, user="m", now=NOW)
    assert [item.form_id for item in pull_all(tablet)[0] if isinstance(item, FormVersionPull)] == ["visit"]


def test_a_form_that_no_answer_could_carry_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_form.preparing, "XFORM_BYTES", 1_000)
    with pytest.raises(WorkbookInvalid, match="Put long choice lists into files"):
        publish_form.prepare(workbook("hh_remit"), "hh_remit.xlsx")
