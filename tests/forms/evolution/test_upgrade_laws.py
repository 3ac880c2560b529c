"""The laws of upgrades, on random forms, random maps (sensible or not) and random rows."""

import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forms.columns import Column, Store
from forms.definition import FormDefinition
from forms.evolution.check import check_map
from forms.evolution.declared import CONVERTED, EMPTY_MAP, MigrationMap
from forms.evolution.difference import compare
from forms.evolution.upgrade import Upgraded, identity, upgrade_between
from forms.structure import Row
from tests.forms.evolution.made import forms, maps, rows

STORES: tuple[Store, Store] = ("analysis", "identifiers")
many = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Drawn = tuple[FormDefinition, FormDefinition, MigrationMap, Store, Row]


@st.composite
def upgrades(draw: st.DrawFn) -> Drawn:
    before, after = draw(forms()), draw(forms())
    store = draw(st.sampled_from(STORES))
    return before, after, draw(maps()), store, draw(rows(before.columns(store), before))


def fits(row: Row, columns: tuple[Column, ...]) -> bool:
    known = {column.name: column for column in columns}
    types: dict[str, type] = {"string": str, "integer": int, "decimal": Decimal}
    for name, value in row.items():
        if name not in known:
            return False
        column = known[name]
        if column.type == "repeat":
            if not all(fits(inner, column.children) for inner in value):
                return False
        elif value is not None and column.type in types and type(value) is not types[column.type]:
            return False
    return True


def answers(row: Row) -> Iterator[Any]:
    for value in row.values():
        if isinstance(value, list):
            for inner in value:
                yield from answers(inner)
        elif value is not None:
            yield value


@many
@given(upgrades())
def test_an_upgrade_is_total_and_its_rows_have_its_columns(drawn: Drawn) -> None:
    before, after, declared, store, row = drawn
    upgrade = upgrade_between(before, after, declared)
    columns = upgrade.columns(store)
    names = [column.name for column in columns]
    assert len(names) == len(set(names))
    assert names[: len(after.columns(store))] == [column.name for column in after.columns(store)]
    assert fits(upgrade.apply(row, store).row, columns)


@many
@given(upgrades())
def test_an_upgrade_never_changes_its_input_and_gives_the_same_twice(drawn: Drawn) -> None:
    before, after, declared, store, row = drawn
    upgrade = upgrade_between(before, after, declared)
    original = copy.deepcopy(row)
    first = upgrade.apply(row, store)
    assert row == original
    assert upgrade.apply(row, store) == first


@many
@given(upgrades(), st.data())
def test_two_steps_together_are_the_two_steps_one_after_the_other(drawn: Drawn, data: st.DataObject) -> None:
    before, middle, declared, store, row = drawn
    last, second_map = data.draw(forms()), data.draw(maps())
    first, second = upgrade_between(before, middle, declared), upgrade_between(middle, last, second_map)
    whole = first.then(second)
    halfway = first.apply(row, store)
    end = second.apply(halfway.row, store)
    at_once = whole.apply(row, store)
    # Names of kept columns may differ: only the chain knows all of them beforehand.
    assert _of_version(at_once.row, last.columns(store)) == _of_version(end.row, last.columns(store))
    assert sorted(map(repr, answers(at_once.row))) == sorted(map(repr, answers(end.row)))
    assert at_once.remarks == halfway.remarks + end.remarks
    assert fits(at_once.row, whole.columns(store))


def _of_version(row: Row, columns: tuple[Column, ...]) -> Row:
    found: Row = {}
    for column in columns:
        if column.name in row:
            value = row[column.name]
            is_repeat = column.type == "repeat"
            found[column.name] = [_of_version(inner, column.children) for inner in value] if is_repeat else value
    return found


@many
@given(upgrades(), st.data())
def test_how_steps_are_put_together_makes_no_difference(drawn: Drawn, data: st.DataObject) -> None:
    before, middle, declared, store, row = drawn
    third, fourth = data.draw(forms()), data.draw(forms())
    steps = (
        upgrade_between(before, middle, declared),
        upgrade_between(middle, third, data.draw(maps())),
        upgrade_between(third, fourth, data.draw(maps())),
    )
    left, right = steps[0].then(steps[1]).then(steps[2]), steps[0].then(steps[1].then(steps[2]))
    assert left.apply(row, store) == right.apply(row, store)
    assert left.columns(store) == right.columns(store)
    assert fits(left.apply(row, store).row, left.columns(store))


@many
@given(forms(), st.data())
def test_the_identity_changes_nothing_and_composes(definition: FormDefinition, data: st.DataObject) -> None:
    store = data.draw(st.sampled_from(STORES))
    row = data.draw(rows(definition.columns(store), definition))
    same = identity(definition)
    assert same.apply(row, store) == Upgraded(row, ())
    assert same.columns(store) == definition.columns(store)
    onward = upgrade_between(definition, definition, EMPTY_MAP)
    assert onward.apply(row, store) == Upgraded(row, ())
    assert onward.columns(store) == definition.columns(store)
    assert same.then(onward).then(same).apply(row, store).row == row


@many
@given(upgrades())
def test_no_answer_is_lost(drawn: Drawn) -> None:
    """Every answer is there afterwards, word for word or converted, or a remark says that it ends."""
    before, after, declared, store, row = drawn
    declared = MigrationMap(tuple(line for line in declared.rows if line.change != CONVERTED))
    result = upgrade_between(before, after, declared).apply(row, store)
    kept = [_plain(value) for value in answers(result.row)]
    recoded = {line.old for line in declared.rows} | {remark.choice for remark in result.remarks}
    ended = sum(remark.code in ("dropped", "reclassified") and not remark.choice for remark in result.remarks)
    lost = 0
    for value in answers(row):
        plain = _plain(value)
        if plain in kept:
            kept.remove(plain)
        elif not (isinstance(value, str) and set(value.split()) & recoded):
            lost += 1
    assert lost <= ended


def _plain(value: Any) -> str:
    return str(value.normalize() + 0) if isinstance(value, Decimal) else _number(str(value))


def _number(text: str) -> str:
    try:
        return str(Decimal(text.strip()).normalize() + 0)
    except ArithmeticError:
        return text


@many
@given(forms(), forms(), maps())
def test_comparing_and_checking_never_fail(
    before: FormDefinition, after: FormDefinition, declared: MigrationMap
) -> None:
    names = {place.name: ("MIG-01",) for place in before.questions.values()}
    difference = compare(before, after, declared, indicators=names)
    assert all(set(change.words) == {"en", "fr"} for change in difference.changes)
    for finding in check_map(before, after, declared):
        assert finding.message("fr")
        assert "{" not in finding.message("en").replace("${", "")


@many
@given(forms())
def test_a_version_does_not_differ_from_itself(definition: FormDefinition) -> None:
    assert compare(definition, definition).changes == ()
    assert check_map(definition, definition, EMPTY_MAP) == ()
