"""From a parsed expression to a Python closure that evaluates it.

Compiling once and calling many times is what makes an interview of 280 expressions cheap: a comparison of an answer
with a code takes well under a microsecond.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from forms.xpath import paths
from forms.xpath.nodes import Compiled, Context, Evaluate, Lists, Node, Select, Spec, value_of
from forms.xpath.syntax import Binary, Call, Expression, Literal, Negative, Path, Step, XPathError, parse
from forms.xpath.values import NAN, Value, equals, to_boolean, to_number

Builder = Callable[["Compiler", Call, "Scope"], Evaluate]
SelectBuilder = Callable[["Compiler", Call, "Scope"], Select]


@dataclass(slots=True)
class Scope:
    """Where an expression stands while it is compiled, and what has been learnt about it.

    Attributes:
        spec: the context node, None where it is only known at run time.
        origin: the node that ``current()`` means.
    """

    source: str
    spec: Spec | None
    origin: Spec
    references: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    def inside(self, spec: Spec | None) -> "Scope":
        """Return the scope of a predicate on nodes of a spec."""
        return Scope(self.source, spec, self.origin, self.references, self.notes, self.unknown)


class Compiler:
    """Compiles the expressions of one form.

    Args:
        root: the main instance.
        lists: what the form has beside its main instance.
        functions: builders of function calls that give a value; ``selectors`` of those that give nodes.
    """

    def __init__(
        self,
        root: Spec,
        lists: Lists,
        *,
        functions: Mapping[str, Builder],
        selectors: Mapping[str, SelectBuilder],
    ) -> None:
        self.root = root
        self.lists = lists
        self.functions = functions
        self.selectors = selectors

    def compile(self, source: str, context: Spec) -> Compiled:
        """Compile an expression for a context node.

        Raises:
            XPathError: ``syntax``, ``unknown-function`` or ``argument-count``.
        """
        scope = Scope(source, context, context)
        tree = parse(source)
        evaluate = self.value(tree, scope)
        select = self.nodes(tree, scope) if isinstance(tree, Path) else None
        return Compiled(
            source=source,
            evaluate=evaluate,
            select=select,
            references=frozenset(scope.references),
            reads_anything="anything" in scope.notes,
            is_volatile="volatile" in scope.notes,
            is_random="random" in scope.notes,
            unknown=frozenset(scope.unknown),
        )

    def value(self, tree: Expression, scope: Scope) -> Evaluate:
        """Compile an expression to its value; a node-set gives the value of its first node."""
        if isinstance(tree, Literal):
            constant = tree.value
            return lambda _context: constant
        if isinstance(tree, Negative):
            operand = self.value(tree.operand, scope)
            return lambda context: -to_number(operand(context))
        if isinstance(tree, Binary):
            return self._binary(tree, scope)
        if isinstance(tree, Call):
            return self._call(tree, scope)
        return self._path_value(tree, scope)

    def truth(self, tree: Expression, scope: Scope) -> Callable[[Context], bool]:
        """Compile an expression to a truth value; a node-set is true by the value of its first node."""
        evaluate = self.value(tree, scope)
        return lambda context: to_boolean(evaluate(context))

    def number(self, tree: Expression, scope: Scope) -> Callable[[Context], float]:
        """Compile an expression to a number."""
        evaluate = self.value(tree, scope)
        return lambda context: to_number(evaluate(context))

    def nodes(self, tree: Expression, scope: Scope) -> Select:
        """Compile an expression that must select nodes.

        Raises:
            XPathError: ``syntax`` where it gives a value instead.
        """
        if isinstance(tree, Path):
            return self._path_nodes(tree, scope)
        if isinstance(tree, Call) and tree.name in self.selectors:
            return self.selectors[tree.name](self, tree, scope)
        if isinstance(tree, Binary) and tree.operator == "|":
            left, right = self.nodes(tree.left, scope), self.nodes(tree.right, scope)
            return lambda context: list(dict.fromkeys([*left(context), *right(context)]))
        raise XPathError("syntax", "A path to questions is needed here, not a value.", scope.source)

    def values(self, trees: tuple[Expression, ...], scope: Scope) -> Callable[[Context], list[Value]]:
        """Compile arguments to the list of their values; a node-set gives the value of each of its nodes."""
        parts = [self._many(tree, scope) for tree in trees]
        if len(parts) == 1:
            return parts[0]
        return lambda context: [value for part in parts for value in part(context)]

    def _many(self, tree: Expression, scope: Scope) -> Callable[[Context], list[Value]]:
        if isinstance(tree, Path) or (isinstance(tree, Binary) and tree.operator == "|"):
            select = self.nodes(tree, scope)
            read = value_of
            return lambda context: [read(context.tree, node) for node in select(context)]
        evaluate = self.value(tree, scope)
        return lambda context: [evaluate(context)]

    def _call(self, tree: Call, scope: Scope) -> Evaluate:
        builder = self.functions.get(tree.name)
        if builder is not None:
            return builder(self, tree, scope)
        if tree.name in self.selectors:
            return paths.first_value(self.selectors[tree.name](self, tree, scope))
        raise XPathError("unknown-function", f"There is no function {tree.name}().", scope.source, tree.offset)

    def _binary(self, tree: Binary, scope: Scope) -> Evaluate:
        if tree.operator in ("and", "or"):
            first, second = self.truth(tree.left, scope), self.truth(tree.right, scope)
            if tree.operator == "and":
                return lambda context: first(context) and second(context)
            return lambda context: first(context) or second(context)
        if tree.operator == "|":
            return paths.first_value(self.nodes(tree, scope))
        left, right = self.value(tree.left, scope), self.value(tree.right, scope)
        if tree.operator == "=":
            return _equality(left, tree.right, right)
        if tree.operator == "!=":
            same = _equality(left, tree.right, right)
            return lambda context: not same(context)
        calculate = _ARITHMETIC.get(tree.operator)
        if calculate is not None:
            return lambda context: calculate(to_number(left(context)), to_number(right(context)))
        compare = _ORDER[tree.operator]
        return lambda context: compare(to_number(left(context)), to_number(right(context)))

    def _path_value(self, tree: Path, scope: Scope) -> Evaluate:
        route, from_current = self.route(tree, scope)
        if route is not None and route.is_single:
            scope.references.add(route.spec.path)
            return paths.read_route(route, from_current=from_current)
        return paths.first_value(self._path_nodes(tree, scope))

    def route(self, tree: Path, scope: Scope) -> tuple[paths.Route | None, bool]:
        """Resolve a path against the form, if that can be done; the flag says that it starts at current()."""
        if tree.predicates:
            return None, False
        if tree.start == "/":
            return self._absolute(tree.steps, scope)
        if tree.start == "":
            return (None if scope.spec is None else paths.route_from(scope.spec, tree.steps)), False
        if isinstance(tree.start, Call) and tree.start.name == "current" and not tree.start.arguments:
            return paths.route_from(scope.origin, tree.steps), True
        return None, False

    def _absolute(self, steps: tuple[Step, ...], scope: Scope) -> tuple[paths.Route | None, bool]:
        # Inside a list of choices the row is that of the question whose choices they are.
        is_elsewhere = scope.spec is None
        return paths.route_to(self.root, scope.origin if is_elsewhere else scope.spec, steps), is_elsewhere

    def _path_nodes(self, tree: Path, scope: Scope) -> Select:
        route, from_current = self.route(tree, scope)
        if route is not None:
            scope.references.add(route.spec.path)
            return paths.select_route(route, from_current=from_current)
        start, spec, is_form = self._start(tree, scope)
        steps = list(tree.steps)
        if tree.start == "/":
            bound = next((place for place, step in enumerate(steps) if step.predicates or step.axis != "child"), 0)
            prefix, from_current = self._absolute(tree.steps[:bound], scope)
            if prefix is not None:
                start, spec, steps = paths.select_route(prefix, from_current=from_current), prefix.spec, steps[bound:]
                scope.references.add(spec.path)
            else:
                start, spec = _document, None
        return paths.walk(start, self._step_functions(steps, spec, scope, is_form=is_form))

    def _start(self, tree: Path, scope: Scope) -> tuple[Select, Spec | None, bool]:
        """Return where a path starts, its spec if known, and whether it walks the form."""
        if tree.start == "/":
            return _document, None, True
        if isinstance(tree.start, str):
            return (lambda context: [context.node]), scope.spec, scope.spec is not None
        if isinstance(tree.start, Call) and tree.start.name == "current":
            return self._narrowed(_current_nodes, tree, scope, scope.origin), scope.origin, True
        return self._narrowed(self.nodes(tree.start, scope), tree, scope, None), None, False

    def _narrowed(self, start: Select, tree: Path, scope: Scope, spec: Spec | None) -> Select:
        predicates = [self.value(predicate, scope.inside(spec)) for predicate in tree.predicates]
        for predicate in predicates:
            start = _filtered(start, predicate)
        return start

    def _step_functions(
        self, steps: list[Step], spec: Spec | None, scope: Scope, *, is_form: bool
    ) -> list[paths.StepFunction]:
        functions: list[paths.StepFunction] = []
        for step in steps:
            if spec is not None and step.axis == "child" and step.test == "*":
                scope.references.update(child.path for child in spec.children.values())
            spec = _next_spec(spec, step)
            if spec is not None:
                scope.references.add(spec.path)
            elif is_form:
                scope.notes.add("anything")
            functions.append(
                self._indexed_step(step, scope)
                if spec is None and self._is_lookup(step)
                else paths.step_function(step, self._predicates(step, spec, scope))
            )
        return functions

    def _predicates(self, step: Step, spec: Spec | None, scope: Scope) -> list[Evaluate]:
        return [self.value(predicate, scope.inside(spec)) for predicate in step.predicates]

    def _is_lookup(self, step: Step) -> bool:
        if len(step.predicates) != 1 or step.axis != "child" or step.test == "*":
            return False
        test = step.predicates[0]
        return (
            isinstance(test, Binary)
            and test.operator == "="
            and isinstance(test.left, Path)
            and test.left.start == ""
            and len(test.left.steps) == 1
            and test.left.steps[0].axis == "child"
            and not test.left.steps[0].predicates
            and _stands_alone(test.right)
        )

    def _indexed_step(self, step: Step, scope: Scope) -> paths.StepFunction:
        """Compile ``item[column = value]`` on a secondary instance as a look-up: such lists have thousands of items."""
        test = step.predicates[0]
        assert isinstance(test, Binary) and isinstance(test.left, Path)  # noqa: S101, PT018 - _is_lookup said so
        column, name = test.left.steps[0].test, step.test
        wanted = self.value(test.right, scope.inside(None))
        scan = paths.step_function(step, self._predicates(step, None, scope))
        indexes: dict[Node, dict[str, list[Node]]] = {}

        def look_up(nodes: list[Node], context: Context) -> list[Node]:
            if len(nodes) != 1 or nodes[0].spec is not None:
                return scan(nodes, context)
            value = wanted(context)
            if type(value) is not str:
                return scan(nodes, context)
            index = indexes.get(nodes[0])
            if index is None:
                index = indexes[nodes[0]] = _index(nodes[0], name, column)
            return index.get(value, [])

        return look_up


def _index(parent: Node, name: str, column: str) -> dict[str, list[Node]]:
    index: dict[str, list[Node]] = {}
    for item in parent.children.get(name, ()):
        cells = item.children.get(column)
        if cells:
            index.setdefault(cells[0].text, []).append(item)
    return index


def _stands_alone(tree: Expression) -> bool:
    """Say whether an expression means the same for every item of a list."""
    if isinstance(tree, Literal):
        return True
    if not isinstance(tree, Path) or tree.predicates or any(step.predicates for step in tree.steps):
        return False
    return tree.start == "/" or (isinstance(tree.start, Call) and tree.start.name == "current")


def _next_spec(spec: Spec | None, step: Step) -> Spec | None:
    if spec is None or step.axis not in ("child", "parent", "self"):
        return None
    if step.axis == "self":
        return spec
    return spec.parent if step.axis == "parent" else spec.children.get(step.test)


def _document(context: Context) -> list[Node]:
    document = Node("", None, None)
    document.children = {context.tree.root.name: [context.tree.root]}
    return [document]


def _current_nodes(context: Context) -> list[Node]:
    return [context.current]


def _filtered(start: Select, predicate: Evaluate) -> Select:
    return lambda context: paths.keep(start(context), predicate, context)


def _equality(left: Evaluate, right_tree: Expression, right: Evaluate) -> Callable[[Context], bool]:
    if isinstance(right_tree, Literal) and isinstance(right_tree.value, str):
        constant = right_tree.value

        def equals_code(context: Context) -> bool:
            value = left(context)
            return value == constant if type(value) is str else equals(value, constant)

        return equals_code
    return lambda context: equals(left(context), right(context))


def _divide(left: float, right: float) -> float:
    if right == 0:
        if left == 0 or math.isnan(left):
            return NAN
        return math.copysign(math.inf, left) * math.copysign(1, right)
    return left / right


def _modulo(left: float, right: float) -> float:
    # The result has the sign of the dividend, as in Java and XPath.
    return NAN if right == 0 or math.isinf(left) or math.isnan(right) else math.fmod(left, right)


_ARITHMETIC: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "div": _divide,
    "mod": _modulo,
}
_ORDER: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
