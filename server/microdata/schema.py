"""The Arrow schema of a store's columns, and values that fit it."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

import pyarrow as pa

from forms.definition import Column

DECIMAL: Final = pa.decimal128(38, 9)
"""Money and measures: 29 digits before the point, 9 behind."""
EMPTY: Final = "_"
"""Parquet has no table without columns; a store that a form leaves empty has this one."""
_QUANTUM: Final = Decimal("1e-9")
_CONTEXT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_DECIMAL_LIMIT: Final = Decimal(10) ** 29
_INTEGER_LIMIT: Final = 2**63
_TYPES: Final[Mapping[str, pa.DataType]] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "decimal": DECIMAL,
    "date": pa.date32(),
}


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of a store's columns; repeats are lists of structs."""
    fields = [_field(column) for column in columns]
    return pa.schema(fields or [pa.field(EMPTY, pa.null())])


def _field(column: Column) -> pa.Field:
    if column.type == "repeat":
        return pa.field(column.name, pa.list_(pa.struct([_field(child) for child in column.children])))
    return pa.field(column.name, _TYPES[column.type])


def table_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> pa.Table:
    """Return rows as a table of a store; what has no place in its column is null (the envelope keeps it).

    Raises:
        pa.ArrowException, ValueError, OverflowError: when a row cannot be stored even so.
    """
    schema = schema_of(columns)
    struct = pa.struct(list(schema))
    try:
        packed = pa.array(rows, type=struct)
    except (pa.ArrowException, ValueError, OverflowError):  # a number that needs rounding, or is out of reach
        packed = pa.array([fitted(row, columns) for row in rows], type=struct)
    return pa.Table.from_struct_array(packed)


def fitted(row: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    """Put decimals on the scale of the store; a number beyond it has no place here (the envelope keeps it)."""
    fitting: dict[str, Any] = dict(row)
    for column in columns:
        value = row.get(column.name)
        if value is None:
            continue
        if column.type == "decimal":
            fits = abs(value) < _DECIMAL_LIMIT
            fitting[column.name] = value.quantize(_QUANTUM, context=_CONTEXT) if fits else None
        elif column.type == "integer":
            fitting[column.name] = value if -_INTEGER_LIMIT <= value < _INTEGER_LIMIT else None
        elif column.type == "repeat":
            fitting[column.name] = [fitted(inner, column.children) for inner in value]
    return fitting
