"""Functions of XPath against simple models of them, and the parser against anything."""

import contextlib
import datetime
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms.definition import FormDefinition
from forms.program import program_of
from forms.tree import LiveTree
from forms.xpath.functions import geography, numbers, texts
from forms.xpath.functions.patterns import matches
from forms.xpath.syntax import Binary, Call, Literal, Negative, Path, XPathError, parse
from forms.xpath.values import (
    equals,
    fractional_days,
    from_days,
    java_double,
    moment,
    number_to_text,
    text_to_number,
    to_boolean,
    to_number,
    to_text,
)
from tests.forms.conftest import NOW
from tests.forms.small import form

PROGRAM = program_of(FormDefinition.parse(form(instance="<q/>")))
CODES = st.lists(st.text("abc123-_", min_size=1, max_size=4), max_size=6)
FIRST, LAST = (datetime.datetime.combine(datetime.date(year, 1, 1), datetime.time()) for year in (1900, 2200))
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(FINITE)
def test_a_double_as_java_writes_it_reads_back_the_same(number: float) -> None:
    written = java_double(number)
    assert float(written) == number
    assert re.fullmatch(r"-?\d\.\d+E-?\d+|-?\d+\.\d+", written)


def test_java_switches_to_exponents_where_it_does() -> None:
    pairs = {
        0.001: "0.001",
        0.0001: "1.0E-4",
        9999999.5: "9999999.5",
        1e7: "1.0E7",
        123456789.123: "1.23456789123E8",
        -0.0: "-0.0",
    }
    assert {number: java_double(number) for number in pairs} == pairs


@given(st.integers(-(2**31), 2**31 - 1))
def test_integers_are_texts_without_a_point_and_back(number: int) -> None:
    assert number_to_text(float(number)) == str(number)
    assert text_to_number(str(number)) == number


@given(TEXT)
def test_a_text_is_a_number_only_if_it_is_written_plainly(text: str) -> None:
    number = text_to_number(text)
    assert math.isnan(number) or re.fullmatch(r"-?[0-9.]+", text.strip())


@given(TEXT, st.integers(-30, 30), st.integers(-30, 30))
def test_substr_is_a_slice(text: str, start: int, end: int) -> None:
    assert texts.substr(text, float(start), float(end)) == text[start:end]
    assert texts.substr(text, float(start)) == text[start:]


@given(TEXT, st.integers(-5, 30), st.integers(-5, 30))
def test_substring_keeps_the_places_that_the_specification_names(text: str, start: int, length: int) -> None:
    kept = "".join(letter for place, letter in enumerate(text, 1) if start <= place < start + length)
    assert texts.substring(text, float(start), float(length)) == kept


@given(CODES)
def test_a_multiple_answer_is_a_list_of_codes(codes: list[str]) -> None:
    answer = " ".join(codes)
    assert [code for code in ["a", "b", "zz", *codes] if texts.selected(answer, code)] == [
        code for code in ["a", "b", "zz", *codes] if code in codes
    ]
    assert [texts.selected_at(answer, float(place)) for place in range(len(codes) + 1)] == [*codes, ""]


@given(st.lists(FINITE, min_size=1, max_size=8))
def test_totals_and_extremes_are_those_of_python(values: list[float]) -> None:
    running = 0.0
    for value in values:
        running += value
    assert numbers.total(list(values)) == running or math.isnan(running)
    assert numbers.extreme(max)(["", *values]) == max(values)
    assert numbers.extreme(min)([*values, "x"]) == min(values)
    assert math.isnan(numbers.extreme(min)(["", "x"]))


@given(st.integers(-(10**9), 10**9), st.integers(0, 4))
def test_rounding_goes_half_up_and_stays_within_half_a_unit(hundredths: int, places: int) -> None:
    number = hundredths / 100
    rounded = numbers.round_to(number, float(places))
    assert abs(rounded - number) <= 0.5 * 10**-places + 1e-9
    assert places < 2 or rounded == number
    if places == 0 and hundredths % 100 == 50:
        assert rounded == math.floor(number) + 1


@given(TEXT, st.text("abc", max_size=5), st.text("xyz", max_size=5))
def test_translate_replaces_letter_by_letter(text: str, old: str, new: str) -> None:
    def one(letter: str) -> str:
        place = old.find(letter)
        return letter if place < 0 else new[place : place + 1]

    assert texts.translate(text, old, new) == "".join(one(letter) for letter in text)


@given(TEXT, TEXT)
def test_a_pattern_matches_a_whole_text_or_nothing(text: str, other: str) -> None:
    tree = LiveTree(PROGRAM, now=NOW, new_uuid=str, properties={})
    assert matches(tree, text, re.escape(text))
    assert matches(tree, other, re.escape(text)) == (other == text)
    assert not matches(tree, text, "(")


@given(st.dates(datetime.date(1600, 1, 1), datetime.date(2400, 1, 1)))
def test_days_and_dates_are_the_same_thing(day: datetime.date) -> None:
    at = moment(day.isoformat(), datetime.UTC)
    assert at is not None
    assert (fractional_days(at), from_days(to_number(at)), to_text(at)) == (float(to_number(at)), at, day.isoformat())


