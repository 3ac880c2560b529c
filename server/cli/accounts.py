"""``passerelle user``: people of the office, what each sees, their passwords and tokens."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table
from server.cli.projects import project_numbers

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from server.services.accounts import Account

ROLES = ("enumerator", "supervisor", "manager", "statistician", "administrator")
PROJECTS = click.option("--project", "in_projects", multiple=True, metavar="NAME", help="In this project; repeat it.")


@click.group()
def user() -> None:
    """Add people of the office; say what each sees; give them passwords and tokens."""


@user.command(
    epilog="""\b
Examples:
  passerelle user add amina --role manager
  passerelle user add sami --role supervisor --team 01 --project Pilot
  passerelle user add statistics-job --role statistician --no-password
"""
)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the person may do.")
@click.option("--team", default="", metavar="CODE", help="Of a supervisor: no other team's rows are shown.")
@click.option("--enumerator", default="", metavar="CODE", help="Of an enumerator: no one else's rows are shown.")
@PROJECTS
@click.option("--no-password", is_flag=True, help="Tokens only; no login at the console.")
@click.option("--ask", is_flag=True, help="Ask for the password instead of making one.")
@json_option
@pass_desk
def add(desk: Desk, /, name: str, no_password: bool, ask: bool, as_json: bool, **options: Any) -> None:
    """Add a user and print the password, this once. Without --project, the person is in every project."""
    from server.clock import utc_now
    from server.services import accounts

    password = None if no_password else _password(ask=ask)
    with desk.context() as context, context.database.transaction() as session:
        account = accounts.add_user(
            session, name=name, password=password, actor=actor(), now=utc_now(), **_placed(session, options)
        )
    if as_json:
        print_json({"name": account.name, "role": account.role, "password": None if ask else password})
        return
    click.echo(f"Added {account.name}, {account.role}.")
    if password is not None and not ask:
        click.echo(f"Password, shown this once: {password}")


@user.command("list", epilog="\b\nExamples:\n  passerelle user list\n  passerelle user list --json\n")
@json_option
@pass_desk
def list_users(desk: Desk, as_json: bool) -> None:
    """List users."""
    from server.clock import utc_now
    from server.services import accounts, projects

    with desk.context() as context, context.database.read() as session:
        found = accounts.list_users(session, now=utc_now())
        names = {one.project_id: one.name for one in projects.list_projects(session)}
    if as_json:
        print_json(found)
        return
    columns = ("name", "role", "team or code", "projects", "password", "tokens", "added", "disabled")
    rows = [(one.name, one.role, one.team or one.enumerator, _named(one, names), one.has_password, one.tokens,
             one.created_at, one.disabled_at) for one in found]  # fmt: skip
    print_table("Users", columns, rows, numbers=("tokens",))


@user.command(
    epilog="""\b
Examples:
  passerelle user change sami --team 02
  passerelle user change amina --role administrator --every-project
"""
)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="Another role; it ends the person's sessions.")
@click.option("--team", metavar="CODE", help="Another team; empty for all.")
@click.option("--enumerator", metavar="CODE", help="Another enumerator's code.")
@PROJECTS
@click.option("--every-project", is_flag=True, help="In every project, those of later too.")
@json_option
@pass_desk
def change(
    desk: Desk, /, name: str, in_projects: Sequence[str], every_project: bool, as_json: bool, **asked: Any
) -> None:
    """Change what a user may do and sees; what is not named stays. The projects named replace those before."""
    from server.clock import utc_now
    from server.services import accounts

    if every_project and in_projects:
        raise click.UsageError("--project and --every-project exclude each other.")
    with desk.context() as context, context.database.transaction() as session:
        projects = project_numbers(session, in_projects) if in_projects else None
        is_everywhere = True if every_project else False if in_projects else None
        changes = accounts.AccountChanges(**asked, is_in_every_project=is_everywhere, projects=projects)
        changed = accounts.change_user(session, name=name, changes=changes, actor=actor(), now=utc_now())
    if as_json:
        print_json(changed)
    else:
        click.echo(f"Changed {changed.name}, {changed.role}.")


@user.command(epilog="\b\nExample:\n  passerelle user disable amina\n")
@click.argument("name")
@pass_desk
def disable(desk: Desk, name: str) -> None:
    """Shut a user out at once: password, tokens and sessions."""
    from server.clock import utc_now
    from server.services import accounts

    with desk.context() as context, context.database.transaction() as session:
        accounts.disable_user(session, name=name, actor=actor(), now=utc_now())
    click.echo(f"{name} is shut out.")


@user.command(epilog="\b\nExample:\n  passerelle user enable amina\n")
@click.argument("name")
@pass_desk
def enable(desk: Desk, name: str) -> None:
    """Let a user in again who was disabled."""
    from server.clock import utc_now
    from server.services import accounts

    with desk.context() as context, context.database.transaction() as session:
        accounts.enable_user(session, name=name, actor=actor(), now=utc_now())
    click.echo(f"{name} may log in again.")


@user.command(
    epilog="""\b
