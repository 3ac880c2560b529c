"""Mistakes planted on purpose: a simulator that does not find them finds nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final
from unittest import mock

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from server.db import cursor
from server.db.engine import Database
from server.db.queries import feed
from server.services import news
from server.services.news import Pulled
from sync_protocol import envelope, exchange, signatures
from sync_protocol.client.store import DeviceStore
from sync_protocol.messages import Receipt
from sync_protocol.storage import Settlement
from sync_protocol.transitions import FateEvent
from tests.simulator.office import Ill, IllDatabase, ServerDied


@contextmanager
def receipt_before_commit() -> Iterator[None]:
    """The server answers, and commits afterwards if it lives so long."""
    proper = IllDatabase.submit_bare

    def submit_bare(self: IllDatabase, work: Callable[[Connection], Any], *, is_one_statement: bool = False) -> Any:
        if self.next_ill is not Ill.DIES_BEFORE_COMMIT:
            return proper(self, work, is_one_statement=is_one_statement)
        self.next_ill = None
        results: list[Any] = []

        def answered(connection: Connection) -> None:
            results.append(work(connection))
            raise ServerDied

        try:
            Database.submit_bare(self, answered)
        except ServerDied:
            return results[0]

    with mock.patch.object(IllDatabase, "submit_bare", submit_bare):
        yield


@contextmanager
def delete_on_receipt() -> Iterator[None]:
    """The device deletes what it has a receipt for."""
    proper = DeviceStore.settle

    def settle(self: DeviceStore, settlement: Settlement) -> None:
        proper(self, settlement)
        self.database.execute("DELETE FROM envelope WHERE fate = 'receipted'")

    with mock.patch.object(DeviceStore, "settle", settle):
        yield


@contextmanager
def have_probe_skipped() -> Iterator[None]:
    """The device does not ask about what it sent without an answer."""
    with mock.patch.object(DeviceStore, "unsettled", return_value=()):
        yield


@contextmanager
def cursor_ahead() -> Iterator[None]:
    """The cursor of a page that was cut points behind everything."""
    proper = news.pull_news

    def pull(session: Session, **named: Any) -> Pulled:
        pulled = proper(session, **named)
        if not pulled.more:
            return pulled
        head = feed.head(session)
        return replace(pulled, cursor=cursor.write(cursor.end(head), head), more=False)

    with mock.patch.object(news, "pull_news", pull):
        yield


@contextmanager
def epoch_kept_at_restore() -> Iterator[None]:
    """Whoever restores a backup does not begin another life of the feed."""
    with mock.patch.object(feed, "start_anew", return_value=None):
        yield


@contextmanager
def answers_unverified() -> Iterator[None]:
    """The device believes every answer."""
    with mock.patch.object(signatures, "verify_answer", return_value=None):
        yield


@contextmanager
def silence_is_a_receipt() -> Iterator[None]:
    """The device takes an entry without a receipt for one that the server keeps."""
    proper = exchange._fates

    def fates(receipts: list[Receipt], offer: Any) -> Any:
        found, codes = proper(receipts, offer)
        return {
            name: (FateEvent.KEPT, None) if event is FateEvent.NOT_THERE else (event, number)
            for name, (event, number) in found.items()
        }, codes

    with mock.patch.object(exchange, "_fates", fates):
        yield


@contextmanager
def signatures_of_envelopes_unverified() -> Iterator[None]:
    """The opening does not check who signed an envelope."""
    with mock.patch.object(envelope, "verify", return_value=None):
        yield


MUTANTS: Final = {
    "receipt-before-commit": receipt_before_commit,
    "delete-on-receipt": delete_on_receipt,
    "have-probe-skipped": have_probe_skipped,
    "cursor-ahead": cursor_ahead,
    "epoch-kept-at-restore": epoch_kept_at_restore,
    "answers-unverified": answers_unverified,
    "silence-is-a-receipt": silence_is_a_receipt,
    "envelopes-unverified": signatures_of_envelopes_unverified,
}
