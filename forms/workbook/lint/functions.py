"""The functions of ODK XForms and how many arguments each takes.

https://getodk.github.io/xforms-spec/#xpath-functions, and what JavaRosa and Collect add; the numbers are those that
JavaRosa 5.1 takes. A function that the evaluator knows and this table does not takes any number.
"""

from typing import Final

from forms.xpath.functions import FUNCTIONS, SELECTORS

MANY: Final = 10_000
_NONE: Final = ("true", "false", "now", "today", "random", "pi", "current", "version", "last")
_ONE: Final = (
    "string",
    "upper-case",
    "lower-case",
    "count-selected",
    "base64-decode",
    "int",
    "number",
    "property",
    "exp10",
    "sum",
    "count",
    "count-non-empty",
    "not",
    "boolean",
    "boolean-from-string",
    "date",
    "date-time",
    "decimal-date-time",
    "decimal-time",
    "jr:itext",
    "instance",
    "abs",
    "ceiling",
    "floor",
    "exp",
    "log",
    "log10",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "once",
    "area",
    "enclosed-area",
)
_TWO: Final = (
    "substring-before",
    "substring-after",
    "contains",
    "starts-with",
    "ends-with",
    "regex",
    "selected",
    "is-selected",
    "selected-at",
    "pow",
    "atan2",
    "format-date",
    "format-date-time",
    "jr:choice-name",
    "geofence",
    "coalesce",
    "extract-signed",
)
_BETWEEN: Final = {
    "string-length": (0, 1),
    "normalize-space": (0, 1),
    "substr": (2, 3),
    "substring": (2, 3),
    "translate": (3, 3),
    "digest": (2, 3),
    "round": (1, 2),
    "if": (3, 3),
    "position": (0, 1),
    "uuid": (0, 1),
    "randomize": (1, 2),
    "pulldata": (4, MANY),
    "indexed-repeat": (3, 11),
    "join": (1, MANY),
    "depend": (1, MANY),
    "distance": (1, MANY),
    "checklist": (2, MANY),
    "weighted-checklist": (2, MANY),
}
_ANY: Final = ("concat", "max", "min", "intersects", "local-name", "name")
NOT_IN_COLLECT: Final = frozenset(
    {"ceiling", "floor", "last", "local-name", "lower-case", "name", "substring", "upper-case"}
)
"""Functions that other tools have and that the engine inside ODK Collect 5.1 refuses; found by trying each."""

ARGUMENTS: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys([*FUNCTIONS, *SELECTORS, *_ANY], (0, MANY)),
    **dict.fromkeys(_NONE, (0, 0)),
    **dict.fromkeys(_ONE, (1, 1)),
    **dict.fromkeys(_TWO, (2, 2)),
    **_BETWEEN,
}
