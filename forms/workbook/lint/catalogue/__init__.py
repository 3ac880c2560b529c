"""The catalogue of what a linter can say: one entry a code, in English and French.

Codes are stable: programs and people look for them. docs/reference/findings.md is made from here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from forms.findings import Severity
from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint.catalogue import columns, expressions, files, lists, packages, questions
from forms.workbook.lint.catalogue.entry import Entry

SECTIONS: Final[Mapping[str, tuple[Entry, ...]]] = {
    "Files and sheets": files.ENTRIES,
    "Questions, groups and names": questions.ENTRIES,
    "Choices and languages": lists.ENTRIES,
    "References and expressions": expressions.ENTRIES,
    "Columns of the data": columns.ENTRIES,
    "Packages and maps": packages.ENTRIES,
}
CATALOGUE: Final[Mapping[str, Entry]] = {entry.code: entry for entries in SECTIONS.values() for entry in entries}

_LONGEST_QUOTE: Final = 120
_LONGEST_MESSAGE: Final = 1000


def finding(
    code: str,
    *,
    sheet: str | None = None,
    row: int | None = None,
    column: str | None = None,
    cell: str = "",
    severity: Severity | None = None,
    blanks: Mapping[str, object] = MappingProxyType({}),
    **values: object,
) -> WorkbookFinding:
    """Make a finding from its entry; ``values`` and ``blanks`` fill the blanks of the templates.

    Raises:
        KeyError: the code is not in the catalogue, or a blank of its templates has no value.
    """
    entry = CATALOGUE[code]
    filled = {name: _quoted(name, value) for name, value in {**blanks, **values}.items()}
    return WorkbookFinding(
        code=code,
        severity=severity or entry.severity,
        sheet=sheet,
        row=row,
        column=column,
        cell=cell,
        what={language: text.format_map(filled) for language, text in entry.what.items()},
        mend={language: text.format_map(filled) for language, text in entry.mend.items()},
    )


def _quoted(name: str, value: object) -> str:
    text = " ".join(str(value).split())
    longest = _LONGEST_MESSAGE if name == "message" else _LONGEST_QUOTE
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
