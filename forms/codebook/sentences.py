"""Conditions, constraints and calculations of a form said in words, for people who do not read XPath.

``/data/a/a_replacement = '1'`` becomes *a_replacement (Is this an authorised replacement household?) = 1 Yes*. A part
that cannot be said is quoted as XPath, so that a sentence never claims more than it knows. Pure and total: any
expression, parsable or not, gives a sentence.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from forms.codebook.languages import Language
from forms.codebook.naming import Names, prefixes
from forms.codebook.wording import WORDINGS, Wording, filled
from forms.codebook.written import absolute_path, is_too_deep, number, operands, written
from forms.definition import FormDefinition
from forms.xpath.syntax import Binary, Call, Expression, Literal, Negative, Path, Step, XPathError, parse

_SYMBOLS: Final = {"=": "=", "!=": "≠", "<": "<", "<=": "≤", ">": ">", ">=": "≥"}
_TURNED: Final = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ARITHMETIC: Final = {"+": "+", "-": "−", "*": "×", "div": "÷", "mod": "mod"}
_TIGHTNESS: Final = {"+": 1, "-": 1, "*": 2, "div": 2, "mod": 2}
_EMPTINESS: Final[Mapping[tuple[str, float], bool]] = {
    ("=", 0): False,
    ("<", 1): False,
    ("<=", 0): False,
    (">", 0): True,
    ("!=", 0): True,
    (">=", 1): True,
}
"""Comparisons of a length or a number of choices that ask whether there is an answer."""


class _UnsayableError(Exception):
    """No words for this part."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says the expressions of one form in one language."""

    names: Names
    wording: Wording

    @classmethod
    def of(cls, definition: FormDefinition, language: Language) -> "Speaker":
        """Make a speaker."""
        return cls(Names.of(definition, language), WORDINGS[language])

    def condition(self, expression: str, *, at: str) -> str:
        """Say a condition or constraint that stands at a node; empty where there is none."""
        return self.conditions([(at, expression)])

    def conditions(self, expressions: Iterable[tuple[str, str]]) -> str:
        """Say conditions that must all hold, each with the path it stands at; equal ones once."""
        written_ones = [(at, expression.strip()) for at, expression in expressions if expression.strip()]
        mentioned: set[str] = set()
        said: dict[str, str] = {}
        for at, expression in written_ones:
            sentence = _Sentence(self.names, self.wording, at, mentioned)
            said.setdefault(expression, sentence.whole(expression, is_one_of_many=len(written_ones) > 1))
        return f" {self.wording.both} ".join(dict.fromkeys(said.values()))

    def calculation(self, expression: str, *, at: str) -> str:
        """Say a calculation; empty where there is none."""
        text = expression.strip()
        return _Sentence(self.names, self.wording, at, set()).value_of(text) if text else ""

    def universe(self, path: str) -> str:
        """Say for whom a question is asked: the conditions of everything around it, and its own."""
        definition = self.names.definition
        around = [place for place in prefixes(path) if place in definition.binds]
        said = self.conditions((place, definition.binds[place].relevant) for place in around)
        repeat = max((place for place in prefixes(path)[:-1] if place in definition.repeats), key=len, default="")
        who = filled(self.wording.every_row, self._name(repeat)) if repeat else self.wording.every_interview
        return f"{who}, {filled(self.wording.condition, said)}" if said else who

    def required(self, path: str) -> str:
        """Say whether an answer is required."""
        expression = self.names.definition.binds[path].required if path in self.names.definition.binds else ""
        said = self.condition(expression, at=path)
        if said in ("", self.wording.never):
            return self.wording.no
        return self.wording.yes if said == self.wording.always else filled(self.wording.condition, said)

    def _name(self, path: str) -> str:
        label = self.names.label(path)
        name = self.names.columns.get(path, path.rpartition("/")[2])
        return f"{name} ({label})" if label else name


