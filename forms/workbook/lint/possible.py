"""What can never be: conditions without any answer that makes them true.

An expression becomes alternatives of conditions on single answers (disjunctive normal form); what is not understood
counts as possible, so that nothing is called impossible that is not. A number or a date is a set of intervals, a select
the set of its codes; the empty answer is a value of its own.
"""

import datetime
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint import vocabulary as words
from forms.workbook.lint.expressions import as_number, item_of
from forms.workbook.lint.form import Form, Item
from forms.workbook.lint.formulas import Formula, constant
from forms.xpath.syntax import Binary, Call, Expression

MAX_ALTERNATIVES: Final = 256
_SWAPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}

Interval = tuple[float, bool, float, bool]
"""Low, whether it belongs, high, whether it belongs."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A set of numbers, and whether the empty answer is in it."""

    intervals: tuple[Interval, ...]
    blank: bool

    def meets(self, other: "Numbers", *, whole: bool) -> "Numbers":
        """Return what both have; of whole numbers only intervals that hold one stay."""
        both = [
            cut
            for one in self.intervals
            for two in other.intervals
            if (cut := _cut(one, two)) is not None and (not whole or _holds_whole(cut))
        ]
        return Numbers(tuple(both), self.blank and other.blank)

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is in it."""
        return not self.intervals and not self.blank


Codes = frozenset[str]
Domain = Numbers | Codes
Alternative = dict[int, Domain]
"""The set of each answer, by the number of its question; an answer that is not there is free."""

ALL: Final = Numbers(((-math.inf, True, math.inf, True),), blank=True)


def _cut(one: Interval, two: Interval) -> Interval | None:
    low, has_low = max((one[0], not one[1]), (two[0], not two[1]))
    high, lacks_high = min((one[2], one[3]), (two[2], two[3]))
    cut = (low, not has_low, high, lacks_high)
    is_point = low == high and cut[1] and cut[3]
    return cut if low < high or is_point else None


def _holds_whole(cut: Interval) -> bool:
    low, has_low, high, has_high = cut
    if math.isinf(low) or math.isinf(high):
        return True
    first = math.ceil(low) if has_low or math.ceil(low) != low else int(low) + 1
    last = math.floor(high) if has_high or math.floor(high) != high else int(high) - 1
    return first <= last


class Reasoner:
    """Turns the expressions of one form into alternatives."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.number_of = {id(item): number for number, item in enumerate(form.items)}

    def alternatives(self, tree: Expression, own: Item, *, negated: bool = False) -> list[Alternative] | None:
        """Return every way in which an expression can be true; None where there are too many.

        ``[]`` means that there is none; ``[{}]`` that anything may do.
        """
        if isinstance(tree, Binary) and tree.operator in ("and", "or"):
            left = self.alternatives(tree.left, own, negated=negated)
            right = self.alternatives(tree.right, own, negated=negated)
            if (tree.operator == "or") != negated:
                return None if left is None or right is None else self.limited([*left, *right])
            return self.both(left, right)
        if isinstance(tree, Call) and tree.name == "not" and len(tree.arguments) == 1:
            return self.alternatives(tree.arguments[0], own, negated=not negated)
        if isinstance(tree, Call) and tree.name in ("true", "false") and not tree.arguments:
            return [{}] if (tree.name == "true") != negated else []
        return self._atom(tree, own, negated=negated)

    @staticmethod
    def limited(found: list[Alternative]) -> list[Alternative] | None:
        """Give up where there are too many alternatives."""
        return found if len(found) <= MAX_ALTERNATIVES else None

    def both(self, left: list[Alternative] | None, right: list[Alternative] | None) -> list[Alternative] | None:
        """Return the ways in which two conditions are true together."""
        if left is None or right is None:
            known = left if right is None else right
            return [] if known == [] else None
        if len(left) * len(right) > MAX_ALTERNATIVES:
            return None
        merged = (self._merge(one, two) for one in left for two in right)
        return [alternative for alternative in merged if alternative is not None]

    def _merge(self, one: Alternative, two: Alternative) -> Alternative | None:
        result = dict(one)
        for number, domain in two.items():
            before = result.get(number)
            if before is None:
                result[number] = domain
            elif isinstance(before, Numbers) and isinstance(domain, Numbers):
                is_whole = self.form.items[number].type in words.WHOLE_NUMBERS | words.DATES
                result[number] = met = before.meets(domain, whole=is_whole)
                if met.is_empty:
                    return None
            elif isinstance(before, frozenset) and isinstance(domain, frozenset):
                result[number] = common = before & domain
                if not common:
                    return None
        return result

    def _atom(self, tree: Expression, own: Item, *, negated: bool) -> list[Alternative]:
        compared = self._comparison(tree, own)
        if compared is None:
            return [{}]
        item, sign, value = compared
        codes = self.form.codes_of(item)
        domain: Domain | None = None
        if codes is not None and item.type == "select_one" and not item.row.get("calculation"):
            wanted = codes | {""}
            domain = frozenset(code for code in wanted if _is_true(code, sign, value) != negated)
            if not domain:
                return []
        elif item.type in words.NUMBERS | words.DATES and not item.row.get("calculation"):
            domain = _numbers(item, sign, value, negated=negated)
        return [{}] if domain is None else [{self.number_of[id(item)]: domain}]

    def _comparison(self, tree: Expression, own: Item) -> tuple[Item, str, str | float] | None:
        if isinstance(tree, Call) and tree.name in ("selected", "is-selected") and len(tree.arguments) == 2:
            item, value = item_of(self.form, own, tree.arguments[0]), constant(tree.arguments[1])
            if item is not None and isinstance(value, str) and value and item.type == "select_one":
                return item, "=", value
            return None
        if not isinstance(tree, Binary) or tree.operator not in _COMPARE:
            return None
        for left, right, sign in (
            (tree.left, tree.right, tree.operator),
            (tree.right, tree.left, _SWAPPED[tree.operator]),
        ):
            item, value = item_of(self.form, own, left), _value(right)
            if item is not None and value is not None and self._is_one_answer(own, item):
                return item, sign, value
        return None

    def _is_one_answer(self, own: Item, item: Item) -> bool:
        """Say whether a reference means the one answer of its question, not one of many rows."""
        around = {id(one) for one in own.ancestors} | {id(own)}
        return all(id(repeat) in around for repeat in item.repeats)


