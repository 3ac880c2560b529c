"""Parsing XPath 1.0 expressions into a small tree.

Grammar: https://www.w3.org/TR/1999/REC-xpath-19991116/, without namespace axes and variables, which XForms do not have.
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 32_768
MAX_NESTING: Final = 80
"""Parentheses and predicates inside one another, and operators in a row; more would exhaust the interpreter's stack."""


class XPathError(Exception):
    """An expression cannot be understood.

    Attributes:
        code: ``syntax``, ``unknown-function``, ``argument-count`` or ``unknown-reference``.
        expression, offset: where; the offset counts characters from 0.
    """

    def __init__(self, code: str, message: str, expression: str = "", offset: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.expression = expression
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Literal:
    """A number or a quoted text."""

    value: str | float


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; ``name`` may have a prefix (``jr:choice-name``)."""

    name: str
    arguments: tuple["Expression", ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: axis, name test (``*`` for any) and predicates."""

    axis: str
    test: str
    predicates: tuple["Expression", ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """A location path.

    Attributes:
        start: ``"/"`` from the root, ``""`` from the context node, or the expression that the steps start from.
    """

    start: "Expression | str"
    steps: tuple[Step, ...]
    predicates: tuple["Expression", ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """An operation on two operands."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Negative:
    """The negative of a number."""

    operand: "Expression"


Expression = Literal | Call | Path | Binary | Negative

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d*)?|\.\d+)
    | (?P<literal>"[^"]*"|'[^']*')
    | (?P<operator>::|//|\.\.|<=|>=|!=|[()\[\]@,./|+\-=<>*])
    | (?P<name>[^\W\d][\w.\-]*(?::(?!:)[^\W\d][\w.\-]*|:\*)?)
    )""",
    re.VERBOSE,
)
_AXES: Final = frozenset(
    {"child", "parent", "self", "descendant", "descendant-or-self", "ancestor", "ancestor-or-self", "attribute"}
    | {"following-sibling", "preceding-sibling"}
)
_NODE_TYPES: Final = frozenset({"node", "text"})
_LEVELS: Final = (("or",), ("and",), ("=", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "div", "mod"))
_PRECEDENCE: Final = {operator: level for level, operators in enumerate(_LEVELS) for operator in operators}
_WORD_OPERATORS: Final = frozenset({"or", "and", "div", "mod"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def parse(expression: str) -> Expression:
    """Parse an expression.

    Raises:
        XPathError: ``syntax``, with the offset of the first character that does not fit.
    """
    if len(expression) > MAX_LENGTH:
        raise XPathError("syntax", f"The expression is longer than {MAX_LENGTH} characters.", expression[:80])
    return _Parser(expression).whole()


def _tokens(expression: str) -> list[_Token]:
    found: list[_Token] = []
    offset, end = 0, len(expression.rstrip())
    while offset < end:
        match = _TOKEN.match(expression, offset)
        if match is None:
            at = offset + len(expression[offset:]) - len(expression[offset:].lstrip())
            raise XPathError("syntax", f"“{expression[at]}” cannot stand here.", expression, at)
        kind = str(match.lastgroup)
        text = match.group(kind)
        if _is_operator_here(text, kind, found):
            kind = "operator"
        found.append(_Token(kind, text, match.start(kind)))
        offset = match.end()
    found.append(_Token("end", "", len(expression)))
    return found


def _is_operator_here(text: str, kind: str, before: list[_Token]) -> bool:
    # XPath 1.0, 3.7: a name after an operand is an operator name.
    if kind != "name" or text not in _WORD_OPERATORS or not before:
        return False
    last = before[-1]
    return last.kind in ("number", "literal", "name") or last.text in (")", "]", "..", ".", "*")


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = _tokens(expression)
        self.at = 0
        self.depth = 0

    def whole(self) -> Expression:
        result = self._binary(0)
        if self._peek().kind != "end":
            self._fail()
        return result

    def _peek(self, ahead: int = 0) -> _Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def _take(self) -> _Token:
        token = self._peek()
        self.at += 1
        return token

    def _accept(self, *texts: str) -> str | None:
        token = self._peek()
        if token.kind == "operator" and token.text in texts:
            self.at += 1
            return token.text
        return None

    def _expect(self, text: str) -> None:
        if self._accept(text) is None:
            self._fail(f"“{text}” is missing")

    def _fail(self, what: str = "") -> None:
        token = self._peek()
        shown = f"“{token.text}” cannot stand here" if token.text else "the expression ends too early"
        raise XPathError("syntax", f"{what or shown} (character {token.offset + 1}).", self.expression, token.offset)

    def _binary(self, level: int) -> Expression:
        """Parse operators that bind at least as tightly as a level (precedence climbing)."""
        left = self._unary()
        links = 0
        while (binds := self._operator_level()) >= level:
            operator = self._take().text
            left = Binary(operator, left, self._binary(binds + 1))
            links += 1
            if links > MAX_NESTING * 2:
                self._fail(f"More than {MAX_NESTING * 2} operators in a row")
        return left

    def _operator_level(self) -> int:
        token = self._peek()
        return _PRECEDENCE.get(token.text, -1) if token.kind == "operator" else -1

    def _unary(self) -> Expression:
        negative = False
        while self._accept("-"):
            negative = not negative
        operand = self._union()
        return Negative(operand) if negative else operand

    def _union(self) -> Expression:
        left = self._path()
        while self._accept("|"):
            left = Binary("|", left, self._path())
        return left

    def _path(self) -> Expression:
        token = self._peek()
        if token.kind == "operator" and token.text in ("/", "//"):
            return Path("/", self._absolute_steps())
        if not self._starts_primary():
            return Path("", self._steps())
        primary = self._primary()
        predicates = self._predicates()
        if self._peek().kind == "operator" and self._peek().text in ("/", "//"):
            return Path(primary, self._more_steps(), predicates)
        return Path(primary, (), predicates) if predicates else primary

    def _starts_primary(self) -> bool:
        token, following = self._peek(), self._peek(1)
        if token.kind in ("number", "literal") or token.text == "(":
            return True
        return token.kind == "name" and following.text == "(" and token.text not in _NODE_TYPES

    def _primary(self) -> Expression:
        token = self._take()
        if token.kind == "number":
            return Literal(float(token.text))
        if token.kind == "literal":
            return Literal(token.text[1:-1])
        self.depth += 1
        if self.depth > MAX_NESTING:
            self._fail(f"More than {MAX_NESTING} parentheses deep")
        if token.text == "(":
            inner = self._binary(0)
            self._expect(")")
        else:
            inner = Call(token.text, self._arguments(), token.offset)
        self.depth -= 1
        return inner

    def _arguments(self) -> tuple[Expression, ...]:
        self._expect("(")
        if self._accept(")"):
            return ()
        arguments = [self._binary(0)]
        while self._accept(","):
            arguments.append(self._binary(0))
        self._expect(")")
        return tuple(arguments)

    def _absolute_steps(self) -> tuple[Step, ...]:
        if self._peek().text == "/" and not self._starts_step(1):
            self._take()
            return ()
        return self._more_steps()

    def _starts_step(self, ahead: int) -> bool:
        token = self._peek(ahead)
        return token.kind == "name" or token.text in ("..", ".", "@", "*")

    def _more_steps(self) -> tuple[Step, ...]:
        separator = self._take().text
        first = (Step("descendant-or-self", "node()"),) if separator == "//" else ()
        return (*first, *self._steps())

    def _steps(self) -> tuple[Step, ...]:
        steps = [self._step()]
        while (separator := self._accept("/", "//")) is not None:
            if separator == "//":
                steps.append(Step("descendant-or-self", "node()"))
            steps.append(self._step())
        return tuple(steps)

    def _step(self) -> Step:
        if self._accept(".."):
            return Step("parent", "node()", self._predicates())
        if self._accept("."):
            return Step("self", "node()", self._predicates())
        axis = "attribute" if self._accept("@") else self._axis()
        if self._accept("*"):
            return Step(axis, "*", self._predicates())
        if self._peek().kind != "name":
            self._fail()
        name = self._take().text
        if name in _NODE_TYPES and self._accept("("):
            self._expect(")")
            return Step(axis, f"{name}()", self._predicates())
        return Step(axis, name.rpartition(":")[2], self._predicates())

    def _axis(self) -> str:
        if self._peek().kind == "name" and self._peek(1).text == "::":
            if self._peek().text not in _AXES:
                self._fail(f"“{self._peek().text}” is not an axis")
            axis = self._take().text
            self._take()
            return axis
        return "child"

    def _predicates(self) -> tuple[Expression, ...]:
        predicates: list[Expression] = []
        while self._accept("["):
            self.depth += 1
            if self.depth > MAX_NESTING:
                self._fail(f"More than {MAX_NESTING} predicates deep")
            predicates.append(self._binary(0))
            self._expect("]")
            self.depth -= 1
        return tuple(predicates)
