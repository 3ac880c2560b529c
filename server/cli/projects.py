"""``passerelle project``: surveys side by side, each with its forms, app users, tablets and people."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table
from server.cli.edge import Refusal

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Command = TypeVar("Command", bound=Callable[..., Any])


def project_option(command: Command) -> Command:
    """Give a command ``--project``."""
    return click.option("--project", metavar="NAME", help="In which project; not needed where there is only one.")(
        command
    )


def chosen_project(session: "Session", name: str | None) -> int:
    """Return the number of a project by its name, or of the only one that is open.

    Raises:
        NotFound: there is none of this name.
        Refusal: there are several, and none is named.
    """
    from server.services import projects

    if name is not None:
        return projects.find_project(session, name).project_id
    open_ones = [one for one in projects.list_projects(session) if one.archived_at is None]
    if len(open_ones) != 1:
        names = ", ".join(one.name for one in open_ones) or "none is open"
        raise Refusal(f"say in which project with --project NAME ({names}).")
    return open_ones[0].project_id


def project_numbers(session: "Session", names: Sequence[str]) -> frozenset[int]:
    """Return the numbers of projects by their names.

    Raises:
        NotFound: there is none of a name.
    """
    from server.services import projects

    return frozenset(projects.find_project(session, name).project_id for name in names)


@click.group()
def project() -> None:
    """Keep several surveys side by side on one server."""


@project.command(epilog='\b\nExample:\n  passerelle project add "Returned migrants 2026"\n')
@click.argument("name")
@json_option
@pass_desk
def add(desk: Desk, name: str, as_json: bool) -> None:
    """Add a project; forms, app users, tablets and people are then given to it by name."""
    from server.clock import utc_now
    from server.services import projects

    with desk.context() as context, context.database.transaction() as session:
        added = projects.add_project(session, name=name, user=actor(), now=utc_now())
    if as_json:
        print_json(added)
    else:
        click.echo(f"Added project {added.project_id}, {added.name}.")


@project.command("list", epilog="\b\nExample:\n  passerelle project list --json\n")
@json_option
@pass_desk
def list_projects(desk: Desk, as_json: bool) -> None:
    """List projects; archived ones too."""
    from server.services import projects

    with desk.context() as context, context.database.read() as session:
        found = projects.list_projects(session)
    if as_json:
        print_json(found)
        return
    rows = [(one.project_id, one.name, one.created_at, one.archived_at) for one in found]
    print_table("Projects", ("number", "name", "added", "archived"), rows, numbers=("number",))


@project.command(epilog='\b\nExample:\n  passerelle project rename Survey "Labour migration 2026"\n')
@click.argument("name")
@click.argument("new_name", metavar="NEW-NAME")
@pass_desk
def rename(desk: Desk, name: str, new_name: str) -> None:
    """Give a project another name; its number, which addresses of tablets hold, stays."""
    from server.clock import utc_now
    from server.services import projects

    with desk.context() as context, context.database.transaction() as session:
        number = projects.find_project(session, name).project_id
        renamed = projects.rename_project(session, project_id=number, name=new_name, user=actor(), now=utc_now())
    click.echo(f"Project {renamed.project_id} is called {renamed.name}.")


@project.command(
    epilog="\b\nExamples:\n  passerelle project archive Pilot\n  passerelle project archive Pilot --undo\n"
)
@click.argument("name")
@click.option("--undo", is_flag=True, help="Take it out of the archive again.")
@pass_desk
def archive(desk: Desk, name: str, undo: bool) -> None:
    """Archive a project: nothing is published nor given out in it; what tablets still send is taken."""
    from server.clock import utc_now
    from server.services import projects

    change = projects.reopen_project if undo else projects.archive_project
    with desk.context() as context, context.database.transaction() as session:
        number = projects.find_project(session, name).project_id
        change(session, project_id=number, user=actor(), now=utc_now())
    click.echo(f"{name} is open again." if undo else f"{name} is archived.")
