"""SQL of the received envelopes: the acknowledging path, so few statements and few objects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import chain
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import Connection, bindparam, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from server.db.prepared import connection_of, driver_of
from server.db.queries.opening import AFTER_REVOCATION
from server.db.tables import Envelope
from server.db.tables.envelopes import ERASED, QUARANTINED, RECEIVED
from sync_protocol.constants import Kind
from sync_protocol.envelope import glance
from sync_protocol.epoch import Epoch
from sync_protocol.errors import EnvelopeError

PREFIXES_AT_ONCE: Final = 100
ID_BYTES: Final = 32
STORED: Final = (
    "envelope_id",
    "kind",
    "body",
    "epoch_hash",
    "instance_id",
    "certificate_hash",
    "form_version_hash",
    "carrier",
    "received_at",
    "state",
    "reason",
    "door_tag",
    "app_user_id",
    "form_named",
    "blob_sha256",
)
RECEIVED_AT: Final = STORED.index("received_at")
SQLITE_MOMENT: Final = "%Y-%m-%d %H:%M:%S.%f"
"""As SQLAlchemy writes a moment there."""
ROWS_AT_ONCE: Final = 40
UNREADABLE: Final = 0

_columns = Envelope.__table__.c
# Made once, of columns and not of mapped attributes, for what each submission asks.
_MEDIA_OF: Final = select(func.count()).where(
    _columns.instance_id == bindparam("of_instance"), _columns.blob_sha256.is_not(None)
)


def _array_of(name: str) -> str:
    """Return PostgreSQL's type of many values of a column; without its length, to which a cast would cut them."""
    kind = _columns[name].type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    return kind.partition("(")[0] + "[]"


_INSERT_ON_POSTGRESQL: Final = (
    f"INSERT INTO envelope ({', '.join(STORED)})"  # noqa: S608 -- names of our own columns
    f" SELECT * FROM unnest({', '.join(f'%s::{_array_of(name)}' for name in STORED)})"
    " ON CONFLICT DO NOTHING RETURNING envelope_id, sequence"
)


@dataclass(slots=True, kw_only=True)
class NewEnvelope:
    """An envelope as it came, with what its header shows; None for what it does not show.

    Never changed, and yet not frozen: that would triple what making one costs.
    """

    envelope_id: bytes
    kind: int
    body: bytes
    epoch_hash: bytes | None
    instance_id: bytes | None
    certificate_hash: bytes | None
    form_version_hash: bytes | None
    state: str = RECEIVED
    reason: str | None = None
    door_tag: bytes | None = None
    app_user_id: int | None = None
    form_named: str | None = None
    blob_sha256: bytes | None = None

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read what an envelope shows; what nobody here can read is kept too, in quarantine with the reason."""
        try:
            shown = glance(body)
        except EnvelopeError as error:
            return cls.unread(body, error.code)
        if isinstance(shown, Epoch):
            return cls(
                envelope_id=shown.hash,
                kind=int(Kind.EPOCH),
                body=body,
                epoch_hash=shown.hash,
                instance_id=None,
                certificate_hash=shown.certificate_hash,
                form_version_hash=None,
            )
        kind, epoch_hash, instance_id, form_version_hash, certificate_hash = shown
        return cls(
            envelope_id=sha256(body).digest(),
            kind=int(kind),
            body=body,
            epoch_hash=epoch_hash,
            instance_id=instance_id,
            certificate_hash=certificate_hash,
            form_version_hash=form_version_hash,
        )

    def emptied(self, *, reason: str | None) -> Self:
        """Return the tombstone of it: its ids, and nothing of what it held."""
        gone = {"body": b"", "state": ERASED, "reason": reason, "door_tag": None, "blob_sha256": None}
        return replace(self, **gone)  # type: ignore[arg-type]

    @classmethod
    def unread(cls, body: bytes, reason: str) -> Self:
        """Keep bytes that cannot be read."""
        return cls(
            envelope_id=sha256(body).digest(),
            kind=UNREADABLE,
            body=body,
            epoch_hash=None,
            instance_id=None,
            certificate_hash=None,
            form_version_hash=None,
            state=QUARANTINED,
            reason=reason,
        )


class Kept(NamedTuple):
    """The server's number of an envelope, and whether it had it before."""

    sequence: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Recalled:
    """The server's number of an envelope that a device asks about, and whether its bytes are erased."""

    sequence: int
    is_erased: bool