class _Sentence:
    """One sentence: what it stands at, and which questions it has named already (a label is said once)."""

    def __init__(self, names: Names, wording: Wording, at: str, mentioned: set[str]) -> None:
        self.names, self.wording, self.at, self.mentioned = names, wording, at, mentioned

    def whole(self, expression: str, *, is_one_of_many: bool) -> str:
        tree = _parsed(expression)
        if tree is None:
            return filled(self.wording.quoted, expression)
        said = self._condition(tree)
        return f"({said})" if is_one_of_many and isinstance(tree, Binary) and tree.operator == "or" else said

    def value_of(self, expression: str) -> str:
        tree = _parsed(expression)
        if tree is None:
            return filled(self.wording.quoted, expression)
        try:
            return self._value(tree)
        except _UnsayableError:
            said = self._condition(tree)
            return (
                filled(self.wording.quoted, expression) if said == filled(self.wording.quoted, written(tree)) else said
            )

    def _condition(self, tree: Expression) -> str:
        if isinstance(tree, Binary) and tree.operator in ("and", "or"):
            word = self.wording.both if tree.operator == "and" else self.wording.either
            parts = operands(tree, tree.operator)
            return f" {word} ".join(self._joined(parts, tree.operator))
        try:
            return self._clause(tree)
        except _UnsayableError:
            return filled(self.wording.quoted, written(tree))

    def _joined(self, parts: list[Expression], operator: str) -> Iterable[str]:
        place = 0
        while place < len(parts):
            between = self._between(parts[place : place + 2]) if operator == "and" else None
            if between is not None:
                yield between
                place += 2
                continue
            said = self._condition(parts[place])
            is_other = isinstance(parts[place], Binary) and parts[place].operator in ("and", "or")  # type: ignore[union-attr]
            yield f"({said})" if is_other else said
            place += 1

    def _between(self, pair: list[Expression]) -> str | None:
        """Say ``x >= 1 and x <= 6`` as one range, and name ``x`` once in ``x > 0 and x <= 6``."""
        match pair:
            case [
                Binary(">=" | ">" as above, one, Literal(float(low))),
                Binary("<=" | "<" as below, other, Literal(float(high))),
            ] if one == other:
                try:
                    said = self._value(one)
                except _UnsayableError:
                    return None
                if (above, below) == (">=", "<="):
                    return filled(self.wording.within, said, number(low), number(high))
                ends = f"{_SYMBOLS[above]} {number(low)} {self.wording.both} {_SYMBOLS[below]} {number(high)}"
                return f"{said} {ends}"
        return None

    def _clause(self, tree: Expression) -> str:
        match tree:
            case Binary(operator=operator) if operator in _SYMBOLS:
                return self._comparison(operator, tree.left, tree.right)
            case Call(name="true", arguments=()):
                return self.wording.always
            case Call(name="false", arguments=()):
                return self.wording.never
            case Call(name="not", arguments=(Call(name="selected", arguments=(question, code)),)):
                return self._selected(question, code, self.wording.lacks)
            case Call(name="not", arguments=(inner,)):
                return filled(self.wording.negation, self._condition(inner))
            case Call(name="selected", arguments=(question, code)):
                return self._selected(question, code, self.wording.contains)
            case Call(name="if", arguments=(condition, then, otherwise)):
                branches = (f"({self._condition(branch)})" for branch in (then, otherwise))
                return filled(self.wording.choose, self._condition(condition), *branches)
            case Call(name="boolean" | "boolean-from-string", arguments=(inner,)) if not isinstance(inner, Path):
                return self._clause(inner)
            case Call(name=name, arguments=arguments) if f"{name}/{len(arguments)}" in self.wording.truths:
                return filled(self.wording.truths[f"{name}/{len(arguments)}"], *map(self._value, arguments))
        raise _UnsayableError

    def _comparison(self, operator: str, left: Expression, right: Expression) -> str:
        if isinstance(left, Literal) and not isinstance(right, Literal):
            operator, left, right = _TURNED[operator], right, left
        emptiness = self._emptiness(operator, left, right)
        if emptiness is not None:
            return emptiness
        path = self._path_of(left)
        if path is not None and isinstance(right, Literal):
            return f"{self._value(left)} {_SYMBOLS[operator]} {self._code(path, right)}"
        return f"{self._value(left)} {_SYMBOLS[operator]} {self._value(right)}"

    def _emptiness(self, operator: str, left: Expression, right: Expression) -> str | None:
        match left, right:
            case _, Literal(value="") if operator in ("=", "!="):
                asked, is_there = left, operator == "!="
            case Call(name="string-length" | "count-selected", arguments=(asked,)), Literal(value=float(length)):
                found = _EMPTINESS.get((operator, length))
                if found is None:
                    return None
                is_there = found
            case _:
                return None
        return filled(self.wording.answered if is_there else self.wording.unanswered, self._value(asked))

    def _selected(self, question: Expression, code: Expression, phrase: str) -> str:
        path = self._path_of(question)
        if path is None or not isinstance(code, Literal):
            return filled(phrase, self._value(question), self._value(code))
        asked = self.names.definition.questions.get(path)
        if asked is not None and asked.control == "select1":
            symbol = "=" if phrase == self.wording.contains else "≠"
            return f"{self._value(question)} {symbol} {self._code(path, code)}"
        return filled(phrase, self._value(question), self._code(path, code))

    def _code(self, path: str, literal: Literal) -> str:
        code = literal.value if isinstance(literal.value, str) else number(literal.value)
        label = self.names.choice(path, code)
        return f"{code} {label}".strip() if label else self._value(literal)

    def _value(self, tree: Expression) -> str:
        match tree:
            case Literal(value=float(value)):
                return number(value)
            case Literal(value=str(text)):
                return text if _is_plain(text) else filled(self.wording.text, text)
            case Negative(operand=operand):
                return f"−{self._bracketed(operand)}"
            case Binary(operator=operator) if operator in _ARITHMETIC:
                is_chain = (
                    isinstance(tree.left, Binary) and _TIGHTNESS.get(tree.left.operator, 0) >= _TIGHTNESS[operator]
                )
                left = self._value(tree.left) if is_chain else self._bracketed(tree.left)
                return f"{left} {_ARITHMETIC[operator]} {self._bracketed(tree.right)}"
            case Call():
                return self._call(tree)
            case Path():
                return self._reference(tree)
        raise _UnsayableError

    def _bracketed(self, tree: Expression) -> str:
        said = self._value(tree)
        is_long = isinstance(tree, Path) and any(step.predicates for step in tree.steps)
        is_choice = isinstance(tree, Call) and tree.name == "if"
        return f"({said})" if is_long or is_choice or isinstance(tree, Binary) else said

    def _call(self, call: Call) -> str:
        special = _SPECIAL.get(call.name)
        if special is not None:
            return special(self, call.arguments)
        values = self.wording.values
        phrase = values.get(f"{call.name}/{len(call.arguments)}") or values.get(f"{call.name}/*")
        if phrase is None:
            raise _UnsayableError
        # position(..) is about the row it stands in, whatever its argument says.
        parts = () if call.name == "position" else tuple(map(self._bracketed, call.arguments))
        return filled(phrase, *parts)

    def _if(self, arguments: tuple[Expression, ...]) -> str:
        if len(arguments) != 3:
            raise _UnsayableError
        condition, then, otherwise = arguments
        nested = self._value(otherwise)
        said = f"({nested})" if isinstance(otherwise, Call) and otherwise.name == "if" else nested
        return filled(self.wording.choose, self._condition(condition), self._value(then), said)

    def _count(self, arguments: tuple[Expression, ...]) -> str:
        if len(arguments) != 1:
            raise _UnsayableError
        path = self._path_of(arguments[0])
        said = self._value(arguments[0])
        counted = filled(self.wording.rows, said) if path in self.names.definition.repeats else said
        return filled(self.wording.values["count/1"], counted)

    def _substr(self, arguments: tuple[Expression, ...]) -> str:
        match arguments:
            case (text, Literal(value=float(start)), Literal(value=float(end))) if 0 <= start < end:
                # substr counts from 0 and leaves the end out; people count from 1.
                if end == start + 1:
                    return filled(self.wording.character, self._value(text), number(end))
                return filled(self.wording.characters, self._value(text), number(start + 1), number(end))
        raise _UnsayableError

    def _selected_at(self, arguments: tuple[Expression, ...]) -> str:
        match arguments:
            # selected-at counts from 0, people from 1.
            case (question, Binary("-", place, Literal(1.0))):
                return filled(self.wording.choice_at, self._value(question), self._value(place))
            case (question, Literal(value=float(place))):
                return filled(self.wording.choice_at, self._value(question), number(place + 1))
        raise _UnsayableError

    def _reference(self, path: Path) -> str:
        absolute = self._path_of(path)
        if absolute is not None:
            return self._mention(absolute)
        plain = Path(path.start, tuple(Step(step.axis, step.test) for step in path.steps))
        chosen = [(place, step) for place, step in enumerate(path.steps) if step.predicates]
        if path.predicates or len(chosen) != 1 or len(chosen[0][1].predicates) != 1:
            raise _UnsayableError
        place, predicate = chosen[0][0], chosen[0][1].predicates[0]
        listed = _list_name(path)
        if listed is not None:
            return filled(self.wording.lookup, path.steps[-1].test, listed, self._condition_inside(predicate, None))
        target = self._path_of(plain)
        repeat = self._path_of(Path(plain.start, plain.steps[: place + 1]))
        if target is None or repeat is None or repeat not in self.names.definition.repeats:
            raise _UnsayableError
        if isinstance(predicate, Literal):
            return filled(self.wording.row, self._mention(target), self._value(predicate), self._mention(repeat))
        where = self._condition_inside(predicate, repeat)
        return filled(self.wording.rows_where, self._mention(target), self._mention(repeat), where)

    def _condition_inside(self, predicate: Expression, repeat: str | None) -> str:
        """Say a predicate; its relative paths are columns of a list, or nodes of a row of a repeat."""
        if repeat is not None:
            return _Sentence(self.names, self.wording, repeat, self.mentioned)._condition(predicate)  # noqa: SLF001 - its own class
        match predicate:
            case Binary(
                operator=operator, left=Path(start="", steps=(Step(axis="child", test=column),)), right=value
            ) if operator in _SYMBOLS:
                return f"{column} {_SYMBOLS[operator]} {self._value(value)}"
        raise _UnsayableError

    def _mention(self, path: str) -> str:
        if path == self.at and path in self.names.definition.questions:
            return self.wording.this_answer
        name = self.names.columns.get(path)
        if name is None:
            raise _UnsayableError
        label = "" if path in self.mentioned else self.names.label(path)
        self.mentioned.add(path)
        return f"{name} ({label})" if label else name

    def _path_of(self, tree: Expression) -> str | None:
        """Return the absolute path of a plain reference; None for anything else."""
        return absolute_path(tree, self.at) if isinstance(tree, Path) else None


def _parsed(expression: str) -> Expression | None:
    try:
        tree = parse(expression)
    except XPathError:
        return None
    return None if is_too_deep(tree) else tree


def _list_name(path: Path) -> str | None:
    match path:
        case Path(start=Call(name="instance", arguments=(Literal(value=str(name)),)), steps=(_, _, _)):
            return name
    return None


def _is_plain(text: str) -> bool:
    """Say whether a text reads well without quotation marks: a number or a date."""
    return bool(text) and all(character.isdigit() or character in ".-" for character in text)


_SPECIAL: Final[Mapping[str, Callable[[_Sentence, tuple[Expression, ...]], str]]] = {
    "if": _Sentence._if,  # noqa: SLF001 - the table of its own methods
    "count": _Sentence._count,  # noqa: SLF001
    "substr": _Sentence._substr,  # noqa: SLF001
    "selected-at": _Sentence._selected_at,  # noqa: SLF001
}
