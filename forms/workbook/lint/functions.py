"""The functions of ODK XForms and how many arguments each takes.

https://getodk.github.io/xforms-spec/#xpath-functions, and what JavaRosa and Collect add. A function that the evaluator
knows and this table does not counts as known, with any number of arguments.
"""

from typing import Final

from forms.xpath.functions import FUNCTIONS, SELECTORS

MANY: Final = 10_000
_NONE: Final = ("true", "false", "now", "today", "random", "pi", "current")
_ONE: Final = (
    ("string", "string-length", "normalize-space", "upper-case", "lower-case", "count-selected", "base64-decode", "int")
    + ("exp10", "sum", "count", "count-non-empty", "not", "boolean", "boolean-from-string", "date", "date-time")
    + ("decimal-date-time", "decimal-time", "jr:itext", "instance", "abs", "ceiling", "floor", "exp", "log", "log10")
    + ("sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "local-name", "once")
)
_TWO: Final = (
    ("substring-before", "substring-after", "contains", "starts-with", "ends-with", "regex", "selected", "is-selected")
    + ("selected-at", "pow", "atan2", "format-date", "format-date-time", "jr:choice-name", "geofence")
)
_BETWEEN: Final = {
    "number": (0, 1),
    "substr": (2, 3),
    "substring": (2, 3),
    "translate": (3, 3),
    "digest": (2, 3),
    "round": (1, 2),
    "if": (3, 3),
    "position": (0, 1),
    "last": (0, 1),
    "uuid": (0, 1),
    "randomize": (1, 2),
    "pulldata": (4, MANY),
    "indexed-repeat": (3, MANY),
}
_ANY: Final = (
    ("concat", "join", "max", "min", "coalesce", "depend", "checklist", "weighted-checklist", "distance", "area")
    + ("version", "property", "search", "extract-signed", "intersects", "enclosed-area", "device-id", "id", "name", "lang")
    + ("namespace-uri",)
)
ARGUMENTS: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys([*FUNCTIONS, *SELECTORS, *_ANY], (0, MANY)),
    **dict.fromkeys(_NONE, (0, 0)),
    **dict.fromkeys(_ONE, (1, 1)),
    **dict.fromkeys(_TWO, (2, 2)),
    **_BETWEEN,
}
