"""``passerelle form compare|rehearse``: what a change of a form means for the answers collected so far."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from server.cli.desk import Desk, json_option, pass_desk, print_json
from server.cli.edge import Refusal
from server.cli.form_report import chosen_language, language_option, print_difference, print_findings, print_rehearsal
from server.cli.forms import read_source

if TYPE_CHECKING:
    from forms.evolution.declared import MigrationMap

FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)


def register(group: click.Group) -> None:
    """Add the commands to ``passerelle form``."""
    for command in (compare, rehearse):
        group.add_command(command)


@click.command(
    epilog="""\b
Examples:
  passerelle form compare hh_remit 1 2
  passerelle form compare hh_remit 2 3 --map map.csv --lang fr
"""
)
@click.argument("form_id")
@click.argument("before")
@click.argument("after")
@click.option("--map", "map_file", type=FILE, metavar="FILE", help="Another map (.csv) than the one stored with AFTER.")
@language_option
@json_option
@pass_desk
def compare(desk: Desk, /, form_id: str, before: str, after: str, **options: Any) -> None:
    """Say what changed between two stored versions, and what it breaks that no map settles."""
    from server.services import compare_versions
    from server.services.publish_form.members import difference_members

    language = chosen_language(options["lang"])
    with _explained(language), desk.context() as context, context.database.read() as session:
        declared = None if options["map_file"] is None else _map(options["map_file"])
        difference = compare_versions.compare_stored(
            session, context.microdata, form_id=form_id, before=before, after=after, declared=declared
        )
    told = difference_members(difference)
    if options["as_json"]:
        print_json(told)
    else:
        print_difference(told, language)


@click.command(
    epilog="""\b
Examples:
  passerelle form rehearse survey.xlsx
  passerelle form rehearse survey.xlsx --map map.csv --lang fr
"""
)
@click.argument("source", metavar="FILE|NAME")
@click.option("--map", "map_file", type=FILE, metavar="FILE", help="Migration map (.csv), if no sheet `map` has it.")
@language_option
@json_option
@pass_desk
def rehearse(desk: Desk, /, source: str, **options: Any) -> None:
    """Read every interview collected so far as of a new version, and count what has no place in it.

    Nothing is stored and no answer is shown: only how many, and the codes of choices.
    """
    from forms.evolution.declared import EMPTY_MAP
    from server.services import compare_versions, publish_form
    from server.services.publish_form.members import finding_members

    language = chosen_language(options["lang"])
    with _explained(language), desk.context() as context:
        prepared = publish_form.prepare(*read_source(source))
        declared = prepared.declared if options["map_file"] is None else _map(options["map_file"])
        with context.database.read() as session:
            rehearsal = compare_versions.rehearse_map(
                session, context.microdata, after=prepared.definition, declared=declared or EMPTY_MAP
            )
            remarks = compare_versions.check_against_published(
                session, context.microdata, after=prepared.definition, declared=declared or EMPTY_MAP
            )
    told = rehearsal.members()
    if options["as_json"]:
        print_json(told | {"findings": finding_members(remarks)})
        return
    if remarks:
        print_findings(finding_members(remarks), language)
    print_rehearsal(told, language)


def _map(path: Path) -> "MigrationMap":
    from forms.evolution.declared import read_map

    return read_map(path.read_bytes(), path.name)


@contextmanager
def _explained(language: str) -> Iterator[None]:
    """Show the findings of a map or workbook that cannot be read as a table, then refuse."""
    from forms.workbook.findings import WorkbookError
    from server.errors import WorkbookInvalid
    from server.services.publish_form.members import finding_members

    try:
        yield
    except WorkbookError as error:
        print_findings(finding_members(error.findings), language)
        raise Refusal("the map cannot be read.") from None
    except WorkbookInvalid as error:
        print_findings(error.members.get("findings", ()), language)
        raise Refusal("the workbook is not a form yet.") from None
