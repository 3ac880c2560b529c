"""Analysis microdata for statisticians: answers with weights, strata and PSUs, without anything that identifies."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from sqlalchemy.orm import Session

from forms.columns import Column
from forms.evolution.upgrade import Upgrade
from server.db.queries import forms
from server.db.queries import statistics as queries
from server.db.scope import EVERYTHING, Scope
from server.errors import BadRequest, DesignIncomplete, EstimatesImpossible, NotFound
from server.export.delimited import Cell
from server.export.microdata_columns import FlatTable, flat_table, table_names
from server.microdata import Microdata, PartTable
from server.statistics.design import DesignError
from server.statistics.hh_remit import FORM_ID, STANDING, Drawn, Rates, choose, derive
from server.statistics.hh_remit.derive import COLUMNS
from server.statistics.sample import MODULE_D, RESPONDENT
from server.statistics.weights import Weighting, weigh

MODE: Final = "survey"

#: As a version: answers as they were collected.
COLLECTED: Final = "collected"

#: Microdata have no cut-off.
EVER: Final = datetime.max.replace(tzinfo=UTC)

#: Columns before the answers; ``stratum`` and ``psu`` are those of the design, as variances need them.
WEIGHT_COLUMNS: Final = (
    "stratum", "psu", "disposition", "base_weight", "psu_factor", "nonresponse_factor", "calibration_factor", "weight",
)  # fmt: skip


def open_table(
    session: Session,
    *,
    microdata: Microdata,
    table: str,
    as_of: str | None = None,
    scope: Scope = EVERYTHING,
) -> FlatTable:
    """Return one table of the current survey interviews, ready to be streamed.

    Interviews that do not weigh are not in it; non-respondents have weight 0. The weights are those of this moment,
    whatever version the answers are read as of.

    Args:
        session: to read the design from.
        microdata: the analysis store.
        table: ``household`` or the name of a repeat.
        as_of: the version whose columns and codes answers have; None for the newest, ``collected`` for each
            interview's own. An interview on a later version than the one named comes as collected.
        scope: what the reader sees: the form's project must be in it.

    Raises:
        NotFound: there is no interview yet, no such version, or the form is of another project.
        BadRequest: no such table.
        DesignIncomplete, EstimatesImpossible: no weights can be made.
        KeyStoreLocked: without the vault.
    """
    if not forms.is_visible(session, FORM_ID, scope):
        raise NotFound(f"the form {FORM_ID!r} is not in your projects.")
    versions = {link.version: link.hash for link in forms.chain(session, FORM_ID)}
    newest = list(versions.values())[-1] if versions else None
    wanted = _version(versions, newest, as_of)
    upgrades = microdata.upgrades(FORM_ID, wanted)
    parts = [
        (part, _columns(part, upgrades, microdata))
        for part in microdata.read("analysis", form_id=FORM_ID, mode=MODE, as_of=wanted)
    ]
    if not parts:
        raise NotFound("There is no survey interview yet.")
    names = table_names(columns for _, columns in parts)
    if table not in names:
        raise BadRequest(f"There is no table “{table}”; choose one of {', '.join(names)}.")
    weighed = [part for part, _ in parts]
    if wanted != newest:
        weighed = list(microdata.read("analysis", form_id=FORM_ID, mode=MODE, columns=COLUMNS, as_of=newest))
    weights = _weights(session, weighed)
    return flat_table(parts, table, beside=WEIGHT_COLUMNS, values_of=weights.get)


def _weights(session: Session, parts: Sequence[PartTable]) -> Mapping[str, Sequence[Cell]]:
    """Return the values of ``WEIGHT_COLUMNS`` by household key, of the interviews that weigh."""
    rows = [row for part in parts for row in part.table.select(_present(part.table.column_names)).to_pylist()]
    chosen = choose(rows, queries.first_received(session, mode=MODE), EVER)
    drawn = _drawn(session)
    try:
        derived = derive(chosen.answers, drawn, Rates(queries.exchange_rates(session)))
        households = derived.sample.households
        responds = np.isin(households.disposition, RESPONDENT) & (households.last_module >= MODULE_D)
        weighting = weigh(households, queries.design_tables(session), responds)
    except DesignError as error:
        problem = EstimatesImpossible if error.code == "too-small" else DesignIncomplete
        raise problem(f"{error}.") from error
    values = _values(drawn, households.disposition.tolist(), weighting)
    return {key: values[key] for key in chosen.answers if key in values}


def _version(versions: Mapping[str, bytes], newest: bytes | None, as_of: str | None) -> bytes | None:
    """Return the hash of the version that answers are read as of; None for as collected."""
    if as_of is None:
        return newest
    if as_of == COLLECTED:
        return None
    if as_of not in versions:
        raise NotFound(f"no version “{as_of}” of {FORM_ID} is published; “{COLLECTED}” gives answers as they came.")
    return versions[as_of]


def _columns(part: PartTable, upgrades: Mapping[bytes, Upgrade], microdata: Microdata) -> tuple[Column, ...]:
    upgrade = upgrades.get(part.form_version_hash)
    return (
        microdata.definition(part.form_version_hash).columns("analysis")
        if upgrade is None
        else upgrade.columns("analysis")
    )


def _present(names: Sequence[str]) -> list[str]:
    return [name for name in (*COLUMNS, *STANDING) if name in names]


def _drawn(session: Session) -> Drawn:
    drawn = queries.drawn_households(session)
    return Drawn(
        key=np.array([key for key, _, _ in drawn], dtype=np.str_),
        psu=np.array([psu for _, psu, _ in drawn], dtype=np.str_),
        listing_class=np.array([listing_class for _, _, listing_class in drawn], dtype=np.int64),
    )


def _values(drawn: Drawn, dispositions: Sequence[int], weighting: Weighting) -> dict[str, Sequence[Cell]]:
    columns = (
        weighting.stratum.tolist(),
        drawn.psu.tolist(),
        dispositions,
        weighting.base.tolist(),
        weighting.psu_factor.tolist(),
        weighting.nonresponse_factor.tolist(),
        weighting.calibration_factor.tolist(),
        weighting.final.tolist(),
    )
    return dict(zip(drawn.key.tolist(), zip(*columns, strict=True), strict=True))
