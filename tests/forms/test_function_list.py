"""Every function that the ODK XForms specification or Collect's engine has is there."""

import pytest

from forms.definition import FormDefinition
from forms.filling import fill
from forms.instance import canonical_leaves, parse_instance
from forms.validation import check
from forms.xpath.functions import FUNCTIONS, SELECTORS
from tests.forms.conftest import NOW
from tests.forms.small import ask, bind, form, probe
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


@pytest.mark.parametrize(
    ("path", "code", "label"),
    [("concat('/data/', 'q')", "1", "Yes"), ("'/data/q'", "1", "Yes"), ("../where", "1", "Yes"), ("'../q'", "2", "No")],
)
def test_the_question_of_a_label_may_be_named_by_an_expression(path: str, code: str, label: str) -> None:
    items = "".join(
        f"<item><label>{text}</label><value>{value}</value></item>" for value, text in (("1", "Yes"), ("2", "No"))
    )
    xform = form(
        instance="<q/><where>/data/q</where><l/>",
        binds=bind("/data/l", calculate=f"jr:choice-name(/data/q, {path})"),
        body=f'<select1 ref="/data/q"><label>?</label>{items}</select1>',
    )
    filled = fill(FormDefinition.parse(xform), {"q": code}, now=NOW, new_uuid=lambda: "x", device_id="")
    assert dict(canonical_leaves(parse_instance(filled.xml)))["/data/l"] == label


@pytest.mark.parametrize("text", ["/data/none", "1 +", "count(1)", "none"])
def test_a_label_of_a_question_that_does_not_exist_is_not_evaluated(text: str) -> None:
    xform = form(
        instance="<q/><where/><l/>",
        binds=bind("/data/l", calculate="jr:choice-name(/data/q, /data/where)"),
        body=ask("/data/q"),
    )
    instance = parse_instance(f'<data id="small"><q>1</q><where>{text}</where><l>x</l></data>'.encode())
    findings = check(FormDefinition.parse(xform), instance, now=NOW)
    assert [(finding.code, finding.path) for finding in findings] == [("not-evaluated", "/data/l")]
