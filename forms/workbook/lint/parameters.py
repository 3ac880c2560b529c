"""The column parameters: known keys and possible values by type."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint.form import Form, Item
from forms.workbook.lint.vocabulary import PARAMETERS

_SEPARATORS: Final = re.compile(r"[\s,;]+")
_PAIR: Final = re.compile(r"([^\s=,;]+)[\s,;]*=[\s,;]*([^\s=,;]+)")
_CASE_COUNTS: Final = frozenset({"label", "value"})


def _is_whole(value: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d+(?:_\d+)*\s*", value) is not None


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _one_of(*values: str) -> tuple[Callable[[str], bool], str]:
    return (lambda value: value in values), " | ".join(values)


_TRUTH: Final = _one_of("true", "false")
_VALUES: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "randomize": _TRUTH,
    "track-changes": _TRUTH,
    "identify-user": _TRUTH,
    "track-changes-reasons": _one_of("on-form-edit"),
    "location-priority": _one_of("no-power", "low-power", "balanced", "high-accuracy"),
    "location-min-interval": (lambda value: _is_whole(value) and int(value) >= 0, "0, 1, 2 …"),
    "location-max-age": (lambda value: _is_whole(value) and int(value) >= 0, "0, 1, 2 …"),
    "rows": (_is_whole, "1, 2, 3 …"),
    "max-pixels": (_is_whole, "1024"),
    "capture-accuracy": (_is_number, "5"),
    "warning-accuracy": (_is_number, "100"),
    "allow-mock-accuracy": _TRUTH,
    "incremental": (lambda value: value in ("yes", "true", "true()"), "true"),
    "start": (_is_number, "0"),
    "end": (_is_number, "10"),
    "step": (lambda value: _is_number(value) and float(value) != 0, "1"),
    "quality": _one_of("voice-only", "low", "normal", "external"),
}


def parameters(form: Form) -> Iterator[WorkbookFinding]:
    """Judge the parameters of every question whose type has some."""
    for item in form.items:
        text = item.row.get("parameters")
        if not text:
            continue
        if _SEPARATORS.sub("", _PAIR.sub("", text)):
            yield form.survey.find("parameter-malformed", item.row.number, "parameters", value=text)
        elif item.type in PARAMETERS:
            yield from _pairs(form, item, text)


def _pairs(form: Form, item: Item, text: str) -> Iterator[WorkbookFinding]:
    known = PARAMETERS[item.type]
    for key, written in _PAIR.findall(text):
        name = key.lower()
        value = written if name in _CASE_COUNTS else written.lower()
        if name not in known:
            yield form.survey.find(
                "parameter-unknown", item.row.number, "parameters", name=name, known=", ".join(known)
            )
        elif name in _VALUES and not _VALUES[name][0](value):
            wanted = _VALUES[name][1]
            yield form.survey.find(
                "parameter-value", item.row.number, "parameters", name=name, value=value, wanted=wanted
            )