def store(
    session: Session | Connection, envelopes: Sequence[NewEnvelope], *, carrier: str, received_at: datetime
) -> dict[bytes, Kept]:
    """Store envelopes; what is there already is left alone. Return all of them by id."""
    wanted = {envelope.envelope_id: envelope for envelope in envelopes}
    if not wanted:
        return {}
    rows = [_row(envelope, carrier, received_at) for envelope in wanted.values()]
    connection = connection_of(session)
    if connection.dialect.name == "sqlite":
        return _store_alone(driver_of(connection), rows)
    return _store_among_others(connection, rows)


def _row(envelope: NewEnvelope, carrier: str, received_at: object) -> tuple[Any, ...]:
    """Return the values of a row, in the order of `STORED`."""
    return (
        envelope.envelope_id,
        envelope.kind,
        envelope.body,
        envelope.epoch_hash,
        envelope.instance_id,
        envelope.certificate_hash,
        envelope.form_version_hash,
        carrier,
        received_at,
        envelope.state,
        envelope.reason,
        envelope.door_tag,
        envelope.app_user_id,
        envelope.form_named,
        envelope.blob_sha256,
    )


def _store_alone(driver: Any, rows: Sequence[tuple[Any, ...]]) -> dict[bytes, Kept]:
    """Store on SQLite, where nobody else writes meanwhile: what has a number above the last one is new.

    Statements go to the driver as they are: SQLAlchemy's RETURNING of many rows costs four times the insert. And many
    rows go in one: the driver gives Python's lock away at each statement, and under load waits long to get it back.
    When all rows are new, which is nearly always, they have the last numbers in their order, and nothing is asked for
    again.
    """
    (last,) = driver.execute("SELECT coalesce(max(sequence), 0) FROM envelope").fetchone()
    moment = rows[0][RECEIVED_AT].astimezone(UTC).strftime(SQLITE_MOMENT)
    stored = [(*row[:RECEIVED_AT], moment, *row[RECEIVED_AT + 1 :]) for row in rows]
    chunks = [stored[start : start + ROWS_AT_ONCE] for start in range(0, len(stored), ROWS_AT_ONCE)]
    inserts = (driver.execute(_insert_of(len(some)), list(chain.from_iterable(some))) for some in chunks)
    if sum(insert.rowcount for insert in inserts) == len(rows):
        (end,) = driver.execute("SELECT max(sequence) FROM envelope").fetchone()
        first = end - len(rows) + 1
        return {row[0]: Kept(first + place, is_new=True) for place, row in enumerate(rows)}
    marks = ", ".join("?" * len(rows))
    found = driver.execute(
        f"SELECT envelope_id, sequence FROM envelope WHERE envelope_id IN ({marks})",  # noqa: S608 -- marks only
        [row[0] for row in rows],
    )
    return {envelope_id: Kept(sequence, is_new=sequence > last) for envelope_id, sequence in found}


@cache
def _insert_of(rows: int) -> str:
    """Return the INSERT of so many rows, with SQLite's marks."""
    marks = ", ".join([f"({', '.join('?' * len(STORED))})"] * rows)
    return f"INSERT INTO envelope ({', '.join(STORED)}) VALUES {marks} ON CONFLICT DO NOTHING"  # noqa: S608 -- names of our own columns


