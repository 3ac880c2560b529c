"""Which files a form asks for, and whether they are there."""

import re
from collections.abc import Iterable
from typing import Final

from forms.documents import parse_xml
from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint.catalogue import finding

MAX_XFORM_BYTES: Final = 32 << 20
_ADDRESS: Final = re.compile(r"jr://(?:file|file-csv|images|image|audio|video)/([^\s\"'<>][^\"'<>\n]*)")
_PULLED: Final = re.compile(r"\bpulldata\(\s*['\"]([^'\"]+)['\"]")
_SEARCHED: Final = re.compile(r"\bsearch\(\s*['\"]([^'\"]+)['\"]")


def asked_files(xform: bytes) -> frozenset[str]:
    """Return the names of the files that an XForm shows or reads, as it writes them.

    ``pulldata('villages', …)`` and ``search('villages')`` ask for ``villages.csv``.
    """
    found: set[str] = set()
    for element in parse_xml(xform, max_bytes=MAX_XFORM_BYTES).iter():
        for text in (element.text or "", *map(str, element.attrib.values())):
            found.update(name.strip() for name in _ADDRESS.findall(text))
            for pattern in (_PULLED, _SEARCHED):
                found.update(_as_csv(name.strip()) for name in pattern.findall(text))
    return frozenset(found)


def check_references(asked: Iterable[str], given: Iterable[str]) -> tuple[WorkbookFinding, ...]:
    """Compare what a form asks for with what it was given: a missing file is a warning, an idle one a note."""
    asked_names, given_names = frozenset(asked), frozenset(given)
    missing = (finding("media-missing", name=name) for name in sorted(asked_names - given_names))
    idle = (finding("media-unused", name=name) for name in sorted(given_names - asked_names))
    return (*missing, *idle)


def _as_csv(name: str) -> str:
    return name if name.lower().endswith(".csv") else f"{name}.csv"
