"""Files beside the form: named and not given, given and not named."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint import vocabulary as words
from forms.workbook.lint.catalogue import finding
from forms.workbook.lint.form import Form, Page

_FILE_CALL: Final = re.compile(r"(?:pulldata|search)\(\s*['\"]([^'\"]+)['\"]")
_EXTERNAL: Final = {"csv-external": ".csv", "xml-external": ".xml"}
_FROM_FILE: Final = ("select_one_from_file", "select_multiple_from_file")

Place = tuple[Page, int, str]


def media(form: Form, given: Mapping[str, bytes]) -> Iterator[WorkbookFinding]:
    """Compare the files that a form names with those that came with it; nothing is said where none came."""
    if not given:
        return
    named: dict[str, Place] = {}
    for name, place in _named(form):
        named.setdefault(name, place)
    folded = {name.casefold() for name in given}
    for name, (page, row, column) in named.items():
        if name.casefold() not in folded and "${" not in name:
            yield page.find("media-missing", row, column, name=name)
    wanted = {name.casefold() for name in named}
    for name in given:
        if name.casefold() not in wanted:
            yield finding("media-unused", name=name)


def _named(form: Form) -> Iterator[tuple[str, Place]]:
    for page in (form.survey, form.choices):
        for row in page.rows if page else ():
            for (column, _language), text in row.texts.items():
                if page is not None and column in words.MEDIA and text != "-":
                    yield text.removeprefix("jr://images/"), (page, row.number, column)
    for item in form.items:
        number = item.row.number
        if item.type in _FROM_FILE:
            yield item.list_name, (form.survey, number, "type")
        elif item.type in _EXTERNAL:
            yield f"{item.name}{_EXTERNAL[item.type]}", (form.survey, number, "name")
        for column, text in item.row.cells.items():
            for name in _FILE_CALL.findall(text):
                full = name if "." in name else f"{name}.csv"
                yield full, (form.survey, number, column)