Examples:
  passerelle user token amina
  passerelle user token statistics-job --label "R at the office" --days 365
  passerelle user token amina --revoke
"""
)
@click.argument("name")
@click.option("--label", default="", metavar="TEXT", help="What it is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it is valid; for ever if not given.")
@click.option("--revoke", is_flag=True, help="Revoke all tokens of the user instead.")
@json_option
@pass_desk
def token(desk: Desk, name: str, label: str, days: int | None, revoke: bool, as_json: bool) -> None:
    """Make an API token for a user and print it, this once."""
    from server.clock import utc_now
    from server.services import api_tokens

    now, made, count = utc_now(), None, 0
    with desk.context() as context, context.database.transaction() as session:
        if revoke:
            count = api_tokens.revoke_tokens(session, name=name, actor=actor(), now=now)
        else:
            expires_at = None if days is None else now + timedelta(days=days)
            made = api_tokens.issue_token(
                session, name=name, actor=actor(), now=now, label=label, expires_at=expires_at
            )
    if as_json:
        print_json({"name": name, "revoked": count} if revoke else {"name": name, "token": made})
    else:
        click.echo(f"Revoked {count} tokens of {name}." if revoke else made)


@user.command(epilog="\b\nExample:\n  passerelle user tokens amina\n")
@click.argument("name")
@json_option
@pass_desk
def tokens(desk: Desk, name: str, as_json: bool) -> None:
    """List the API tokens of a user; never the tokens themselves."""
    from server.services import api_tokens

    with desk.context() as context, context.database.read() as session:
        found = api_tokens.list_tokens(session, name=name)
    if as_json:
        print_json(found)
        return
    rows = [(one.token_id, one.label, one.created_at, one.expires_at, one.revoked_at) for one in found]
    print_table("Tokens", ("id", "for", "made", "valid until", "revoked"), rows)


@user.command("revoke-token", epilog="\b\nExample:\n  passerelle user revoke-token amina 3f1c09ab77e2\n")
@click.argument("name")
@click.argument("token_id", metavar="ID")
@pass_desk
def revoke_token(desk: Desk, name: str, token_id: str) -> None:
    """Revoke one API token of a user by the id that `user tokens` shows."""
    from server.clock import utc_now
    from server.services import api_tokens

    with desk.context() as context, context.database.transaction() as session:
        api_tokens.revoke_token(session, name=name, token_id=token_id, actor=actor(), now=utc_now())
    click.echo(f"Revoked {token_id} of {name}.")


@user.command(epilog="\b\nExample:\n  passerelle user password amina\n")
@click.argument("name")
@click.option("--ask", is_flag=True, help="Ask for the password instead of making one.")
@pass_desk
def password(desk: Desk, name: str, ask: bool) -> None:
    """Give a user another password and print it, this once; it ends the person's sessions."""
    from server.clock import utc_now
    from server.services import accounts

    chosen = _password(ask=ask)
    with desk.context() as context, context.database.transaction() as session:
        accounts.set_password(session, name=name, password=chosen, actor=actor(), now=utc_now())
    click.echo(f"{name} has another password." if ask else f"Password of {name}, shown this once: {chosen}")


def _placed(session: "Session", options: dict[str, Any]) -> dict[str, Any]:
    names = options.pop("in_projects")
    return options | {"in_projects": project_numbers(session, names) if names else None}


def _named(account: "Account", names: dict[int, str]) -> str:
    return "every" if account.projects is None else ", ".join(names[number] for number in account.projects)


def _password(*, ask: bool) -> str:
    from server.services import accounts

    if ask:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return accounts.generated_password()
