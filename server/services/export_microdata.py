"""Analysis microdata for statisticians: answers with weights, strata and PSUs, without anything that identifies."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from server.db.queries import statistics as queries
from server.errors import BadRequest, DesignIncomplete, EstimatesImpossible, NotFound
from server.export.delimited import Cell
from server.export.microdata_columns import FlatTable, flat_table, table_names
from server.microdata import Microdata
from server.statistics.design import DesignError
from server.statistics.hh_remit import FORM_ID, STANDING, Drawn, Rates, choose, derive
from server.statistics.hh_remit.derive import COLUMNS
from server.statistics.sample import MODULE_D, RESPONDENT
from server.statistics.weights import Weighting, weigh

MODE: Final = "survey"

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
    definition_of: Callable[[bytes], FormDefinition | None],
    table: str,
) -> FlatTable:
    """Return one table of the current survey interviews, ready to be streamed.

    Interviews that do not weigh are not in it; non-respondents have weight 0. The weights are those of this moment.

    Args:
        session: to read the design from.
        microdata: the analysis store.
        definition_of: gives the definition of a form version.
        table: ``household`` or the name of a repeat.

    Raises:
        NotFound: there is no interview yet.
        BadRequest: no such table.
        DesignIncomplete, EstimatesImpossible: no weights can be made.
        KeyStoreLocked: without the vault.
    """
    parts = [
        (part, definition)
        for part in microdata.read("analysis", form_id=FORM_ID, mode=MODE)
        if (definition := definition_of(part.form_version_hash)) is not None
    ]
    if not parts:
        raise NotFound("There is no survey interview yet.")
    names = table_names(definition for _, definition in parts)
    if table not in names:
        raise BadRequest(f"There is no table “{table}”; choose one of {', '.join(names)}.")
    rows = [row for part, _ in parts for row in part.table.select(_present(part.table.column_names)).to_pylist()]
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
    wanted = {key: values[key] for key in chosen.answers if key in values}
    return flat_table(parts, table, beside=WEIGHT_COLUMNS, values_of=wanted.get)


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
