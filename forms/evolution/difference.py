"""The difference of two versions in the manager's words, each change with a verdict and what a map settles."""

from collections.abc import Mapping

from forms.definition import FormDefinition
from forms.evolution.changes import Difference
from forms.evolution.declared import EMPTY_MAP, MigrationMap


def compare(
    before: FormDefinition,
    after: FormDefinition,
    declared: MigrationMap = EMPTY_MAP,
    *,
    indicators: Mapping[str, tuple[str, ...]] | None = None,
) -> Difference:
    """Compare two versions of a form; never raises, whatever the map says (``check_map`` judges the map).

    Args:
        declared: the map from ``before`` to ``after``; it pairs renamed questions and settles changes.
        indicators: question name → ids of the published figures that rest on it.
    """
    raise NotImplementedError
