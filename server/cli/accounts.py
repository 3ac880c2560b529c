"""``passerelle user``: people of the office, their passwords and tokens."""

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table

ROLES = ("enumerator", "supervisor", "manager", "statistician", "administrator")


@click.group()
def user() -> None:
    """Add people of the office; give them passwords and tokens."""


@user.command(
    epilog="""\b
Examples:
  passerelle user add amina --role manager
  passerelle user add statistics-job --role statistician --no-password
"""
)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the person may do.")
@click.option("--no-password", is_flag=True, help="Tokens only; no login at the console.")
@click.option("--ask", is_flag=True, help="Ask for the password instead of making one.")
@json_option
@pass_desk
def add(desk: Desk, name: str, role: str, no_password: bool, ask: bool, as_json: bool) -> None:
    """Add a user and print the password, this once."""
    from server.clock import utc_now
    from server.services import accounts

    password = None if no_password else _password(ask=ask)
    with desk.context() as context, context.database.transaction() as session:
        account = accounts.add_user(session, name=name, role=role, password=password, actor=actor(), now=utc_now())
    if as_json:
        print_json({"name": account.name, "role": account.role, "password": None if ask else password})
        return
    click.echo(f"Added {account.name}, {account.role}.")
    if password is not None and not ask:
        click.echo(f"Password, shown this once: {password}")


@user.command("list", epilog="\b\nExample:\n  passerelle user list\n")
@json_option
@pass_desk
def list_users(desk: Desk, as_json: bool) -> None:
    """List users."""
    from server.services import accounts

    with desk.context() as context, context.database.read() as session:
        found = accounts.list_users(session)
    if as_json:
        print_json(found)
        return
    rows = [(one.name, one.role, one.has_password, one.tokens, one.created_at) for one in found]
    print_table("Users", ("name", "role", "password", "tokens", "added"), rows, numbers=("tokens",))


@user.command(epilog="\b\nExamples:\n  passerelle user token amina\n  passerelle user token amina --revoke\n")
@click.argument("name")
@click.option("--revoke", is_flag=True, help="Revoke all tokens of the user instead.")
@json_option
@pass_desk
def token(desk: Desk, name: str, revoke: bool, as_json: bool) -> None:
    """Make an API token for a user and print it, this once."""
    from server.clock import utc_now
    from server.services import accounts

    with desk.context() as context, context.database.transaction() as session:
        if revoke:
            count = accounts.revoke_tokens(session, name=name, actor=actor(), now=utc_now())
            made = None
        else:
            count = 0
            made = accounts.issue_token(session, name=name, actor=actor(), now=utc_now())
    if as_json:
        print_json({"name": name, "revoked": count} if revoke else {"name": name, "token": made})
    else:
        click.echo(f"Revoked {count} tokens of {name}." if revoke else made)


@user.command(epilog="\b\nExample:\n  passerelle user password amina\n")
@click.argument("name")
@click.option("--ask", is_flag=True, help="Ask for the password instead of making one.")
@pass_desk
def password(desk: Desk, name: str, ask: bool) -> None:
    """Give a user another password and print it, this once."""
    from server.clock import utc_now
    from server.services import accounts

    chosen = _password(ask=ask)
    with desk.context() as context, context.database.transaction() as session:
        accounts.set_password(session, name=name, password=chosen, actor=actor(), now=utc_now())
    click.echo(f"{name} has another password." if ask else f"Password of {name}, shown this once: {chosen}")


def _password(*, ask: bool) -> str:
    from server.services import accounts

    if ask:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return accounts.generated_password()
