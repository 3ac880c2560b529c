"""Truth values, choices between values, and functions of the interview itself."""

from collections.abc import Mapping
from typing import Final

from forms.xpath.compiler import Builder, Compiler, Scope
from forms.xpath.functions.building import RANDOM, check_count, of_tree, of_values
from forms.xpath.nodes import Context, Evaluate, Spec, Tree, Unevaluable
from forms.xpath.paths import absolute_chain, route_from
from forms.xpath.syntax import Call, Literal, Path, XPathError, parse
from forms.xpath.values import Value, to_boolean, to_number, to_text, value_or_empty


def _build_if(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    check_count(call, scope, 3, 3)
    condition = compiler.truth(call.arguments[0], scope)
    then, otherwise = (compiler.value(argument, scope) for argument in call.arguments[1:])
    return lambda context: then(context) if condition(context) else otherwise(context)


def _build_coalesce(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    check_count(call, scope, 1, None)
    arguments = [compiler.value(argument, scope) for argument in call.arguments]

    def evaluate(context: Context) -> Value:
        value: Value = ""
        for argument in arguments:
            value = value_or_empty(argument(context))
            if value != "":
                return value
        return value

    return evaluate


def _build_once(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    check_count(call, scope, 1, 1)
    scope.notes.add("volatile")
    make = compiler.value(call.arguments[0], scope)

    def evaluate(context: Context) -> Value:
        kept = context.node.typed
        return kept if kept != "" else make(context)

    return evaluate


def _build_choice_name(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    """Compile ``jr:choice-name(code, 'path')``: the path of the question is a text, mostly a quoted one."""
    check_count(call, scope, 2, 2)
    code = compiler.value(call.arguments[0], scope)
    named = call.arguments[1]
    if isinstance(named, Literal) and isinstance(named.value, str):
        question = _question_at(named.value, compiler, scope.spec)
        if question is None:
            message = "jr:choice-name() names a question that does not exist."
            raise XPathError("unknown-reference", message, scope.source)
        return lambda context: context.tree.choice_label(question, to_text(code(context)))
    name = compiler.value(named, scope)

    def evaluate(context: Context) -> Value:
        try:
            found = _question_at(to_text(name(context)), compiler, context.node.spec)
        except XPathError:
            found = None
        if found is None:
            raise Unevaluable("unknown-reference")
        return context.tree.choice_label(found, to_text(code(context)))

    return evaluate


def _question_at(text: str, compiler: Compiler, start: Spec | None) -> str | None:
    path = parse(text)
    if not isinstance(path, Path):
        return None
    if path.start == "/":
        chain = absolute_chain(compiler.root, path.steps)
        return chain[-1].path if chain else None
    route = None if start is None else route_from(start, path.steps)
    return None if route is None else route.spec.path


def checklist(least: Value, most: Value, *answers: Value) -> bool:
    """Say whether the number of true answers lies between two bounds; a bound of -1 does not bind."""
    return weighted_checklist(least, most, *[part for answer in answers for part in (answer, 1.0)])


def weighted_checklist(least: Value, most: Value, *pairs: Value) -> bool:
    """Say whether the weights of the true answers add up to something between two bounds."""
    low, high = to_number(least), to_number(most)
    score = sum(to_number(pairs[place + 1]) for place in range(0, len(pairs) - 1, 2) if to_boolean(pairs[place]))
    return (low < 0 or score >= low) and (high < 0 or score <= high)


def _uuid(tree: Tree, length: Value | None = None) -> str:
    identifier = tree.new_uuid()
    if length is None:
        return identifier
    count = int(min(max(to_number(length), 0), 256)) if to_number(length) == to_number(length) else 0
    letters = identifier.replace("-", "")
    while len(letters) < count:
        letters += tree.new_uuid().replace("-", "")
    return letters[:count]


def _random(tree: Tree) -> float:
    # 53 random bits of an identifier: all the randomness of an interview comes from one argument.
    return int(tree.new_uuid().replace("-", "")[-13:], 16) / 16.0**13


FUNCTIONS: Final[Mapping[str, Builder]] = {
    "true": of_values(lambda: True, 0),
    "false": of_values(lambda: False, 0),
    "not": of_values(lambda value: not to_boolean(value), 1),
    "boolean": of_values(to_boolean, 1),
    "boolean-from-string": of_values(lambda text: to_text(text).lower() in ("true", "1"), 1),
    "if": _build_if,
    "coalesce": _build_coalesce,
    "once": _build_once,
    "depend": of_values(lambda value, *_: value, 1, None),
    "jr:choice-name": _build_choice_name,
    "jr:itext": of_tree(lambda tree, name: tree.form_text(to_text(name)), 1, 1),
    "checklist": of_values(checklist, 2, None),
    "weighted-checklist": of_values(weighted_checklist, 2, None),
    "uuid": of_tree(_uuid, 0, 1, notes=RANDOM),
    "random": of_tree(_random, 0, 0, notes=RANDOM),
    "version": of_tree(lambda tree: tree.version, 0, 0),
    "property": of_tree(lambda tree, name: tree.properties.get(to_text(name), ""), 1, 1),
}