@given(st.datetimes(min_value=FIRST, max_value=LAST), st.integers(-12, 14))
def test_a_time_with_an_offset_is_one_moment_in_every_zone(at: datetime.datetime, hours: int) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=hours))
    written = at.replace(tzinfo=zone).isoformat(timespec="microseconds")
    assert moment(written, zone) == at
    in_utc = moment(written, datetime.UTC)
    assert in_utc == at - datetime.timedelta(hours=hours)


@pytest.mark.parametrize(
    "text", ["2026-13-01", "2026-02-30", "2026-1", "x", "2026-01-01T25:00", "2026-01-01T10:00+99:00", "0000-01-01"]
)
def test_what_is_no_date_is_no_moment(text: str) -> None:
    assert moment(text, datetime.UTC) is None


@given(st.one_of(TEXT, FINITE, st.booleans()), st.one_of(TEXT, FINITE, st.booleans()))
def test_equality_is_symmetric_and_reflexive(left: str | float | bool, right: str | float | bool) -> None:
    assert equals(left, right) == equals(right, left)
    assert equals(left, left)
    assert to_boolean(equals(left, right)) in (True, False)


@given(st.lists(st.tuples(st.floats(-60, 60), st.floats(-170, 170)), min_size=2, max_size=6))
def test_a_way_back_is_as_long_as_the_way_there(line: list[tuple[float, float]]) -> None:
    there = [f"{latitude} {longitude} 0 0" for latitude, longitude in line]
    length = geography.distance([*there])
    assert length >= 0
    assert math.isclose(geography.distance([*reversed(there)]), length, abs_tol=1e-3)
    assert math.isclose(geography.distance([";".join(there)]), length)


def test_a_square_kilometre_is_one() -> None:
    degrees = 1000 / 111_318.845
    line = [(0.0, 0.0), (0.0, degrees), (degrees, degrees), (degrees, 0.0), (0.0, 0.0)]
    assert math.isclose(geography.area([";".join(f"{y} {x}" for y, x in line)]), 1e6, rel_tol=1e-4)


EXPRESSIONS = st.recursive(
    st.one_of(
        st.integers(0, 99).map(lambda number: Literal(float(number))),
        st.text("ab c", max_size=4).map(Literal),
        st.sampled_from(["a", "../b", "/data/c", ".", "r[1]/q", "//x", "@y"]).map(parse),
    ),
    lambda inner: st.one_of(
        st.builds(
            Binary, st.sampled_from(["+", "-", "*", "div", "mod", "=", "!=", "<", ">=", "and", "or"]), inner, inner
        ),
        st.builds(Negative, inner),
        st.lists(inner, max_size=3).map(lambda arguments: Call("concat", tuple(arguments), 0)),
    ),
    max_leaves=12,
)


def written(tree: object) -> str:
    if isinstance(tree, Literal):
        return f"'{tree.value}'" if isinstance(tree.value, str) else str(int(tree.value))
    if isinstance(tree, Binary):
        return f"({written(tree.left)} {tree.operator} {written(tree.right)})"
    if isinstance(tree, Negative):
        return f"-({written(tree.operand)})"
    if isinstance(tree, Call):
        return f"{tree.name}({', '.join(written(argument) for argument in tree.arguments)})"
    assert isinstance(tree, Path)
    return PATHS[tree]


PATHS = {parse(text): text for text in ["a", "../b", "/data/c", ".", "r[1]/q", "//x", "@y"]}


def shape(tree: object) -> object:
    """Return a tree without the places of its calls."""
    if isinstance(tree, Binary):
        return (tree.operator, shape(tree.left), shape(tree.right))
    if isinstance(tree, Negative):
        return ("negative", shape(tree.operand))
    return (tree.name, [shape(argument) for argument in tree.arguments]) if isinstance(tree, Call) else tree


@given(EXPRESSIONS)
def test_an_expression_written_out_parses_to_itself(tree: object) -> None:
    assert shape(parse(written(tree))) == shape(tree)


def test_operators_bind_as_xpath_says() -> None:
    assert shape(parse("1 + 2 * 3 = 7 and not(0) or -a < b")) == shape(
        parse("(((1 + (2 * 3)) = 7) and not(0)) or ((-(a)) < b)")
    )
    assert shape(parse("8 - 4 - 2")) == shape(parse("(8 - 4) - 2"))
    assert parse("div div mod") == Binary("div", parse("div"), parse("mod"))
    assert parse("a-b") == parse(" a-b ")


@given(st.text("ab1.'\"()[]/+-*=<>@, :|!", max_size=25))
def test_no_text_gives_anything_but_a_tree_or_a_refusal(text: str) -> None:
    with contextlib.suppress(XPathError):
        assert parse(text) is not None


@pytest.mark.parametrize(
    "text", ["(" * 5000, "a[" * 5000, "-" * 5000 + "1" + "+1" * 5000, "f(" * 300 + ")" * 300, "a" * 40_000]
)
def test_an_expression_without_end_is_refused_with_a_place(text: str) -> None:
    with pytest.raises(XPathError) as refusal:
        parse(text)
    assert refusal.value.code == "syntax"
