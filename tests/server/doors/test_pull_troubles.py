"""What cannot be read, and what does not fit: receipts come all the same, and so does what is behind it."""

import pytest
from sqlalchemy import text

from server.context import Context
from server.services import news
from server.services.news.source import Asked
from sync_protocol import pull_items
from sync_protocol.messages import ReceiptCode
from sync_protocol.pull_items import (
    AssignmentsPull,
    FormFile,
    FormVersionPull,
    PullItem,
    VerdictPull,
)
from tests.office import Tablet, envelope
from tests.server.doors.test_pull import draw, judge, pull_all


def names(items: list[PullItem]) -> list[str]:
    return [item.psu if isinstance(item, AssignmentsPull) else type(item).__name__ for item in items]


def test_one_row_that_cannot_be_read_is_stepped_over_and_receipts_come(
    sqlite_tablet: Tablet, sqlite_context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    draw(sqlite_context, "0001", "001", "a")
    draw(sqlite_context, "0001", "002", "b")
    with sqlite_context.database.transaction() as session:
        session.execute(text("UPDATE drawn_household SET sealed = zeroblob(60) WHERE household_key = 'a'"))
    reply = sqlite_tablet.exchange(envelope(1))
    assert reply.answer is not None
    assert [receipt.code for receipt in reply.answer.receipts] == [ReceiptCode.STORED]
    assert names(list(reply.answer.pull)) == ["002"]
    assert not reply.answer.more
    assert "of the feed" in caplog.text
    assert "Head" not in caplog.text


def test_a_source_that_fails_leaves_the_cursor_where_it_is(
    sqlite_tablet: Tablet, sqlite_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(asked: Asked) -> None:
        raise RuntimeError

    draw(sqlite_context, "0001", "001", "a")
    with monkeypatch.context() as patch:
        patch.setattr(news, "SOURCES", (broken, *news.SOURCES))
        reply = sqlite_tablet.exchange(envelope(1))
    assert reply.answer is not None
    assert [receipt.code for receipt in reply.answer.receipts] == [ReceiptCode.STORED]
    assert names(pull_all(sqlite_tablet)[0]) == ["001"]


def test_an_answer_is_cut_where_its_control_is_full(sqlite_tablet: Tablet, sqlite_context: Context) -> None:
    for psu in ("001", "002", "003"):
        draw(sqlite_context, "0001", psu, *(f"{psu}-{number:0150}" for number in range(700)))
    items, answers = pull_all(sqlite_tablet)
    assert names(items) == ["001", "002", "003"]
    assert answers == 3


def test_what_fits_into_no_control_is_stepped_over(sqlite_tablet: Tablet, sqlite_context: Context) -> None:
    draw(sqlite_context, "0001", "001", *(f"{number:0190}" for number in range(1500)))
    draw(sqlite_context, "0001", "002", "b")
    assert names(pull_all(sqlite_tablet)[0]) == ["002"]


def test_a_form_with_as_many_files_as_it_may_have_fits_into_one_control() -> None:
    files = tuple(
        FormFile(name=f"picture-of-a-house-{number:04}.jpg", type="image/jpeg", length_bytes=1 << 20, sha256=bytes(32))
        for number in range(1001)
    )
    item = FormVersionPull(form_id="f", version="1", title="F", hash=bytes(32), xform=b"<x/>", files=files)
    assert pull_items.control_bytes(item) < news.PULL_CONTROL_BYTES


def test_an_answer_without_room_for_its_news_keeps_its_receipts(
    sqlite_tablet: Tablet, sqlite_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(sqlite_context, "0001", "001", *(f"{number:0190}" for number in range(1500)))
    with monkeypatch.context() as patch:
        patch.setattr(news, "PULL_CONTROL_BYTES", 1 << 20)
        reply = sqlite_tablet.exchange(envelope(1))
    assert reply.answer is not None
    assert [receipt.code for receipt in reply.answer.receipts] == [ReceiptCode.STORED]
    assert (reply.answer.pull, reply.answer.more) == ((), True)


@pytest.mark.parametrize("unreadable", [range(1, 2), range(1, 4), range(2, 6)])
def test_no_cut_is_missed_behind_what_is_stepped_over(
    sqlite_tablet: Tablet, sqlite_context: Context, monkeypatch: pytest.MonkeyPatch, unreadable: range
) -> None:
    judge(sqlite_context, sqlite_tablet.device_id, *range(1, 8))
    proper = news.verdicts.__globals__["_item"]

    def partly(verdict: object) -> VerdictPull:
        item: VerdictPull = proper(verdict)
        if int.from_bytes(item.envelope_id, "big") in unreadable:
            raise ValueError
        return item

    monkeypatch.setitem(news.verdicts.__globals__, "_item", partly)
    monkeypatch.setattr(news, "PULL_ITEMS", 2)
    told = [int.from_bytes(item.envelope_id, "big") for item in pull_all(sqlite_tablet)[0]]  # type: ignore[union-attr]
    assert told == [number for number in range(1, 8) if number not in unreadable]
