"""The cursor of a device: a place in the feed, and in which life of the database; opaque to the device."""

from typing import Final

from server.db.queries.feed import Head
from server.db.queries.pull import END, Place
from server.errors import CursorExpired

KEY_BYTES: Final = 200
START: Final = Place(0, 0, b"")


def write(place: Place, head: Head) -> str:
    """Return the cursor of a place."""
    return f"{head.epoch}.{place.position}.{place.kind}.{place.key.hex()}"


def end(head: Head) -> Place:
    """Return the place after everything."""
    return Place(head.position, END, b"")


def is_at_end(since: str | None, head: Head) -> bool:
    """Say whether a cursor is at the end of the feed."""
    return since == write(end(head), head)


def read(since: str | None, head: Head) -> Place:
    """Read a cursor; it is ours to write, so whatever else comes is of another life of the database.

    Raises:
        CursorExpired: begin anew.
    """
    if since is None:
        return START
    try:
        epoch, position, kind, key = since.split(".")
        place = Place(int(position), int(kind), bytes.fromhex(key))
        if place.position < 0 or not 0 <= place.kind <= END or len(place.key) > KEY_BYTES:
            raise ValueError("out of range")
    except ValueError:
        raise CursorExpired("this server did not write that cursor: begin without one") from None
    if epoch != head.epoch or place.position > head.position:
        raise CursorExpired("the database was restored since: offer again what you hold, and begin without a cursor")
    return place
