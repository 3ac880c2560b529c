"""SQL of the frame, the listing, the draw, and how far the work in each unit is."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Select, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from server.db.queries.checks import is_held
from server.db.queries.frame_rows import HouseholdRow, ListingRow, PsuRow, RateRow, TotalRow
from server.db.queries.scoped import draw_project, visible_households, visible_interviews
from server.db.scope import EVERYTHING, Scope
from server.db.tables import (
    CalibrationTotal,
    Document,
    DrawnHousehold,
    Envelope,
    ExchangeRate,
    Form,
    FramePsu,
    Interview,
    ListingClass,
)
from server.db.tables.accounts import FIRST_PROJECT
from sync_protocol.constants import Kind

OPEN: Final = "open"
CLOSED: Final = "closed"
LOST: Final = "lost"
SURVEY: Final = "survey"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """An imported file."""

    hash: bytes
    kind: str
    name: str
    rows: int
    imported_at: datetime
    imported_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PsuStatus:
    """A drawn unit and whether work in it is over."""

    psu: str
    stratum: str
    province: str
    area: str
    status: str
    status_by: str | None
    status_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedHousehold:
    """A drawn household as it is stored."""

    row: HouseholdRow
    tag: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedHousehold:
    """A drawn household and who visits it; `tag` is equal to that of its interviews."""

    household_key: str
    psu: str
    province: str
    area: str
    enumerator: str
    tag: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedInterview:
    """A survey interview, its household's tag, whether it is held, and its sealed standing."""

    interview_id: bytes
    tag: bytes
    is_held: bool
    sealed: bytes


def identity_context(household_key: str) -> bytes:
    """Return the context in which the identity of a drawn household is sealed; inside: head, position, persons."""
    return b"drawn-household:" + household_key.encode()


def documents(session: Session) -> list[StoredDocument]:
    """Return every imported file, the latest of each kind first."""
    rows = session.execute(
        select(Document.hash, Document.kind, Document.name, Document.rows, Document.imported_at, Document.imported_by)
        .order_by(Document.kind, Document.imported_at.desc())
    )  # fmt: skip
    return [StoredDocument(**row) for row in rows.mappings()]


def put_document(session: Session, document: StoredDocument, *, sealed: bytes) -> None:
    """Keep a file, or note that a known one is in force again."""
    known = session.get(Document, document.hash)
    if known is None:
        session.add(Document(**asdict(document), sealed=sealed))
    else:
        known.imported_at, known.imported_by, known.name = document.imported_at, document.imported_by, document.name


def has_interviews(session: Session) -> bool:
    """Tell whether an interview has ever been received."""
    return bool(session.scalar(select(exists().where(Envelope.kind == int(Kind.INTERVIEW)))))


def frame(session: Session) -> dict[str, PsuRow]:
    """Return the units of the stored frame by code."""
    columns = [getattr(FramePsu, name) for name in PsuRow.__dataclass_fields__]
    return {row["psu"]: PsuRow(**row) for row in session.execute(select(*columns)).mappings()}


def listing(session: Session) -> dict[tuple[str, int], ListingRow]:
    """Return the stored listing by unit and class."""
    rows = session.execute(
        select(ListingClass.psu, ListingClass.listing_class, ListingClass.listed, ListingClass.drawn)
    )
    return {(row["psu"], row["listing_class"]): ListingRow(**row) for row in rows.mappings()}


def total_places(session: Session) -> frozenset[tuple[str, str]]:
    """Return the (province, area) pairs that have a stored total."""
    return frozenset(
        (row.province, row.area) for row in session.execute(select(CalibrationTotal.province, CalibrationTotal.area))
    )


def replace_frame(session: Session, rows: Iterable[PsuRow]) -> None:
    """Store the frame in place of the one before; units keep their status."""
    statuses = {
        row.psu: {"status": row.status, "status_by": row.status_by, "status_at": row.status_at}
        for row in psu_statuses(session)
    }
    fresh = {"status": OPEN, "status_by": None, "status_at": None}
    session.execute(delete(FramePsu))
    _insert(session, FramePsu, [asdict(row) | statuses.get(row.psu, fresh) for row in rows])


def replace_listing(session: Session, rows: Iterable[ListingRow]) -> None:
    """Store the listing in place of the one before."""
    session.execute(delete(ListingClass))
    _insert(session, ListingClass, [asdict(row) for row in rows])


def drawn_for(session: Session) -> int | None:
    """Return the project of the draw, None before there is one."""
    return session.scalars(select(DrawnHousehold.project_id).limit(1)).first()


