"""How a function of the library becomes a builder that the compiler calls."""

from collections.abc import Callable
from typing import Final

from forms.xpath.compiler import Builder, Compiler, Scope
from forms.xpath.nodes import Context, Evaluate, Tree, Unevaluable
from forms.xpath.syntax import Call, XPathError
from forms.xpath.values import Value

CLOCK: Final = frozenset({"volatile"})
RANDOM: Final = frozenset({"volatile", "random"})
MAX_TEXT: Final = 1 << 20
"""Characters of a text that an expression may make: as many as a whole interview has. Thirty joins double it thirty
times."""


def bounded(text: str) -> str:
    """Return a text that a function has put together.

    Raises:
        Unevaluable: ``too-long``.
    """
    if len(text) > MAX_TEXT:
        raise Unevaluable("too-long")
    return text


def check_count(call: Call, scope: Scope, least: int, most: int | None) -> None:
    """Check how many arguments a call has.

    Raises:
        XPathError: ``argument-count``.
    """
    count = len(call.arguments)
    if count < least or (most is not None and count > most):
        wanted = str(least) if least == most else f"{least} or more" if most is None else f"{least} to {most}"
        message = f"{call.name}() takes {wanted} argument{'' if wanted == '1' else 's'}, not {count}."
        raise XPathError("argument-count", message, scope.source, call.offset)


def of_values(function: Callable[..., Value], least: int, most: int | None = -1) -> Builder:
    """Make a builder of a function of values; ``most`` is ``least`` where it is left out, None for any number."""
    at_most = least if most == -1 else most

    def build(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
        check_count(call, scope, least, at_most)
        arguments = [compiler.value(argument, scope) for argument in call.arguments]
        if len(arguments) == 1:
            only = arguments[0]
            return lambda context: function(only(context))
        if len(arguments) == 2:
            first, second = arguments
            return lambda context: function(first(context), second(context))
        return lambda context: function(*[argument(context) for argument in arguments])

    return build


def of_tree(function: Callable[..., Value], least: int, most: int, *, notes: frozenset[str] = frozenset()) -> Builder:
    """Make a builder of a function of the interview (its clock, zone or identifiers) and values.

    Args:
        notes: what is to be known of an expression that calls it; see ``CLOCK`` and ``RANDOM``.
    """

    def build(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
        check_count(call, scope, least, most)
        scope.notes |= notes
        arguments = [compiler.value(argument, scope) for argument in call.arguments]

        def evaluate(context: Context) -> Value:
            tree: Tree = context.tree
            return function(tree, *[argument(context) for argument in arguments])

        return evaluate

    return build


def of_lists(function: Callable[[list[Value]], Value], least: int, most: int | None = -1) -> Builder:
    """Make a builder of a function of all values that its arguments give; a path gives one for each node."""
    at_most = least if most == -1 else most

    def build(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
        check_count(call, scope, least, at_most)
        values = compiler.values(call.arguments, scope)
        return lambda context: function(values(context))

    return build
