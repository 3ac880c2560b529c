"""Turn the interviews that are here into estimates and a draft release.

Reading and arithmetic need no write transaction: :func:`prepare` does them under a reading session, :func:`store` then
writes in moments. Only survey interviews count; one that a person must look at first (K1, K3) never weighs, and of two
under one household key the provisional primary does, counted as such.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import numpy as np
from sqlalchemy.orm import Session

from server.db.queries import forms
from server.db.queries import statistics as queries
from server.db.queries.forms import VersionLink
from server.db.queries.statistics import DONE, FAILED, RunRow
from server.errors import DesignIncomplete, EstimatesImpossible
from server.export.release_content import Basis, Counts, content_hash, says_the_same, write_content
from server.microdata import Microdata
from server.statistics.design import DesignError
from server.statistics.hh_remit import COLUMNS, FORM_ID, Chosen, Derived, Drawn, Rates, choose, derive
from server.statistics.imputation import ImputationError
from server.statistics.indicators import Estimation, estimate
from server.statistics.response import eligibility_rate
from server.statistics.sample import (
    ELIGIBLE_NONRESPONDENT,
    NOT_ELIGIBLE,
    RESPONDENT,
    UNKNOWN_ELIGIBILITY,
    DesignTables,
    Households,
)

MODE: Final = "survey"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRelease:
    """A computed release that nothing knows of yet; ``estimation`` is what it was written from."""

    cut_off: datetime
    started_at: datetime
    content: bytes
    content_hash: bytes
    inputs_hash: bytes
    open_holds: int
    estimation: Estimation


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run that is in the database; ``is_new`` is False if the newest draft rests on the same inputs already."""

    run_id: int
    release_id: int
    content_hash: bytes
    is_new: bool


def prepare(
    session: Session, *, microdata: Microdata, now: datetime, cut_off: datetime | None = None
) -> PreparedRelease:
    """Compute estimates from the interviews received up to a time, without writing anything.

    Answers are read as of the newest version of the form, through the maps that versions were published with.

    Args:
        session: to read the design from.
        microdata: the analysis store.
        now: when this is done.
        cut_off: interviews received later are left out; None = now.

    Raises:
        DesignIncomplete: frame, listing, draw, rates or totals are missing or do not cover the interviews.
        EstimatesImpossible: the interviews do not carry estimates.
        KeyStoreLocked: without the vault.
    """
    until = now if cut_off is None else cut_off
    tables = queries.design_tables(session)
    drawn = drawn_of(session)
    rates = queries.exchange_rates(session)
    versions = forms.chain(session, FORM_ID)
    as_of = versions[-1].hash if versions else None
    parts = microdata.read("analysis", form_id=FORM_ID, mode=MODE, columns=COLUMNS, as_of=as_of)
    rows = [row for part in parts for row in part.table.to_pylist()]
    chosen = choose(rows, queries.first_received(session, mode=MODE), until)
    try:
        derived = derive(chosen.answers, drawn, Rates(rates))
        estimation = estimate(derived.sample, tables)
    except DesignError as error:
        problem = EstimatesImpossible if error.code == "too-small" else DesignIncomplete
        raise problem(f"{error}.") from error
    except ImputationError as error:
        raise EstimatesImpossible(f"{error}.") from error
    inputs = hashlib.sha256(chosen.fingerprint + _fingerprint(tables, drawn, rates, versions)).digest()
    basis = Basis(
        form_id=FORM_ID,
        mode=MODE,
        cut_off=until,
        inputs_hash=inputs,
        counts=_counts(session, chosen, derived, tables),
        response_rate=_response_rate(derived.sample.households),
        kish=estimation.weighting.kish,
        notes=derived.notes + estimation.notes,
        item_nonresponse=estimation.item_nonresponse,
    )
    content = write_content(basis, estimation.estimates)
    return PreparedRelease(
        cut_off=until,
        started_at=now,
        content=content,
        content_hash=content_hash(content),
        inputs_hash=inputs,
        open_holds=basis.counts.open_holds,
        estimation=estimation,
    )


