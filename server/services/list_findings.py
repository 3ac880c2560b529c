"""What checking found, for supervisors and managers: by code and place, filtered, counted; never an answer.

Findings of a revision and scores of comparing interviews are shown together. Everything is read from what the checking
stage stored; nothing is checked here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import checks, fieldwork
from server.db.queries.checks import ENUMERATOR, INTERVIEW, CheckedInterview, ScoreRow
from server.db.scope import EVERYTHING, Scope
from server.errors import BadRequest, KeyStoreLocked, NotFound
from server.folding.check_texts import text_of
from server.folding.checking import CHECKER_VERSION, open_check, open_findings, score_context
from server.folding.surroundings import basis_of
from server.keystore import KeyStore
from server.microdata import Standing
from server.statistics.hh_remit.checks import SEVERITIES, CheckFinding, Severity

_RANK: Final = {severity: rank for rank, severity in enumerate(SEVERITIES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter:
    """Which findings are wanted; None for all. An unknown unit or enumerator has none."""

    psu: str | None = None
    enumerator: str | None = None
    severity: str | None = None
    code: str | None = None

    def __post_init__(self) -> None:
        """Refuse a severity that there is not.

        Raises:
            BadRequest: with the list of those that there are.
        """
        if self.severity is not None and self.severity not in _RANK:
            raise BadRequest(f"A severity is one of {', '.join(SEVERITIES)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    """Where a finding belongs; a score of an enumerator has no interview."""

    enumerator: str | None
    interview_id: str | None = None
    form_id: str | None = None
    psu: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFinding:
    """One finding with where it belongs.

    Attributes:
        interview_id: hexadecimal; None for a score of an enumerator.
        psu: by the draw; None outside it.
        is_open: of a hold: nobody has settled it yet.
        measure: of a score; None for all else.
        text: by language (en, fr).
    """

    interview_id: str | None
    form_id: str | None
    psu: str | None
    enumerator: str | None
    code: str
    severity: Severity
    path: str
    measure: float | None
    is_open: bool
    text: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class InterviewFindings:
    """All findings on one interview."""

    interview_id: str
    form_id: str
    mode: str
    psu: str | None
    enumerator: str | None
    checked_at: datetime
    findings: tuple[ListedFinding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingPage:
    """Part of a list, and how long the whole is; `unchecked` interviews have yet to be looked at."""

    findings: tuple[ListedFinding, ...]
    total: int
    unchecked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityCounts:
    """Findings by severity of one unit or enumerator."""

    name: str
    hold: int = 0
    error: int = 0
    supervisor: int = 0
    note: int = 0
    flag: int = 0
    score: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.hold + self.error + self.supervisor + self.note + self.flag + self.score


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCount:
    """How often a code was found; its text by language."""

    code: str
    severity: Severity
    number: int
    text: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingCounts:
    """Findings by unit and by enumerator, of holds the open ones only; `is_known` is False while keys are locked."""

    is_known: bool
    unchecked: int
    codes: tuple[CodeCount, ...] = ()
    psus: tuple[SeverityCounts, ...] = ()
    enumerators: tuple[SeverityCounts, ...] = ()


def list_findings(
    session: Session,
    keystore: KeyStore,
    wanted: FindingFilter,
    *,
    offset: int = 0,
    limit: int | None = None,
    scope: Scope = EVERYTHING,
) -> FindingPage:
    """Return findings on what somebody sees, the gravest first, then by interview, code and place.

    Raises:
        KeyStoreLocked: without the vault.
    """
    found = sorted((one for one in _all(session, keystore, scope) if _is_wanted(one, wanted)), key=_order)
    end = None if limit is None else offset + limit
    return FindingPage(findings=tuple(found[offset:end]), total=len(found), unchecked=_unchecked(session, scope))


def show_findings(
    session: Session, keystore: KeyStore, interview_id: bytes, scope: Scope = EVERYTHING
) -> InterviewFindings:
    """Return all findings on one interview.

    Raises:
        NotFound: no such interview that this person sees, or it was not checked yet.
        KeyStoreLocked: without the vault.
    """
    found = checks.checked_interviews(session, interview_id, scope)
    if not found:
        raise NotFound(f"no interview {interview_id.hex()} has been checked: passerelle finding list shows what has")
    (interview,) = found
    where = _where(interview, checks.drawn_psus(session), keystore)
    listed = list(_of_interview(interview, where, keystore))
    for row in checks.scores(session, INTERVIEW):
        if row.subject == where.interview_id:
            listed += _of_score(row, where, keystore)
    return InterviewFindings(
        interview_id=interview_id.hex(),
        form_id=interview.form_id,
        mode=interview.mode,
        psu=where.psu,
        enumerator=where.enumerator,
        checked_at=interview.checked_at,
        findings=tuple(sorted(listed, key=_order)),
    )


def count_findings(session: Session, keystore: KeyStore, scope: Scope = EVERYTHING) -> FindingCounts:
    """Count findings of the survey by unit and by enumerator; nothing is known while the key store is locked."""
    unchecked = _unchecked(session, scope)
    try:
        every = _all(session, keystore, scope, mode=fieldwork.SURVEY)
        found = [one for one in every if one.severity != "hold" or one.is_open]
    except KeyStoreLocked:
        return FindingCounts(is_known=False, unchecked=unchecked)
    return FindingCounts(
        is_known=True,
        unchecked=unchecked,
        codes=_count_codes(found),
        psus=_count((one.psu, one.severity) for one in found),
        enumerators=_count((one.enumerator, one.severity) for one in found),
    )


def _unchecked(session: Session, scope: Scope) -> int:
    return checks.count_pending(session, basis_of(session, CHECKER_VERSION), scope)


def _all(session: Session, keystore: KeyStore, scope: Scope, *, mode: str | None = None) -> Iterator[ListedFinding]:
    psus = checks.drawn_psus(session)
    scores = checks.scores(session)
    of_interviews = {row.subject: row for row in scores if row.scope == INTERVIEW}
    for interview in checks.checked_interviews(session, scope=scope):
        score = of_interviews.get(interview.interview_id.hex())
        if (mode is not None and interview.mode != mode) or not (interview.findings or interview.holds or score):
            continue
        where = _where(interview, psus, keystore)
        yield from _of_interview(interview, where, keystore)
        if score is not None:
            yield from _of_score(score, where, keystore)
    enumerators = checks.scored_enumerators(session, scope)
    for row in scores:
        if row.scope == ENUMERATOR and row.subject in enumerators:
            yield from _of_score(row, _Where(enumerator=row.subject), keystore)


def _of_interview(interview: CheckedInterview, where: _Where, keystore: KeyStore) -> Iterator[ListedFinding]:
    """Yield what the fold and the check found; both hold an interview, each in its own way."""
    for code in interview.holds.split(",") if interview.holds else ():
        yield _listed(CheckFinding(code, "hold", ""), where, is_open=True)
    still_open = interview.check_holds.split(",")
    for finding in open_check(interview.sealed, interview.instance_id, interview.answers_hash, keystore):
        yield _listed(finding, where, is_open=finding.code in still_open)


def _of_score(row: ScoreRow, where: _Where, keystore: KeyStore) -> Iterator[ListedFinding]:
    for finding in open_findings(row.sealed, keystore, score_context(row.scope, row.subject)):
        yield _listed(finding, where)


def _where(interview: CheckedInterview, psus: Mapping[bytes, str], keystore: KeyStore) -> _Where:
    standing = Standing.open(interview.interview_sealed, interview.interview_id, keystore)
    return _Where(
        interview_id=interview.interview_id.hex(),
        form_id=interview.form_id,
        psu=None if interview.household_tag is None else psus.get(interview.household_tag),
        enumerator=standing.enumerator,
    )


def _listed(finding: CheckFinding, where: _Where, *, is_open: bool = False) -> ListedFinding:
    return ListedFinding(
        interview_id=where.interview_id,
        form_id=where.form_id,
        psu=where.psu,
        enumerator=where.enumerator,
        code=finding.code,
        severity=finding.severity,
        path=finding.path,
        measure=finding.measure,
        is_open=is_open,
        text={language: text_of(finding.code, language) for language in ("en", "fr")},
    )


def _is_wanted(one: ListedFinding, wanted: FindingFilter) -> bool:
    return (
        wanted.psu in (None, one.psu)
        and wanted.enumerator in (None, one.enumerator)
        and wanted.severity in (None, one.severity)
        and wanted.code in (None, one.code)
    )


def _order(one: ListedFinding) -> tuple[int, str, str, str, str]:
    return _RANK[one.severity], one.interview_id or "", one.enumerator or "", one.code, one.path


def _count_codes(found: Iterable[ListedFinding]) -> tuple[CodeCount, ...]:
    """Count by code, the gravest first."""
    counts: dict[tuple[int, str], CodeCount] = {}
    for one in found:
        key = (_RANK[one.severity], one.code)
        known = counts.get(key) or CodeCount(code=one.code, severity=one.severity, number=0, text=one.text)
        counts[key] = replace(known, number=known.number + 1)
    return tuple(counts[key] for key in sorted(counts))


def _count(found: Iterable[tuple[str | None, Severity]]) -> tuple[SeverityCounts, ...]:
    counts: dict[str, SeverityCounts] = {}
    for name, severity in found:
        if name is not None:
            known = counts.get(name) or SeverityCounts(name=name)
            counts[name] = replace(known, **{severity: getattr(known, severity) + 1})
    return tuple(counts[name] for name in sorted(counts))
