"""The reference page of all findings: ``python -m forms.workbook.lint.catalogue.page > docs/reference/findings.md``."""

import sys

from forms.workbook.lint.catalogue import SECTIONS
from forms.workbook.lint.catalogue.entry import Entry

_INTRODUCTION = """# Findings in forms

What `passerelle form publish` and `POST /api/v1/forms/{id}/versions` say about a workbook (.xlsx, .xls, .csv, .md) or
an XForm (.xml): everything at once, each finding with a severity, a stable code, the sheet, row, column and cell as the
spreadsheet shows them, what is wrong and how to mend it, in English and French.

- **error**: the form cannot be published: the converter or the engine inside ODK Collect would refuse it.
- **warning**: it can be published, and something in it is almost surely not meant.
- **note**: worth knowing; nothing may be wrong.

A rule that is not sure says nothing. Where a severity depends on the case, the usual one stands here; a finding carries
its own. Words in `{braces}` are filled in.

This page is made from the catalogue in `forms/workbook/lint/catalogue`; a test compares the two.
"""


def reference_page() -> str:
    """Return the page as Markdown."""
    parts = [_INTRODUCTION]
    for title, entries in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts.extend(_section(entry) for entry in entries)
    return "\n".join(parts)


def _section(entry: Entry) -> str:
    lines = [f"### {entry.code}", "", f"**{entry.severity}** · Example: {entry.example}", ""]
    for language in ("en", "fr"):
        lines.append(f"- {language}: {_shown(f'{entry.what[language]} {entry.mend[language]}'.strip())}")
    return "\n".join([*lines, ""])


def _shown(template: str) -> str:
    # Doubled braces are how a template writes one.
    return template.replace("{{", "\0").replace("}}", "\1").replace("\0", "{").replace("\1", "}")


if __name__ == "__main__":
    sys.stdout.write(reference_page())
