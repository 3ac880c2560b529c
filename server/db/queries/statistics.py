"""SQL of estimates: the design they rest on, the runs that made them, and the releases that show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from server.db.queries.checks import is_held
from server.db.tables import (
    CalibrationTotal,
    DrawnHousehold,
    EstimateRun,
    ExchangeRate,
    FramePsu,
    Interview,
    ListingClass,
    Release,
    Revision,
)
from server.statistics.sample import DesignTables, Listings, Psus, Totals

DRAFT: Final = "draft"
PUBLISHED: Final = "published"
WITHDRAWN: Final = "withdrawn"
DONE: Final = "done"
FAILED: Final = "failed"
LOST: Final = "lost"
OPEN: Final = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRelease:
    """A release as it is stored; ``content`` is canonical JSON."""

    release_id: int
    run_id: int
    state: str
    created_at: datetime
    cut_off: datetime
    published_at: datetime | None
    published_by: str | None
    content_hash: bytes
    content: bytes
    open_holds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One execution of the job."""

    due_at: datetime
    started_at: datetime
    finished_at: datetime
    state: str
    reason: str | None
    inputs_hash: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run as it is stored; ``release_id`` is the draft it made, if any."""

    run_id: int
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    state: str
    reason: str | None
    release_id: int | None


def design_tables(session: Session) -> DesignTables:
    """Return frame, listing and totals of the drawn units as columns; empty where nothing was imported."""
    psus = session.execute(
        select(
            FramePsu.psu,
            FramePsu.stratum,
            FramePsu.province,
            FramePsu.area,
            FramePsu.frame_households,
            FramePsu.stratum_frame_households,
            FramePsu.drawn_in_stratum,
            FramePsu.certainty,
            FramePsu.segments,
            FramePsu.status,
        )
        .where(FramePsu.drawn.is_(True))
        .order_by(FramePsu.psu)
    ).all()
    listings = session.execute(
        select(ListingClass.psu, ListingClass.listing_class, ListingClass.listed, ListingClass.drawn).order_by(
            ListingClass.psu, ListingClass.listing_class
        )
    ).all()
    totals = session.execute(
        select(CalibrationTotal.province, CalibrationTotal.area, CalibrationTotal.households).order_by(
            CalibrationTotal.province, CalibrationTotal.area
        )
    ).all()
    return DesignTables(
        psus=Psus(
            psu=np.array([row.psu for row in psus], dtype=np.str_),
            stratum=np.array([row.stratum for row in psus], dtype=np.str_),
            province=np.array([row.province for row in psus], dtype=np.str_),
            area=np.array([row.area for row in psus], dtype=np.str_),
            frame_households=np.array([row.frame_households for row in psus], dtype=np.int64),
            stratum_frame_households=np.array([row.stratum_frame_households for row in psus], dtype=np.int64),
            drawn_in_stratum=np.array([row.drawn_in_stratum for row in psus], dtype=np.int64),
            is_certain=np.array([row.certainty for row in psus], dtype=np.bool_),
            segments=np.array([row.segments for row in psus], dtype=np.int64),
            is_worked=np.array([row.status != LOST for row in psus], dtype=np.bool_),
        ),
        listings=Listings(
            psu=np.array([row.psu for row in listings], dtype=np.str_),
            listing_class=np.array([row.listing_class for row in listings], dtype=np.int64),
            listed=np.array([row.listed for row in listings], dtype=np.int64),
            drawn=np.array([row.drawn for row in listings], dtype=np.int64),
        ),
        totals=Totals(
            province=np.array([row.province for row in totals], dtype=np.str_),
            area=np.array([row.area for row in totals], dtype=np.str_),
            households=np.array([row.households for row in totals], dtype=np.int64),
        ),
    )


def drawn_households(session: Session) -> tuple[tuple[str, str, int], ...]:
    """Return key, unit and listing class of every drawn household, in the order of the keys."""
    rows = session.execute(
        select(DrawnHousehold.household_key, DrawnHousehold.psu, DrawnHousehold.listing_class).order_by(
            DrawnHousehold.household_key
        )
    )
    return tuple((row.household_key, row.psu, row.listing_class) for row in rows)


def exchange_rates(session: Session) -> Mapping[tuple[str, str], Decimal]:
    """Return local currency per unit by currency and month."""
    rows = session.execute(select(ExchangeRate.currency, ExchangeRate.month, ExchangeRate.lcu_per_unit))
    return {(row.currency, row.month): row.lcu_per_unit for row in rows}


def first_received(session: Session, *, mode: str) -> Mapping[str, datetime]:
    """Return when the first revision of each interview came, by interview id in hexadecimal."""
    rows = session.execute(
        select(Revision.interview_id, func.min(Revision.received_at))
        .where(Revision.mode == mode)
        .group_by(Revision.interview_id)
    )
    return {interview_id.hex(): received for interview_id, received in rows}


def count_open_holds(session: Session, *, mode: str) -> int:
    """Count interviews with an open hold, of the fold or of checking."""
    held = select(func.count()).select_from(Interview).where(Interview.mode == mode, is_held())
    return int(session.execute(held).scalar_one())


def count_open_psus(session: Session) -> int:
    """Count drawn units that are neither closed nor lost."""
    unfinished = select(func.count()).select_from(FramePsu).where(FramePsu.drawn.is_(True), FramePsu.status == OPEN)
    return int(session.execute(unfinished).scalar_one())


def add_run(session: Session, run: RunRow) -> int:
    """Store a run; return its id."""
    statement = insert(EstimateRun).returning(EstimateRun.run_id)
    values = {
        "due_at": run.due_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "state": run.state,
        "reason": run.reason,
        "inputs_hash": run.inputs_hash,
    }
    return int(session.execute(statement, [values]).scalar_one())


def runs(session: Session) -> tuple[StoredRun, ...]:
    """Return every run, newest first."""
    rows = session.execute(
        select(EstimateRun, Release.release_id)
        .outerjoin(Release, Release.run_id == EstimateRun.run_id)
        .order_by(EstimateRun.run_id.desc())
    )
    return tuple(
        StoredRun(
            run_id=run.run_id,
            due_at=run.due_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            state=run.state,
            reason=run.reason,
            release_id=release_id,
        )
        for run, release_id in rows
    )


def add_draft(
    session: Session,
    *,
    run_id: int,
    now: datetime,
    cut_off: datetime,
    content: bytes,
    content_hash: bytes,
    open_holds: int,
) -> int:
    """Store a draft release; return its id."""
    statement = insert(Release).returning(Release.release_id)
    values = {
        "run_id": run_id,
        "state": DRAFT,
        "created_at": now,
        "cut_off": cut_off,
        "content_hash": content_hash,
        "content": content,
        "open_holds": open_holds,
    }
    return int(session.execute(statement, [values]).scalar_one())


def newest_draft(session: Session) -> StoredRelease | None:
    """Return the newest release if it is a draft."""
    row = session.scalars(select(Release).order_by(Release.release_id.desc()).limit(1)).first()
    return None if row is None or row.state != DRAFT else _stored(row)


def releases(session: Session) -> tuple[StoredRelease, ...]:
    """Return every release, newest first."""
    rows = session.scalars(select(Release).order_by(Release.release_id.desc()))
    return tuple(_stored(row) for row in rows)


def release(session: Session, release_id: int) -> StoredRelease | None:
    """Return one release."""
    row = session.get(Release, release_id)
    return None if row is None else _stored(row)


def set_published(session: Session, release_id: int, *, by: str, at: datetime) -> None:
    """Mark a draft as published."""
    session.execute(
        update(Release)
        .where(Release.release_id == release_id)
        .values(state=PUBLISHED, published_by=by, published_at=at)
    )


def _stored(row: Release) -> StoredRelease:
    return StoredRelease(
        release_id=row.release_id,
        run_id=row.run_id,
        state=row.state,
        created_at=row.created_at,
        cut_off=row.cut_off,
        published_at=row.published_at,
        published_by=row.published_by,
        content_hash=row.content_hash,
        content=row.content,
        open_holds=row.open_holds,
    )