def _store_among_others(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> dict[bytes, Kept]:
    """Store on PostgreSQL: the insert itself says which rows were new. A column goes as an array, all in one row."""
    stored = connection.exec_driver_sql(_INSERT_ON_POSTGRESQL, tuple(map(list, zip(*rows, strict=True))))
    kept = {envelope_id: Kept(sequence, is_new=True) for envelope_id, sequence in stored}
    known = [row[0] for row in rows if row[0] not in kept]
    if known:
        query = select(Envelope.envelope_id, Envelope.sequence).where(Envelope.envelope_id.in_(known))
        kept.update((envelope_id, Kept(sequence, is_new=False)) for envelope_id, sequence in connection.execute(query))
    return kept


def sequences_by_prefix(session: Session | Connection, prefixes: Sequence[bytes]) -> dict[bytes, Recalled]:
    """Return the server's numbers of the envelopes whose ids begin so, by prefix, and whether only they are left."""
    found: dict[bytes, Recalled] = {}
    for start in range(0, len(prefixes), PREFIXES_AT_ONCE):
        chunk = prefixes[start : start + PREFIXES_AT_ONCE]
        # Ranges, for a function of the column would not use its index.
        ranges = [
            Envelope.envelope_id.between(prefix.ljust(ID_BYTES, b"\x00"), prefix.ljust(ID_BYTES, b"\xff"))
            for prefix in chunk
        ]
        lengths = {len(prefix) for prefix in chunk}
        query = select(Envelope.envelope_id, Envelope.sequence, Envelope.state).where(or_(*ranges))
        for envelope_id, sequence, state in session.execute(query):
            recalled = Recalled(sequence, is_erased=state == ERASED)
            found.update((envelope_id[:length], recalled) for length in lengths)
    return found


def store_at_door(
    connection: Connection, envelopes: Sequence[NewEnvelope], *, carrier: str, received_at: datetime
) -> frozenset[bytes]:
    """Store envelopes; what is there already, by its id or its tag, is left alone. Return the ids of the new ones.

    One statement a row, as the driver takes it: a submission has a few. The rows must come in an order that all
    submissions share, so that on PostgreSQL two that wait for each other's rows do not wait for ever.
    """
    name = connection.dialect.name
    moment = received_at.astimezone(UTC)
    written = moment.strftime(SQLITE_MOMENT) if name == "sqlite" else moment
    insert = _insert_of(1) + " RETURNING envelope_id"
    if name != "sqlite":
        insert = insert.replace("?", "%s")
    rows = (_row(envelope, carrier, written) for envelope in envelopes)
    return frozenset(
        found for row in rows if (found := connection.exec_driver_sql(insert, row).scalar_one_or_none()) is not None
    )


def known_door_tags(connection: Connection, tags: Sequence[bytes]) -> dict[bytes, bool]:
    """Return which of these tags are stored, each with whether it was set aside as a revoked app user's."""
    found: dict[bytes, bool] = {}
    for start in range(0, len(tags), PREFIXES_AT_ONCE):
        chunk = tags[start : start + PREFIXES_AT_ONCE]
        query = select(_columns.door_tag, _columns.state, _columns.reason).where(_columns.door_tag.in_(chunk))
        for tag, state, reason in connection.execute(query):
            found[tag] = state == QUARANTINED and reason == AFTER_REVOCATION
    return found


def let_in(session: Session, tags: Sequence[bytes]) -> tuple[bytes, ...]:
    """Let be opened what was set aside as a revoked app user's; return the ids of it."""
    found: list[bytes] = []
    for start in range(0, len(tags), PREFIXES_AT_ONCE):
        set_aside = update(Envelope).where(
            Envelope.door_tag.in_(tags[start : start + PREFIXES_AT_ONCE]),
            Envelope.state == QUARANTINED,
            Envelope.reason == AFTER_REVOCATION,
        )
        found += session.scalars(set_aside.values(state=RECEIVED, reason=None).returning(Envelope.envelope_id))
    return tuple(found)


def count_media(connection: Connection, instance_id: bytes) -> int:
    """Return how many different media of an instance are stored."""
    return connection.execute(_MEDIA_OF, {"of_instance": instance_id}).scalar_one()


def every_blob(session: Session) -> Iterator[tuple[int, bytes]]:
    """Yield the server's number of each envelope that names a blob, and the blob's digest."""
    query = select(Envelope.sequence, Envelope.blob_sha256).order_by(Envelope.sequence)
    rows = session.execute(query.where(Envelope.blob_sha256.is_not(None)).execution_options(yield_per=1000))
    yield from ((sequence, digest) for sequence, digest in rows if digest is not None)


def has_answers(session: Session) -> bool:
    """Say whether an interview, a draft or a medium has come, erased ones too."""
    kinds = (int(Kind.INTERVIEW), int(Kind.DRAFT), int(Kind.ATTACHMENT))
    return bool(session.scalar(select(exists().where(Envelope.kind.in_(kinds)))))


def emptied(session: Session, *, carrier: str) -> Sequence[bytes]:
    """Return the ids of the envelopes of one carrier whose bytes are erased."""
    query = select(Envelope.envelope_id).where(Envelope.carrier == carrier, Envelope.state == ERASED)
    return session.scalars(query.order_by(Envelope.sequence)).all()


def bodies_of(session: Session, *, carrier: str) -> Sequence[bytes]:
    """Return the envelopes that one carrier brought, oldest first, but for those that are erased."""
    query = select(Envelope.body).where(Envelope.carrier == carrier, Envelope.state != ERASED)
    return session.scalars(query.order_by(Envelope.sequence)).all()


def count_by_state(session: Session) -> dict[str, int]:
    """Return how many envelopes are in each state."""
    rows = session.execute(select(Envelope.state, func.count()).group_by(Envelope.state))
    return {state: count for state, count in rows}
