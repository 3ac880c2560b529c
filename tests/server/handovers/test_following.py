"""Invariant 4 for all that is pulled: whoever follows the cursor, while others write, ends where a full pull does."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from server.context import Context
from server.db.queries import feed, handovers, verdicts
from server.db.queries.handovers import GivenBack, StoredDraft
from server.db.queries.verdicts import NewVerdict
from server.folding.entity_files import EntityFiles
from server.services.news import entities as source
from sync_protocol.pull_items import (
    AssignmentsPull,
    DraftPull,
    FormVersionPull,
    PullItem,
    ReturnedPull,
    VerdictPull,
)
from tests.office import NOW, revoke
from tests.server.doors.test_pull import draw, judge
from tests.server.entities.kit import FOLLOW, REGISTER, publish
from tests.server.handovers.pulling import Puller, small_pages
from tests.server.handovers.test_entity_feed import at_the_door, on_the_device, write
from tests.server.handovers.test_returned import review
from tests.server.opening.kit import Answers, Tablet, deliver, open_all
from tests.server.opening.kit import publish as publish_small

ROUNDS = 4


@pytest.fixture
def office(context: Context) -> Context:
    """Lists, interviews to give back, and drafts of a device that will be revoked."""
    publish(context, REGISTER, FOLLOW)
    publish_small(context)
    one = Tablet(context.keystore).enrol(context)
    former = Tablet(context.keystore, device_id="former").enrol(context)
    Tablet(context.keystore, device_id="puller").enrol(context)
    deliver(context, [one.epoch(), *(one.seal(Answers(number=number)) for number in range(1, ROUNDS + 1))])
    deliver(context, [former.epoch(), *(former.draft(Answers(number=50 + n)) for n in range(5))], carrier="former")
    open_all(context)
    return context


def fold(context: Context) -> None:
    """Give interviews back, correct some, and judge: all by the worker's own transactions."""
    tablet = Tablet(context.keystore, device_id="corrector").enrol(context)
    deliver(context, [tablet.epoch()], carrier="corrector")
    for number in range(1, ROUNDS + 1):
        review(context, number=number)
        if number % 2:
            correction = tablet.seal(Answers(number=100 + number, edits=number, age="7"), parents=[number])
            deliver(context, [correction], carrier="corrector")
            open_all(context)


def change_lists(context: Context) -> None:
    for number in range(ROUNDS):
        write(context, *((1 + (number * 3 + at) % 7, f"Head {number}", "") for at in range(4)))
        EntityFiles(context.database, context.keystore).make_stale(NOW)


def run_an_office(context: Context) -> None:
    for number in range(ROUNDS):
        draw(context, "0001", f"psu {number % 3}", f"key {number}")
        judge(context, "puller", *range(number, number + 5), state="held" if number % 2 else "opened")
        publish_small(context, version=f"1.{number}")
    revoke(context, "former")


@contextmanager
def running(*writers: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Run writers beside each other; yield what says whether any still runs, and raise what one of them raised."""
    failed: list[BaseException] = []

    def guarded(writer: Callable[[], None]) -> None:
        try:
            writer()
        except BaseException as error:  # noqa: BLE001 -- raised again by whoever waits
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    yield lambda: any(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def test_a_device_that_follows_while_everything_is_written_misses_nothing(
    office: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch, 3)
    monkeypatch.setattr(source, "ROWS", 2)
    follower, seen = Puller(office), dict[object, object]()
    with running(lambda: fold(office), lambda: change_lists(office), lambda: run_an_office(office)) as is_running:
        while is_running():
            items, _ = follower.page()
            seen.update((name_of(item), content_of(item)) for item in items)
    open_all(office)
    seen.update((name_of(item), content_of(item)) for item in follower.pull())
    fresh = Puller(office)
    full = {name_of(item): content_of(item) for item in fresh.pull()}
    assert seen == full | {name: None for name in seen if name[0] == "entities"}  # type: ignore[index]
    assert {name[0] for name in full} >= {"form", "psu", "verdict", "returned", "draft"}  # type: ignore[index]
    follow = next(
        item.hash for item in Puller(office).pull() if isinstance(item, FormVersionPull) and item.form_id == "follow"
    )
    assert on_the_device(follower) == on_the_device(fresh) == at_the_door(office, follow, keystore=office.keystore)


def name_of(item: PullItem) -> object:
    match item:
        case FormVersionPull():
            return "form", item.hash
        case AssignmentsPull():
            return "psu", item.psu
        case VerdictPull():
            return "verdict", item.envelope_id
        case ReturnedPull():
            return "returned", item.instance_id
        case DraftPull():
            return "draft", item.instance_id
    return "entities", ""


def content_of(item: PullItem) -> object:
    """What counts of an item: two seals of the same thing differ."""
    match item:
        case AssignmentsPull():
            return item.households
        case ReturnedPull():
            return item.state
        case FormVersionPull() | VerdictPull():
            return item
    return None


@pytest.mark.parametrize("page", [1, 2, 5])
def test_a_position_with_much_at_it_is_cut_anywhere(
    sqlite_context: Context, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    publish(sqlite_context, REGISTER, FOLLOW)
    Tablet(sqlite_context.keystore, device_id="former").enrol(sqlite_context)
    instances = [bytes([number]) * 16 for number in range(1, 6)]
    with sqlite_context.database.transaction() as session:
        position = feed.next_position(session)
        given = [
            GivenBack(
                instance_id=one, interview_id=one, form_version_hash=b"f" * 32, project_id=1, enumerator="0001",
                state="settled", decision_id=b"d" * 32,
            )
            for one in instances
        ]  # fmt: skip
        handovers.put_given_back(session, given, position=position)
        told = [
            NewVerdict(device_id="puller", envelope_id=one * 2, instance_id=one, state="opened", reason=None)
            for one in instances[:3]
        ]
        verdicts.tell(session, told, position=lambda: position)
    write(sqlite_context, *((number, "x", "") for number in range(1, 8)))
    open_all(sqlite_context)
    small_pages(monkeypatch, page)
    monkeypatch.setattr(source, "ROWS", 3)
    puller = Puller(sqlite_context)
    items = puller.pull()
    assert [item.instance_id for item in items if isinstance(item, ReturnedPull)] == instances
    assert len([item for item in items if isinstance(item, VerdictPull)]) == 3
    assert len(on_the_device(puller)) == 7


def test_a_draft_stored_before_the_revocation_is_found_after_a_cursor_in_between(sqlite_context: Context) -> None:
    Tablet(sqlite_context.keystore, device_id="former").enrol(sqlite_context)
    puller = Puller(sqlite_context)
    with sqlite_context.database.transaction() as session:
        row = StoredDraft(
            instance_id=b"i" * 16, device_id="former", envelope_id=b"e" * 32, envelope_sequence=1, device_sequence=1,
            form_version_hash=b"f" * 32, project_id=1, enumerator="0001",
        )  # fmt: skip
        handovers.put_drafts(session, [row], position=feed.next_position(session))
    assert puller.pull() == []
    revoke(sqlite_context, "former")
    with sqlite_context.database.read() as session:
        found = handovers.drafts_since(
            session, project_id=1, enumerator="0001", device_id="puller",
            after=handovers.Place(1, 9, b""), limit=9,
        )  # fmt: skip
    assert [draft.instance_id for _, draft in found] == [b"i" * 16]
