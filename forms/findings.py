"""A finding: one thing that is wrong or noteworthy about a form or an interview.

Findings never hold an answer, so that they may be logged, counted and shown to anybody who may see the form.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        code: stable word, e.g. ``constraint`` or ``not-a-choice``.
        path: where: the path of a node (``/data/c/member[2]/c_age``) or a place of the workbook (``survey:12``).
        message: what is wrong; never an answer.
    """

    code: str
    severity: Severity
    path: str
    message: str
