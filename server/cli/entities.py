"""``passerelle entity``: lists of households, people or places that forms read, create and update."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.desk import Command, Desk, actor, json_option, pass_desk, print_json, print_table, working
from server.cli.edge import Refusal
from server.cli.private_files import write_privately

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from server.context import Context
    from server.db.queries.entity_lists import StoredList
    from server.services.change_entities import Office

COUNTS = ("live", "conflict", "waiting", "pending", "deleted")


def project_option(command: Command) -> Command:
    """Give a command ``--project``."""
    return click.option("--project", default=1, show_default=True, metavar="NUMBER", help="The list's project.")(
        command
    )


@click.group()
def entity() -> None:
    """Set up entity lists; import, change and export what is in them."""


@entity.command("list", epilog="\b\nExample:\n  passerelle entity list --json\n")
@json_option
@pass_desk
def list_all(desk: Desk, as_json: bool) -> None:
    """List entity lists and how many entities they have."""
    from server.services import list_entities

    with desk.context() as context, context.database.read() as session:
        found = [one.members() for one in list_entities.list_lists(session)]
    if as_json:
        print_json(found)
        return
    rows = [
        (one["project"], one["name"], *(one["entities"][name] for name in COUNTS), one["needs_approval"],
         ", ".join(one["properties"]))
        for one in found
    ]  # fmt: skip
    print_table("Entity lists", ("project", "list", *COUNTS, "approval", "properties"), rows, numbers=COUNTS)


@entity.command("create-list", epilog="\b\nExample:\n  passerelle entity create-list villages --property district\n")
@click.argument("name")
@click.option("--property", "properties", multiple=True, metavar="NAME", help="A property; give it as often as needed.")
@project_option
@pass_desk
def create_list(desk: Desk, name: str, properties: tuple[str, ...], project: int) -> None:
    """Make a list. Forms that save to a list make it by themselves when they are published."""
    from server.clock import utc_now
    from server.services import set_up_entity_list

    with desk.context() as context, context.database.transaction() as session:
        set_up_entity_list.create_list(
            session, project_id=project, name=name, properties=properties, user=actor(), now=utc_now()
        )
    click.echo(f"Made the list {name}.")


@entity.command(
    "set-list",
    epilog="""\b
Examples:
  passerelle entity set-list households --needs-approval
  passerelle entity set-list households --assign enumerator_code --to enumerator
""",
)
@click.argument("name")
@click.option("--needs-approval/--no-approval", default=None, help="Whether interviews change it only once approved.")
@click.option("--mode", metavar="MODE", help="Whose interviews change it: survey, pilot or training.")
@click.option("--assign", metavar="PROPERTY", help="A tablet gets the entities with its own code; empty for all.")
@click.option("--to", type=click.Choice(("enumerator", "team")), help="Whose code the property holds.")
@project_option
@pass_desk
def set_list(
    desk: Desk, name: str, needs_approval: bool | None, mode: str | None, assign: str | None, to: str | None,
    project: int,
) -> None:  # fmt: skip
    """Say how a list works."""
    from server.clock import utc_now
    from server.services import set_up_entity_list
    from server.services.set_up_entity_list import ListSettings

    whose = "" if assign == "" else to
    asked = ListSettings(needs_approval=needs_approval, mode=mode, assigned_property=assign, assigned_to=whose)
    with desk.context() as context, context.database.transaction() as session:
        found = _list(session, project, name)
        set_up_entity_list.set_list(
            session, found.list_id, asked, keystore=context.keystore, user=actor(), now=utc_now()
        )
    click.echo(f"Set the list {name}.")


@entity.command("import", epilog="\b\nExample:\n  passerelle entity import villages villages.csv\n")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE.csv")
@click.option("--note", default="", metavar="TEXT", help="Why; sealed with the decision.")
@project_option
@json_option
@pass_desk
def import_file(desk: Desk, name: str, file: Path, note: str, project: int, as_json: bool) -> None:
    """Create and update entities from a CSV file with a column `label`; the same file again changes nothing.

    Rows with a known id in the column `name` update that entity. All rows are checked before anything is stored.
    """
    from server.errors import EntitiesInvalid
    from server.services import change_entities

    try:
        with working("Importing …"), desk.context() as context, context.database.transaction() as session:
            found = _list(session, project, name)
            report = change_entities.import_file(
                session, found.list_id, file.read_bytes(), office=_office(context, note)
            )
    except EntitiesInvalid as problem:
        for error in problem.members.get("errors", ()):
            click.echo(error)
        raise
    if as_json:
        print_json(report)
    else:
        click.echo(f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged.")


@entity.command(
    epilog="""\b
Examples:
  passerelle entity show households --conflicts
  passerelle entity show households 5f0c2d1e-8a51-4c7b-9d3e-0f1a2b3c4d5e
