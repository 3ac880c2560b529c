"""The structural check of an interview, and its answers as typed values: one pass over the XML.

This runs for every interview that is opened, so it is a walk of tables made once a definition, with paths built only
for findings. It asks three things of each node: is it in the form, does the value have its type, is the code in its
list. Whether the answer was allowed at that point of the interview is the business of ``forms.validation``.
"""

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from lxml import etree

from forms.columns import Column
from forms.definition import FormDefinition
from forms.findings import Finding
from forms.instance import Instance, indexed_path
from forms.model import ModelNode

MAX_FINDINGS: Final = 100
"""Findings kept for one interview: a hostile document must not fill the store."""
MAX_DECIMAL_EXPONENT: Final = 30
"""Powers of ten accepted: no amount or measure needs more, and 1E999999999 is a bomb in fixed notation."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}\Z").match
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\Z").match
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z").match

Answer = str | int | Decimal | datetime.date
Row = dict[str, Any]
"""Column name → answer, or list of rows for a repeat."""


@dataclass(frozen=True, slots=True)
class OpenedAnswers:
    """The typed answers of one interview for the two microdata stores.

    Keys are ``Column.name``; a repeat is a list of rows; a question without an answer is absent; a value that fails
    its type is None; a code outside its list is kept as it came. Rows of a repeat stand at the same place in both
    stores.
    """

    analysis: Row
    identifiers: Row
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Leaf:
    name: str
    is_identifier: bool
    convert: Callable[[str], Answer] | None
    codes: frozenset[str] | None
    takes_many: bool


@dataclass(frozen=True, slots=True)
class _Scope:
    """A group (``name`` empty) or a repeat, with what may stand in it."""

    name: str
    children: Mapping[str, "_Leaf | _Scope | None"]
    has_analysis: bool
    has_identifiers: bool


def read_answers(definition: FormDefinition, instance: Instance) -> OpenedAnswers:
    """Read the answers of an instance against the exact version of its form.

    Findings: ``unknown-node``, ``repeated-node``, ``bad-type``, ``not-a-choice``; none holds an answer.
    """
    analysis: Row = {}
    identifiers: Row = {}
    findings: list[Finding] = []
    if _local(instance.root.tag) != definition.root_name:
        findings.append(_finding("unknown-node", instance.root, "The root element is not that of the form."))
    else:
        _read(instance.root, _table(definition), analysis, identifiers, findings)
    return OpenedAnswers(analysis, identifiers, tuple(findings))


def _read(parent: etree._Element, scope: _Scope, analysis: Row, identifiers: Row, findings: list[Finding]) -> None:
    children = scope.children
    for element in parent:
        tag = element.tag
        try:
            spec = children[tag]
        except KeyError:
            spec = _spec_by_local_name(element, scope, findings)
        if type(spec) is _Leaf:
            text = element.text
            row = identifiers if spec.is_identifier else analysis
            if text is None or text.isspace():
                if len(element):
                    _add(findings, "unknown-node", element[0], "The form has no such node inside a question.")
                continue
            if spec.name in row:
                _add(findings, "repeated-node", element, "The form allows this node once; the first answer counts.")
                continue
            if spec.convert is None and spec.codes is None:
                row[spec.name] = text
            else:
                row[spec.name] = _typed(text, spec, element, findings)
        elif type(spec) is _Scope:
            if not spec.name:
                _read(element, spec, analysis, identifiers, findings)
            else:
                _read_row(element, spec, analysis, identifiers, findings)


def _read_row(element: etree._Element, spec: _Scope, analysis: Row, identifiers: Row, findings: list[Finding]) -> None:
    its_analysis: Row = {}
    its_identifiers: Row = {}
    _read(element, spec, its_analysis, its_identifiers, findings)
    if spec.has_analysis:
        analysis.setdefault(spec.name, []).append(its_analysis)
    if spec.has_identifiers:
        identifiers.setdefault(spec.name, []).append(its_identifiers)


def _typed(text: str, spec: _Leaf, element: etree._Element, findings: list[Finding]) -> Answer | None:
    if spec.codes is not None:
        codes = text.split() if spec.takes_many else (text,)
        for code in codes:
            if code not in spec.codes:
                _add(findings, "not-a-choice", element, "The answer is not in the choice list of the form.")
                break
    if spec.convert is None:
        return text
    try:
        return spec.convert(text)
    except ValueError:
        _add(findings, "bad-type", element, "The answer does not have the type of the question.")
        return None


def _spec_by_local_name(element: etree._Element, scope: _Scope, findings: list[Finding]) -> "_Leaf | _Scope | None":
    tag = element.tag
    if type(tag) is not str:
        return None
    name = _local(tag)
    if name in scope.children:
        return scope.children[name]
    _add(findings, "unknown-node", element, "The form has no such node.")
    return None


def _add(findings: list[Finding], code: str, element: etree._Element, message: str) -> None:
    if len(findings) < MAX_FINDINGS:
        findings.append(_finding(code, element, message))


def _finding(code: str, element: etree._Element, message: str) -> Finding:
    return Finding(code, "error", indexed_path(element)[:500], message)


def integer(text: str) -> int:
    """Convert the text of an integer question.

    Raises:
        ValueError: not an integer of at most 18 digits.
    """
    if not _INTEGER(text):
        raise ValueError("not an integer")
    return int(text)


def decimal(text: str) -> Decimal:
    """Convert the text of a decimal question, in plain or exponent notation (engines write 1.0E8).

    Raises:
        ValueError: not a finite decimal within 10 to the power of ±30.
    """
    if not _DECIMAL(text) or len(text) > 60:
        raise ValueError("not a decimal")
    value = Decimal(text)
    if value and abs(value.adjusted()) > MAX_DECIMAL_EXPONENT:
        raise ValueError("decimal out of range")
    return value


def date(text: str) -> datetime.date:
    """Convert the text of a date question, ``YYYY-MM-DD``.

    Raises:
        ValueError: not a date of the calendar.
    """
    if not _DATE(text):
        raise ValueError("not a date")
    return datetime.date.fromisoformat(text)


_CONVERTERS: Final[Mapping[str, Callable[[str], Answer]]] = {"integer": integer, "decimal": decimal, "date": date}


@lru_cache(maxsize=64)
def _table(definition: FormDefinition) -> _Scope:
    stores = {
        path: (column, store == "identifiers")
        for store in ("analysis", "identifiers")
        for path, column in _by_path(definition.columns(store))
        if column.type != "repeat"
    }
    repeats = {
        path: column.name
        for store in ("analysis", "identifiers")
        for path, column in _by_path(definition.columns(store))
        if column.type == "repeat"
    }
    return _scope(definition.root, definition, stores, repeats)


def _by_path(columns: tuple[Column, ...]) -> list[tuple[str, Column]]:
    found: list[tuple[str, Column]] = []
    for column in columns:
        found.append((column.path, column))
        found.extend(_by_path(column.children))
    return found


def _scope(
    node: ModelNode, definition: FormDefinition, stores: Mapping[str, tuple[Column, bool]], repeats: Mapping[str, str]
) -> _Scope:
    children: dict[str, _Leaf | _Scope | None] = {}
    for child in node.children:
        if child.kind != "leaf":
            spec: _Leaf | _Scope | None = _scope(child, definition, stores, repeats)
        elif child.path in stores:
            column, is_identifier = stores[child.path]
            spec = _leaf(column, definition, is_identifier=is_identifier)
        else:
            spec = None
        children[child.name] = spec
    if node.name == "meta":
        children.setdefault("deprecatedID", None)  # an edit brings it whether or not the form declares it (OpenRosa)
    has_analysis = any(_holds(spec, is_identifier=False) for spec in children.values())
    has_identifiers = any(_holds(spec, is_identifier=True) for spec in children.values())
    return _Scope(repeats.get(node.path, ""), children, has_analysis, has_identifiers)


def _holds(spec: _Leaf | _Scope | None, *, is_identifier: bool) -> bool:
    if spec is None:
        return False
    if isinstance(spec, _Leaf):
        return spec.is_identifier == is_identifier
    return spec.has_identifiers if is_identifier else spec.has_analysis


def _leaf(column: Column, definition: FormDefinition, *, is_identifier: bool) -> _Leaf:
    question = definition.questions[column.path]
    choices = definition.choices_of(column.path)
    return _Leaf(
        name=column.name,
        is_identifier=is_identifier,
        convert=_CONVERTERS.get(column.type),
        codes=None if choices is None else frozenset(choice.value for choice in choices),
        takes_many=question.control in ("select", "rank"),
    )


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
