"""What is wrong in a manager's file, in the manager's own sheet, row and column, and how to mend it.

A finding speaks English and French (`what`, `mend`: language → one sentence). It may quote the workbook, never an
answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from forms.findings import Severity
from forms.model import Texts

LANGUAGES: Final = ("en", "fr")
"""The first is what a reader gets whose language there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkbookFinding:
    """One thing that is wrong or noteworthy in a workbook, a map file or an XForm.

    Attributes:
        code: stable word, e.g. ``unknown-reference``; documented in docs/reference/findings.md.
        sheet, row, column: where, as the manager's program shows it: row from 1 (the header is row 1), column as its
            header is written; None where the finding is about something larger.
        cell: such as ``F12``, empty where there is no single cell.
        what, mend: what is wrong and how to mend it, one sentence a language.
    """

    code: str
    severity: Severity
    sheet: str | None = None
    row: int | None = None
    column: str | None = None
    cell: str = ""
    what: Texts
    mend: Texts

    @property
    def place(self) -> str:
        """Where, in one word: ``survey:12:relevant``, or ``workbook``."""
        return ":".join(str(part) for part in (self.sheet, self.row, self.column) if part is not None) or "workbook"

    def message(self, language: str = "en") -> str:
        """Return what and how to mend it, in a language that there is."""
        chosen = language if language in self.what else LANGUAGES[0]
        return f"{self.what[chosen]} {self.mend[chosen]}".strip()

    def members(self) -> Mapping[str, object]:
        """Return what JSON shows of a finding."""
        return {
            "code": self.code,
            "severity": self.severity,
            "sheet": self.sheet,
            "row": self.row,
            "column": self.column,
            "cell": self.cell,
            "what": dict(self.what),
            "mend": dict(self.mend),
        }


class WorkbookError(Exception):
    """A file cannot become a form version; ``findings`` say everything that is wrong, errors first."""

    def __init__(self, findings: tuple[WorkbookFinding, ...]) -> None:
        super().__init__(" ".join(f"{finding.place}: {finding.message()}" for finding in findings[:3]))
        self.findings = findings