def store(session: Session, prepared: PreparedRelease, *, now: datetime, due_at: datetime | None = None) -> StoredRun:
    """Store a run and its draft release; the newest draft is kept if it says the same, whenever it was cut off."""
    newest = queries.newest_draft(session)
    same = None if newest is None or not says_the_same(newest.content, prepared.content) else newest.release_id
    run_id = queries.add_run(
        session,
        RunRow(
            due_at=prepared.started_at if due_at is None else due_at,
            started_at=prepared.started_at,
            finished_at=now,
            state=DONE,
            reason=None if same is None else f"unchanged since release {same}",
            inputs_hash=prepared.inputs_hash,
        ),
    )
    if same is not None:
        return StoredRun(run_id=run_id, release_id=same, content_hash=prepared.content_hash, is_new=False)
    release_id = queries.add_draft(
        session,
        run_id=run_id,
        now=now,
        cut_off=prepared.cut_off,
        content=prepared.content,
        content_hash=prepared.content_hash,
        open_holds=prepared.open_holds,
    )
    return StoredRun(run_id=run_id, release_id=release_id, content_hash=prepared.content_hash, is_new=True)


def run(session: Session, *, microdata: Microdata, now: datetime, cut_off: datetime | None = None) -> StoredRun:
    """Compute and store in one transaction: for one process with a small survey.

    Raises:
        DesignIncomplete, EstimatesImpossible, KeyStoreLocked: as :func:`prepare`.
    """
    return store(session, prepare(session, microdata=microdata, now=now, cut_off=cut_off), now=now)


def record_failure(session: Session, *, reason: str, now: datetime, due_at: datetime | None = None) -> int:
    """Store that a run gave no release, and why; return its id."""
    row = RunRow(
        due_at=now if due_at is None else due_at,
        started_at=now,
        finished_at=now,
        state=FAILED,
        reason=reason[:500],
        inputs_hash=None,
    )
    return queries.add_run(session, row)


def drawn_of(session: Session) -> Drawn:
    """Return the draw as columns.

    Raises:
        DesignIncomplete: nothing was drawn.
    """
    drawn = queries.drawn_households(session)
    if not drawn:
        raise DesignIncomplete("There is no draw: import frame, listing, draw and households.")
    return Drawn(
        key=np.array([key for key, _, _ in drawn], dtype=np.str_),
        psu=np.array([psu for _, psu, _ in drawn], dtype=np.str_),
        listing_class=np.array([listing_class for _, _, listing_class in drawn], dtype=np.int64),
    )


def _counts(session: Session, chosen: Chosen, derived: Derived, tables: DesignTables) -> Counts:
    disposition = derived.sample.households.disposition
    return Counts(
        drawn=disposition.size,
        received=disposition.size - derived.not_received,
        not_received=derived.not_received,
        respondents=int(np.isin(disposition, RESPONDENT).sum()),
        eligible_nonrespondents=int(np.isin(disposition, ELIGIBLE_NONRESPONDENT).sum()),
        not_eligible=int(np.isin(disposition, NOT_ELIGIBLE).sum()),
        provisional=chosen.provisional,
        held=chosen.held,
        after_cut_off=chosen.late,
        open_holds=queries.count_open_holds(session, mode=MODE),
        psus_drawn=tables.psus.psu.size,
        psus_lost=int((~tables.psus.is_worked).sum()),
        psus_open=queries.count_open_psus(session),
    )


def _response_rate(households: Households) -> float:
    """Return AAPOR's response rate 3, partial interviews counted as responses."""
    disposition = households.disposition
    rate = eligibility_rate(disposition, np.ones(disposition.size))
    respondents = int(np.isin(disposition, RESPONDENT).sum())
    others = int(np.isin(disposition, ELIGIBLE_NONRESPONDENT).sum())
    unknown = int(np.isin(disposition, UNKNOWN_ELIGIBILITY).sum())
    whole = respondents + others + rate * unknown
    return respondents / whole if whole else math.nan


def _fingerprint(tables: DesignTables, drawn: Drawn, rates: Any, versions: Sequence[VersionLink]) -> bytes:
    """Hash everything but interviews that a figure depends on; answers are read through the maps between versions."""
    digest = hashlib.sha256()
    for link in versions:
        digest.update(f"version:{link.hash.hex()};map:{hashlib.sha256(link.map_document or b'').hexdigest()};".encode())
    for table in (tables.psus, tables.listings, tables.totals, drawn):
        for field in fields(table):
            digest.update(f"{field.name}:{getattr(table, field.name).tolist()};".encode())
    digest.update(str(sorted((pair, str(rate.normalize())) for pair, rate in rates.items())).encode())
    return digest.digest()
