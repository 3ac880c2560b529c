"""The checks of the survey's questionnaire: findings on interviews that are stored already, never a refusal.

Pure arithmetic on answers and on what is known around them. `catalogue` says what each code means, `scores` looks at
interviews beside each other. K1 to K3 are found by the fold.
"""

from server.statistics.hh_remit.answers import Answers
from server.statistics.hh_remit.checks.catalogue import RULES, Rule
from server.statistics.hh_remit.checks.costs import check_costs
from server.statistics.hh_remit.checks.dates import check_dates
from server.statistics.hh_remit.checks.finding import (
    SEVERITIES,
    CheckFinding,
    Place,
    Point,
    Severity,
    Surroundings,
)
from server.statistics.hh_remit.checks.money import check_money
from server.statistics.hh_remit.checks.roster import check_roster
from server.statistics.hh_remit.checks.visit import check_visit

__all__ = [
    "RULES",
    "SEVERITIES",
    "CheckFinding",
    "Place",
    "Point",
    "Rule",
    "Severity",
    "Surroundings",
    "check_interview",
]


def check_interview(answers: Answers, around: Surroundings) -> tuple[CheckFinding, ...]:
    """Return the findings of one interview, sorted.

    Args:
        answers: of the analysis store, as ``forms.structure.read_answers`` gives them.
        around: what is known beside them.
    """
    checks = (check_dates, check_roster, check_money, check_costs, check_visit)
    return tuple(sorted({finding for check in checks for finding in check(answers, around)}, key=_order))


def _order(finding: CheckFinding) -> tuple[str, str]:
    return finding.code, finding.path
