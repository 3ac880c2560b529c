"""SQL of the feed's head: the one row that orders what tablets pull."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import Session

from server.db.prepared import Prepared
from server.db.tables import FeedHead

HEAD_ID = 1
_HEAD: Final = Prepared(select(FeedHead.__table__.c.epoch, FeedHead.__table__.c.position))


@dataclass(frozen=True, slots=True)
class Head:
    """Where the feed ends, and in which life of the database."""

    epoch: str
    position: int


def next_position(session: Session) -> int:
    """Move the head of the feed and return its new position; call it last: writers wait for each other from here."""
    moved = update(FeedHead).where(FeedHead.id == HEAD_ID).values(position=FeedHead.position + 1)
    return session.execute(moved.returning(FeedHead.position)).scalar_one()


def position_once(session: Session) -> Callable[[], int]:
    """Return what moves the head of the feed when it is first called, and gives the same position ever after."""
    return cache(lambda: next_position(session))


def head(session: Session | Connection) -> Head:
    """Return the head of the feed."""
    found = _HEAD.first(session)
    if found is None:
        raise RuntimeError("the table feed_head is empty: restore a backup with `passerelle restore`")
    return Head(*found)


def start_anew(session: Session, epoch: str) -> None:
    """Begin another life of the feed, after a restore: every cursor expires, and devices offer all they have again."""
    session.execute(update(FeedHead).where(FeedHead.id == HEAD_ID).values(epoch=epoch))


def touch(session: Session) -> None:
    """Write what is there already: to see whether the database can be written."""
    session.execute(update(FeedHead).where(FeedHead.id == HEAD_ID).values(position=FeedHead.position))
