"""Linting an XForm that came as such: broken references, expressions, circles and choices.

There is no sheet: the sheet of its findings is ``xform`` and the column the path of the node.
"""

from collections.abc import Iterator
from typing import Final

from forms.definition import FormDefinition
from forms.model import Bind, ModelNode
from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint.catalogue import finding
from forms.workbook.lint.cycles import circles
from forms.workbook.lint.expressions import syntax_error, wrong_calls
from forms.workbook.lint.formulas import children
from forms.xpath.syntax import Call, Expression, Path, XPathError, parse

SHEET: Final = "xform"
_OTHER_ROWS: Final = frozenset({"indexed-repeat", "position", "once"})


def lint_definition(definition: FormDefinition) -> tuple[WorkbookFinding, ...]:
    """Return what is wrong or noteworthy in the binds and choices of a form."""
    nodes = {node.path: node for node in definition.nodes()}
    findings = [*_binds(definition, nodes), *_choices(definition)]
    return tuple(findings)


def _expressions(bind: Bind) -> Iterator[tuple[str, str]]:
    for rule in ("relevant", "required", "constraint", "calculate", "readonly"):
        text = getattr(bind, rule)
        if text:
            yield rule, text


def _binds(definition: FormDefinition, nodes: dict[str, ModelNode]) -> Iterator[WorkbookFinding]:
    edges: dict[str, set[str]] = {}
    for path, bind in definition.binds.items():
        if path not in nodes:
            if "/@" not in path:  # attributes of entities
                yield finding("bind-without-node", sheet=SHEET, column=path, name=path)
            continue
        for rule, text in _expressions(bind):
            try:
                tree = parse(text)
            except XPathError as error:
                at, message, found = syntax_error(text, error)
                yield finding("xpath-syntax", sheet=SHEET, column=path, at=at, message=message, found=found)
                continue
            yield from _judge(definition, nodes, path, tree)
            if rule != "constraint":
                read = {one for one in _read(tree, path) if one in nodes and nodes[one].kind == "leaf"}
                edges.setdefault(path, set()).update(read)
    for circle in circles(edges):
        ordered = [path for path in nodes if path in circle]
        names = " → ".join((*ordered, ordered[0]))
        yield finding("cycle", sheet=SHEET, column=ordered[0], names=names)


def _judge(
    definition: FormDefinition, nodes: dict[str, ModelNode], path: str, tree: Expression
) -> Iterator[WorkbookFinding]:
    for code, values in wrong_calls(tree):
        yield finding(code, sheet=SHEET, column=path, blanks=values)
    for read in dict.fromkeys(_read(tree, path)):
        if read not in nodes and read.startswith(f"/{definition.root_name}/"):
            yield finding("path-unknown", sheet=SHEET, column=path, name=read)


def _read(tree: Expression, context: str) -> Iterator[str]:
    """Yield the nodes that an expression reads by plain paths, absolute or from its own node."""
    if isinstance(tree, Call) and tree.name in _OTHER_ROWS:
        return
    if not isinstance(tree, Path):
        for child in children(tree):
            yield from _read(child, context)
        return
    if not isinstance(tree.start, str) or tree.predicates:
        return
    steps = [] if tree.start == "/" else context.strip("/").split("/")
    for step in tree.steps:
        if step.predicates or step.axis not in ("child", "parent", "self") or step.test in ("*", "text()"):
            return
        if step.axis == "child":
            steps.append(step.test)
        elif step.axis == "parent" and steps:
            steps.pop()
    if len(tree.steps) > 1 or tree.start == "/":
        yield "/" + "/".join(steps)


def _choices(definition: FormDefinition) -> Iterator[WorkbookFinding]:
    users: dict[str, str] = {}
    for question in definition.questions.values():
        if question.choices is not None and question.choices.list_name is not None:
            users.setdefault(question.choices.list_name, question.path)
    for name, choices in definition.choice_lists.items():
        seen: set[str] = set()
        for choice in choices or ():
            if choice.value in seen:
                place = users.get(name, name)
                yield finding("choice-twice", sheet=SHEET, column=place, name=choice.value, list=name)
            seen.add(choice.value)
