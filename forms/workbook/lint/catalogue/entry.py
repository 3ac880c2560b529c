"""One entry of the catalogue."""

from dataclasses import dataclass

from forms.findings import Severity
from forms.model import Texts


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code means.

    Attributes:
        what, mend: templates by language, with blanks such as ``{name}``.
        example: what in a workbook gives the finding, for the reference page.
    """

    code: str
    severity: Severity
    what: Texts
    mend: Texts
    example: str


def entry(code: str, severity: Severity, example: str, *, en: tuple[str, str], fr: tuple[str, str]) -> Entry:
    """Make an entry; ``en`` and ``fr`` are what is wrong and how to mend it."""
    return Entry(code, severity, {"en": en[0], "fr": fr[0]}, {"en": en[1], "fr": fr[1]}, example)