def _value(tree: Expression) -> str | float | None:
    found = constant(tree)
    if found is not None:
        return found
    if isinstance(tree, Call) and tree.name == "date" and len(tree.arguments) == 1:
        text = constant(tree.arguments[0])
        try:
            return f"date:{datetime.date.fromisoformat(str(text)).toordinal()}"
        except ValueError:
            return None
    return None


def _is_true(code: str, sign: str, value: str | float) -> bool:
    if sign in ("=", "!=") and isinstance(value, str):
        return (code == value) == (sign == "=")
    left, right = as_number(code), as_number(str(value))
    if left is None or right is None:
        return sign == "!="
    return _COMPARE[sign](left, right)


def _numbers(item: Item, sign: str, value: str | float, *, negated: bool) -> Numbers | None:
    if value == "" and sign in ("=", "!="):
        is_blank = (sign == "=") != negated
        return Numbers((), blank=True) if is_blank else Numbers(ALL.intervals, blank=False)
    limit = _limit(item, value)
    if limit is None or math.isnan(limit):
        return None
    intervals: Mapping[str, tuple[Interval, ...]] = {
        "<": ((-math.inf, True, limit, False),),
        "<=": ((-math.inf, True, limit, True),),
        ">": ((limit, False, math.inf, True),),
        ">=": ((limit, True, math.inf, True),),
        "=": ((limit, True, limit, True),),
        "!=": ((-math.inf, True, limit, False), (limit, False, math.inf, True)),
    }
    opposite = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}
    is_blank_true = (sign == "!=") != negated
    return Numbers(intervals[opposite[sign] if negated else sign], blank=is_blank_true)


def _limit(item: Item, value: str | float) -> float | None:
    is_date = isinstance(value, str) and value.startswith("date:")
    if item.type in words.DATES:
        return float(str(value)[5:]) if is_date else None
    return None if is_date else as_number(str(value))


def impossible_constraints(form: Form, formulas: tuple[Formula, ...]) -> Iterator[WorkbookFinding]:
    """Find constraints that no answer satisfies."""
    reasoner = Reasoner(form)
    for formula in formulas:
        if formula.column != "constraint" or formula.tree is None:
            continue
        ways = reasoner.alternatives(formula.tree, formula.item)
        own = reasoner.number_of[id(formula.item)]
        # A constraint is not asked of an empty answer.
        if ways is not None and not any(_is_answered(way.get(own)) for way in ways):
            yield form.survey.find(
                "constraint-never-holds", formula.item.row.number, "constraint", name=formula.item.name
            )


def _is_answered(domain: Domain | None) -> bool:
    if domain is None:
        return True
    return bool(domain.intervals) if isinstance(domain, Numbers) else domain != frozenset({""})


def never_asked(form: Form, formulas: tuple[Formula, ...]) -> Iterator[WorkbookFinding]:
    """Find relevances that can never be true, by themselves or within the groups around them."""
    reasoner = Reasoner(form)
    trees = {id(one.item): one.tree for one in formulas if one.column == "relevant" and one.tree is not None}
    ways: dict[int, list[Alternative] | None] = {}
    lost: set[int] = set()
    for item in form.items:
        around = ways.get(id(item.parent), [{}]) if item.parent else [{}]
        tree = trees.get(id(item))
        here = around
        if tree is not None and id(item.parent) not in lost:
            alone = reasoner.alternatives(tree, item)
            joined = reasoner.both(around, alone)
            here = alone if joined is None else joined
            if here == [] and _is_meant_to_be_asked(item, alone):
                inside = f" (+{_count(item)})" if item.is_container else ""
                yield form.survey.find("never-asked", item.row.number, "relevant", name=item.name, inside=inside)
        if here == [] or (item.parent is not None and id(item.parent) in lost):
            lost.add(id(item))
        ways[id(item)] = here


def _is_meant_to_be_asked(item: Item, alone: list[Alternative] | None) -> bool:
    """Leave out ``false()``: a usual way to switch a question off on purpose."""
    return not (alone == [] and item.row.get("relevant").replace(" ", "") in ("false()", "0"))


def _count(item: Item) -> int:
    found, waiting = 0, list(item.children)
    while waiting:
        found += 1
        waiting.extend(waiting.pop().children)
    return found


RULES: Final = (impossible_constraints, never_asked)
