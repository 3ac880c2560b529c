"""Compare interviews with each other: scores of interviews and of enumerators, for supervisors to look where it is odd.

Reading and arithmetic need no write transaction: :func:`prepare` does them, :func:`store` writes in moments. Positions
come from the identifiers store and are in memory only.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from server.db.queries import checks, interviews
from server.db.queries.checks import ENUMERATOR, INTERVIEW, ScoreRow
from server.folding.checking import score_context, seal_findings
from server.folding.profile import ENUMERATOR as ENUMERATOR_COLUMN
from server.folding.surroundings import POSITION, point_of
from server.keystore import KeyStore
from server.microdata import Microdata
from server.statistics.hh_remit import FORM_ID
from server.statistics.hh_remit.checks import CheckFinding, Point
from server.statistics.hh_remit.checks.scores import Interviewed, score

MODE: Final = "survey"


def prepare(session: Session, *, microdata: Microdata, keystore: KeyStore, now: datetime) -> tuple[ScoreRow, ...]:
    """Compute the scores of all current survey interviews that are not excluded, without writing anything.

    Raises:
        KeyStoreLocked: without the vault.
    """
    scores = score(_interviewed(session, microdata, keystore))
    rows = [
        _row(INTERVIEW, name.hex(), findings, keystore=keystore, now=now)
        for name, findings in scores.interviews.items()
    ]
    rows += [_row(ENUMERATOR, name, found, keystore=keystore, now=now) for name, found in scores.enumerators.items()]
    return tuple(rows)


def store(session: Session, rows: tuple[ScoreRow, ...]) -> None:
    """Write the scores in place of those before, but of interviews that were erased since they were read."""
    compared = [bytes.fromhex(row.subject) for row in rows if row.scope == INTERVIEW]
    present = {found.interview_id.hex() for found in interviews.interviews_by_id(session, compared)}
    checks.put_scores(session, [row for row in rows if row.scope != INTERVIEW or row.subject in present])


def _interviewed(session: Session, microdata: Microdata, keystore: KeyStore) -> list[Interviewed]:
    teams, psus = checks.teams(session), checks.drawn_psus(session)
    points = _points(microdata)
    found = []
    for part in microdata.read("analysis", form_id=FORM_ID, mode=MODE):
        for row in part.table.to_pylist():
            key, enumerator = row["_household_key"], str(row.get(ENUMERATOR_COLUMN) or "")
            if key is None or not enumerator or not (row["_weighs"] or row["_holds"]):
                continue
            found.append(
                Interviewed(
                    interview_id=bytes.fromhex(row["_interview_id"]),
                    household=key,
                    enumerator=enumerator[:200],
                    team=teams.get(enumerator, ""),
                    psu=psus.get(keystore.household_tag(key), ""),
                    answers=row,
                    point=points.get(row["_interview_id"]),
                )
            )
    return found


def _points(microdata: Microdata) -> Mapping[str, Point]:
    rows: Iterable[Mapping[str, Any]] = (
        row
        for part in microdata.read("identifiers", form_id=FORM_ID, mode=MODE, columns=(POSITION,))
        for row in part.table.to_pylist()
    )
    return {row["_interview_id"]: point for row in rows if (point := point_of(row.get(POSITION))) is not None}


def _row(
    scope: str, subject: str, findings: tuple[CheckFinding, ...], *, keystore: KeyStore, now: datetime
) -> ScoreRow:
    return ScoreRow(
        scope=scope,
        subject=subject,
        computed_at=now,
        findings=len(findings),
        sealed=seal_findings(findings, keystore, score_context(scope, subject)),
    )
