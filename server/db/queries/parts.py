"""SQL of microdata parts: which files are named, and which row of which part is current."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, insert, select
from sqlalchemy.orm import Session

from server.db.tables import FormVersion, Interview, MicrodataPart, Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRow:
    """Where the answers of an interview are, and what is known about it."""

    interview_id: bytes
    form_version_hash: bytes
    version: str
    part_id: int
    row: int
    state: str
    holds: str
    answers_hash: bytes
    received_at: datetime
    source: str
    sealed: bytes


def current_rows(session: Session, *, form_id: str, mode: str) -> tuple[CurrentRow, ...]:
    """Return the current row of each interview of a form and mode, ordered by interview id."""
    query = _rows().where(Interview.form_id == form_id, Interview.mode == mode).order_by(Interview.interview_id)
    return tuple(CurrentRow(**row._mapping) for row in session.execute(query))  # noqa: SLF001 -- SQLAlchemy's name for a public thing


def current_row(session: Session, interview_id: bytes) -> tuple[str, CurrentRow] | None:
    """Return the form of an interview and its current row; None when it has none."""
    row = session.execute(_rows().where(Interview.interview_id == interview_id)).first()
    form_id = session.scalar(select(Interview.form_id).where(Interview.interview_id == interview_id))
    if row is None or form_id is None:
        return None
    return form_id, CurrentRow(**row._mapping)  # noqa: SLF001 -- SQLAlchemy's name for a public thing


def modes(session: Session, form_id: str) -> tuple[str, ...]:
    """Return the modes in which a form has interviews."""
    query = select(Interview.mode).where(Interview.form_id == form_id).distinct().order_by(Interview.mode)
    return tuple(session.scalars(query))


def _rows() -> Select[*tuple[object, ...]]:
    query = select(
        Interview.interview_id,
        Revision.form_version_hash,
        FormVersion.version,
        Revision.part_id,
        Revision.row,
        Interview.state,
        Interview.holds,
        Revision.answers_hash,
        Revision.received_at,
        Revision.source,
        Interview.sealed,
    )
    query = query.join(Revision, Revision.revision_id == Interview.current_revision_id)
    return query.join(FormVersion, FormVersion.hash == Revision.form_version_hash)


def part_paths(session: Session, store: str) -> Mapping[int, str]:
    """Return the path of each part in a store, below the microdata folder."""
    column = MicrodataPart.analysis_path if store == "analysis" else MicrodataPart.identifiers_path
    return {part_id: path for part_id, path in session.execute(select(MicrodataPart.part_id, column))}


def part_hashes(session: Session) -> tuple[tuple[str, bytes], ...]:
    """Return path and SHA-256 of every named file."""
    rows = session.execute(
        select(
            MicrodataPart.analysis_path,
            MicrodataPart.analysis_sha256,
            MicrodataPart.identifiers_path,
            MicrodataPart.identifiers_sha256,
        )
    ).all()
    return tuple(pair for row in rows for pair in ((row[0], row[1]), (row[2], row[3])))


def add_part(session: Session, **members: object) -> int:
    """Name a written part; return its id."""
    part_id = session.execute(insert(MicrodataPart).returning(MicrodataPart.part_id), [members]).scalar_one()
    return int(part_id)
