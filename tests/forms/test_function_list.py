"""Every function that the ODK XForms specification or Collect's engine has is there."""

import pytest

from forms.xpath.functions import FUNCTIONS, SELECTORS
from tests.forms.small import probe
from tests.forms.test_expressions import filled_leaves

SPECIFIED = (
    "abs", "acos", "area", "asin", "atan", "atan2", "base64-decode", "boolean", "boolean-from-string", "checklist",
    "coalesce", "concat", "contains", "cos", "count", "count-non-empty", "count-selected", "current", "date",
    "decimal-date-time", "decimal-time", "digest", "distance", "ends-with", "exp", "exp10", "false", "format-date",
    "format-date-time", "if", "indexed-repeat", "instance", "int", "join", "jr:choice-name", "jr:itext", "log",
    "log10", "max", "min", "normalize-space", "not", "now", "number", "once", "pi", "position", "pow", "pulldata",
    "random", "randomize", "regex", "round", "selected", "selected-at", "sin", "sqrt", "starts-with", "string",
    "string-length", "substr", "substring-after", "substring-before", "sum", "tan", "today", "translate", "true",
    "uuid", "weighted-checklist",
)  # fmt: skip
OF_THE_ENGINE = (
    "date-time", "depend", "enclosed-area", "extract-signed", "geofence", "is-selected", "property", "version",
)  # fmt: skip
SQUARE = "0 0 0 0; 0 10 0 0; 10 10 0 0; 10 0 0 0; 0 0 0 0"


@pytest.mark.parametrize("name", [*SPECIFIED, *OF_THE_ENGINE])
def test_the_function_is_there(name: str) -> None:
    assert name in FUNCTIONS or name in SELECTORS


def test_functions_of_places_and_of_the_device_give_what_collect_gives() -> None:
    cases = {
        f"geofence('5 5 0 0', '{SQUARE}')": "1",
        f"geofence('15 5 0 0', '{SQUARE}')": "0",
        f"geofence('', '{SQUARE}')": "0",
        "geofence('5 5', 'nowhere')": "0",
        f"enclosed-area('{SQUARE}') = area('{SQUARE}')": "1",
        "property('nothing')": "",
        "base64-decode('YWJj!')": "abc",
        "base64-decode('YWI')": "",
        "base64-decode('/w==')": "\N{REPLACEMENT CHARACTER}",
        "is-selected('a b', 'b')": "1",
        "jr:itext('none')": "[itext:none]",
        "extract-signed('x', 'y')": "",
        "pulldata('none', 'a', 'b', 'c')": "",
        "regex('été', '\\p{L}+')": "1",
        "regex('x', '(')": "0",
    }
    leaves = filled_leaves(probe(expressions=list(cases)))
    assert {expression: leaves[f"/data/x{place}"] for place, expression in enumerate(cases)} == cases
