"""Whether a migration map is right: it names what there is, every old code has an image, its rules can be followed."""

from forms.definition import FormDefinition
from forms.evolution.declared import MigrationMap
from forms.workbook.findings import WorkbookFinding


def check_map(before: FormDefinition, after: FormDefinition, declared: MigrationMap) -> tuple[WorkbookFinding, ...]:
    """Return everything that is wrong with a map, errors first; findings stand on the sheet ``map``.

    The map is usable (``upgrade_between`` follows all of it) when no finding is an error.
    """
    raise NotImplementedError