def replace_draw(
    session: Session, households: Iterable[SealedHousehold], *, feed_position: int, project_id: int = FIRST_PROJECT
) -> None:
    """Store the drawn households in place of those before; tablets pull them from this position of the feed on."""
    session.execute(delete(DrawnHousehold))
    values = [
        {
            "household_key": household.row.household_key,
            "psu": household.row.psu,
            "listing_class": household.row.listing_class,
            "enumerator": household.row.enumerator,
            "tag": household.tag,
            "sealed": household.sealed,
            "feed_position": feed_position,
            "project_id": project_id,
        }
        for household in households
    ]
    _insert(session, DrawnHousehold, values)


def replace_rates(session: Session, rows: Iterable[RateRow]) -> None:
    """Store the exchange rates in place of those before."""
    session.execute(delete(ExchangeRate))
    _insert(session, ExchangeRate, [asdict(row) for row in rows])


def replace_totals(session: Session, rows: Iterable[TotalRow]) -> None:
    """Store the household totals in place of those before."""
    session.execute(delete(CalibrationTotal))
    _insert(session, CalibrationTotal, [asdict(row) for row in rows])


def psu_statuses(session: Session) -> list[PsuStatus]:
    """Return the drawn units in the order of their codes."""
    return [PsuStatus(**row) for row in session.execute(_psu_statuses().order_by(FramePsu.psu)).mappings()]


def psu_status(session: Session, psu: str) -> PsuStatus | None:
    """Return one drawn unit, None when no such unit is drawn."""
    row = session.execute(_psu_statuses().where(FramePsu.psu == psu)).mappings().one_or_none()
    return None if row is None else PsuStatus(**row)


def set_psu_status(session: Session, psu: str, *, status: str, by: str, at: datetime, feed_position: int) -> None:
    """Open, close or lose a unit; tablets that visit it are told at this position of the feed."""
    session.execute(update(FramePsu).where(FramePsu.psu == psu).values(status=status, status_by=by, status_at=at))
    session.execute(update(DrawnHousehold).where(DrawnHousehold.psu == psu).values(feed_position=feed_position))


def interviews_in(session: Session, psu: str) -> int:
    """Count the drawn households of a unit from which an interview has come."""
    count = session.scalar(
        select(func.count(func.distinct(DrawnHousehold.household_key)))
        .join(Interview, Interview.household_tag == DrawnHousehold.tag)
        .where(DrawnHousehold.psu == psu, Interview.mode == SURVEY, _is_of_draw())
    )  # fmt: skip
    return int(count or 0)


def assigned_households(session: Session, scope: Scope = EVERYTHING) -> list[AssignedHousehold]:
    """Return the drawn households of a scope by key."""
    query = (
        select(
            DrawnHousehold.household_key, DrawnHousehold.psu, FramePsu.province, FramePsu.area,
            DrawnHousehold.enumerator, DrawnHousehold.tag,
        )
        .join(FramePsu, FramePsu.psu == DrawnHousehold.psu)
        .where(visible_households(scope))
        .order_by(DrawnHousehold.household_key)
    )  # fmt: skip
    return [AssignedHousehold(**row) for row in session.execute(query).mappings()]


def survey_interviews(session: Session, scope: Scope = EVERYTHING) -> list[FoldedInterview]:
    """Return the interviews of a scope, of the draw's project, that are of mode survey and name a household, by id."""
    query = (
        select(
            Interview.interview_id,
            Interview.household_tag.label("tag"),
            is_held().label("is_held"),
            Interview.sealed,
        )
        .where(Interview.mode == SURVEY, Interview.household_tag.is_not(None), _is_of_draw(), visible_interviews(scope))
        .order_by(Interview.interview_id)
    )
    return [FoldedInterview(**row) for row in session.execute(query).mappings()]


def _is_of_draw() -> ColumnElement[bool]:
    """Say of an Interview that it is of no other project than the draw."""
    return Interview.form_id.not_in(select(Form.form_id).where(Form.project_id != draw_project()))


def _psu_statuses() -> Select[*tuple[object, ...]]:
    return select(
        FramePsu.psu, FramePsu.stratum, FramePsu.province, FramePsu.area,
        FramePsu.status, FramePsu.status_by, FramePsu.status_at,
    ).where(FramePsu.drawn)  # fmt: skip


def _insert(session: Session, table: type, values: Sequence[dict[str, object]]) -> None:
    # An empty list would insert one row of defaults.
    if values:
        session.execute(insert(table), values)
