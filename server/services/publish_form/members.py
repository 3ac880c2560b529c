"""What JSON shows of an upload: the same for a program, at the command line and over HTTP."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from forms.evolution.changes import Difference
from forms.workbook.findings import WorkbookFinding


def finding_members(findings: Iterable[WorkbookFinding]) -> list[dict[str, object]]:
    """Return the members of findings."""
    return [dict(finding.members()) for finding in findings]


def difference_members(difference: Difference | None) -> dict[str, Any] | None:
    """Return the members of a difference, with its verdict."""
    if difference is None:
        return None
    return {
        "before": difference.before,
        "after": difference.after,
        "verdict": difference.verdict,
        "changes": [plain(change) for change in difference.changes],
    }


def plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(member) for member in value]
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, datetime) else value