"""
)
@click.argument("name")
@click.argument("id", required=False)
@click.option("--state", metavar="STATE", default="", help="Only those that are live, deleted, waiting or pending.")
@click.option("--conflicts", is_flag=True, help="Only those about which interviews differ.")
@project_option
@json_option
@pass_desk
def show(desk: Desk, name: str, id: str | None, state: str, conflicts: bool, project: int, as_json: bool) -> None:
    """Show the entities of a list, or one of them with who says what where values differ.

    The look is written into the audit trail.
    """
    from server.services import list_entities

    with desk.context() as context, context.database.transaction() as session:
        found = _looked_at(session, project, name, detail=id or "")
        if id is None:
            shown = list_entities.list_entities(
                session, found.list_id, keystore=context.keystore, state=state, in_conflict=conflicts
            )
        else:
            shown = [list_entities.show_entity(session, found.list_id, _id(id), keystore=context.keystore)]
    if as_json:
        print_json(shown if id is None else shown[0])
        return
    rows = [
        (one.id, one.state, one.version, one.label,
         "; ".join(f"{name}={value}" for name, value in one.properties.items()),
         "; ".join(f"{name}: {' / '.join(claim.value for claim in claims)}" for name, claims in one.conflicts.items()))
        for one in shown
    ]  # fmt: skip
    columns = ("id", "state", "version", "label", "properties", "differing")
    print_table(f"Entities of {name}", columns, rows, numbers=("version",))


@entity.command(
    epilog="""\b
Examples:
  passerelle entity update households 5f0c2d1e-8a51-4c7b-9d3e-0f1a2b3c4d5e --set persons=6
  passerelle entity update households 5f0c2d1e-8a51-4c7b-9d3e-0f1a2b3c4d5e --label "Diallo, house 12"
"""
)
@click.argument("name")
@click.argument("id")
@click.option("--label", metavar="TEXT", help="Its new label.")
@click.option("--set", "pairs", multiple=True, metavar="PROPERTY=VALUE", help="A value; give it as often as needed.")
@click.option("--note", default="", metavar="TEXT", help="Why; sealed with the decision.")
@project_option
@pass_desk
def update(desk: Desk, name: str, id: str, label: str | None, pairs: tuple[str, ...], note: str, project: int) -> None:
    """Write values to an entity. What interviews differ about is settled by it."""
    from server.services import change_entities

    if not all("=" in pair for pair in pairs):
        raise Refusal("write --set PROPERTY=VALUE.")
    values = dict(pair.split("=", 1) for pair in pairs) | ({} if label is None else {"label": label})
    with desk.context() as context, context.database.transaction() as session:
        found = _list(session, project, name)
        change_entities.update(session, found.list_id, _id(id), values, office=_office(context, note))
    click.echo("Written. Tablets get it with their next look at the form list.")


@entity.command(epilog="\b\nExample:\n  passerelle entity delete households 5f0c2d1e-8a51-4c7b-9d3e-0f1a2b3c4d5e\n")
@click.argument("name")
@click.argument("id")
@click.option("--restore", is_flag=True, help="Take it back.")
@click.option("--note", default="", metavar="TEXT", help="Why; sealed with the decision.")
@project_option
@pass_desk
def delete(desk: Desk, name: str, id: str, restore: bool, note: str, project: int) -> None:
    """Delete an entity; tablets forget it. It stays stored and can be restored."""
    from server.services import change_entities

    with desk.context() as context, context.database.transaction() as session:
        found = _list(session, project, name)
        do = change_entities.restore if restore else change_entities.delete
        do(session, found.list_id, _id(id), office=_office(context, note))
    click.echo("Restored." if restore else "Deleted.")


@entity.command(epilog="\b\nExample:\n  passerelle entity export households households.csv\n")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.csv")
@project_option
@pass_desk
def export(desk: Desk, name: str, file: Path, project: int) -> None:
    """Write a list to a CSV file, as tablets get it; `import` takes it back. The audit trail says so."""
    from server.services import list_entities

    with desk.context() as context, context.database.transaction() as session:
        found = _looked_at(session, project, name, detail="export")
        content = list_entities.export_list(session, found.list_id, keystore=context.keystore)
    write_privately(file, [content])
    click.echo(f"Wrote {file}.")


def _list(session: "Session", project: int, name: str) -> "StoredList":
    from server.db.queries import entity_lists

    found = entity_lists.list_named(session, project_id=project, name=name)
    if found is None:
        raise Refusal(f"project {project} has no entity list {name}: `passerelle entity list` shows what there is.")
    return found


def _looked_at(session: "Session", project: int, name: str, *, detail: str) -> "StoredList":
    """Return a list whose entities are shown once this is on disk: who looks is written down."""
    from server.clock import utc_now
    from server.services import list_entities

    found = _list(session, project, name)
    return list_entities.note_look(session, found.list_id, user=actor(), now=utc_now(), detail=detail)


def _office(context: "Context", note: str) -> "Office":
    from server.clock import utc_now
    from server.services.change_entities import Office

    return Office(keystore=context.keystore, user=actor(), now=utc_now(), note=note)


def _id(text: str) -> bytes:
    from forms.entities import entity_id_bytes

    found = entity_id_bytes(text)
    if found is None:
        raise Refusal("an entity is named by a version 4 UUID: `passerelle entity show LIST` lists them.")
    return found
