"""``passerelle app-user``: who may use ODK Collect, and the settings code that its tablet scans."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table
from server.cli.devices import tablets_url
from server.cli.private_files import write_privately
from server.cli.projects import chosen_project, project_option

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from server.context import Context
    from server.db.queries.devices import StoredAppUser
    from server.services.collect_settings import Reach, Settings

Command = TypeVar("Command", bound=Callable[..., Any])

MODES: Final = ("survey", "training", "pilot")
PICTURE: Final = click.Path(path_type=Path, dir_okay=False, writable=True)
WISHES: Final = {
    "admin_password": "admin_password",
    "locked": "is_locked",
    "update_mode": "form_update_mode",
    "update_check": "update_check",
    "autosend": "autosend",
    "delete_sent": "is_deleted_when_sent",
    "image_size": "image_size",
    "constraints": "constraint_behavior",
    "icon": "project_icon",
    "colour": "project_colour",
    "title": "project_name",
}
"""Option → member of `Wishes`."""


def settings_options(command: Command) -> Command:
    """Give a command what an office may want of a tablet, and where its settings code goes."""
    options = (
        click.option("--server", metavar="URL", help="How the tablet reaches this server; else PASSERELLE_BASE_URL."),
        click.option("--password", "by_password", is_flag=True, help="A user name and a password in place of a token."),
        click.option("--qr", is_flag=True, help="Draw the settings as a QR code that Collect scans."),
        click.option("--png", type=PICTURE, metavar="FILE", help="Write the QR code as PNG."),
        click.option("--svg", type=PICTURE, metavar="FILE", help="Write the QR code as SVG."),
        click.option("--admin-password", metavar="TEXT", help="Of Collect's administrator, for its settings."),
        click.option("--locked", is_flag=True, default=None, help="Lock server, updates and sending away."),
        click.option("--update-mode", metavar="WORD", help="manual, previously_downloaded or match_exactly (usual)."),
        click.option("--update-check", metavar="WORD", help="How often: every_one_hour is usual."),
        click.option("--autosend", metavar="WORD", help="off, wifi_only, cellular_only or wifi_and_cellular (usual)."),
        click.option("--delete-sent", is_flag=True, default=None, help="Delete forms from the tablet once sent."),
        click.option("--image-size", metavar="WORD", help="very_small, small, medium, large or original_image_size."),
        click.option("--constraints", metavar="WORD", help="Check answers on_swipe or on_finalize."),
        click.option("--title", metavar="TEXT", help="Name in Collect; the project's if not given."),
        click.option("--icon", metavar="CHARACTER", help="Letter or emoji beside the name."),
        click.option("--colour", metavar="#RRGGBB", help="Behind the icon."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group("app-user")
def app_user() -> None:
    """Let ODK Collect in: one app user an enumerator."""


@app_user.command(
    epilog="""\b
Examples:
  passerelle app-user create "Tablet 12" --enumerator 0012 --qr
  passerelle app-user create "Tablet 13" --enumerator 0013 --team 02 --form hh_remit --png 13.png
  passerelle app-user create "Tablet 14" --enumerator 0014 --locked --admin-password … --svg 14.svg
"""
)
@click.argument("name")
@click.option("--enumerator", required=True, metavar="CODE", help="Code of the enumerator who will use it.")
@click.option(
    "--mode", type=click.Choice(MODES), default="survey", show_default=True, help="What its interviews are for."
)
@click.option("--team", default="", metavar="CODE", help="Team of the enumerator.")
@click.option("--language", type=click.Choice(["en", "fr"]), help="Of Collect and of messages; both if not given.")
@click.option("--form", "form_ids", multiple=True, metavar="FORM_ID", help="Give out this form only; repeat it.")
@project_option
@settings_options
@json_option
@pass_desk
def create(desk: Desk, /, name: str, form_ids: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Make an app user and print how Collect reaches this server; it is shown this once."""
    from server.clock import utc_now
    from server.services import app_users
    from server.services.collect_settings import Reach

    members = {member: options[member] for member in ("enumerator", "team", "mode")} | {
        "language": options["language"] or ""
    }
    with desk.context() as context, context.database.transaction() as session:
        project_id = chosen_project(session, options["project"])
        token = app_users.create_app_user(
            session, name=name, **members, project_id=project_id, user=actor(), now=utc_now()
        )
        made = app_users.find_app_user(session, name)
        if form_ids:
            app_users.choose_forms(session, made, form_ids=form_ids, user=actor(), now=utc_now())
        reach = Reach(server_url=f"{tablets_url(context.config, options['server'])}/key/{token}")
        if options["by_password"]:
            reach = _fresh_reach(context, session, made, options)
        settings = _settings(session, made, reach, options)
    _show({"name": name, **members}, reach, settings, options, as_json=as_json)


@app_user.command(
    epilog="""\b
Examples:
  passerelle app-user settings "Tablet 12" --qr
  passerelle app-user settings "Tablet 12" --password --svg tablet-12.svg
"""
)
@click.argument("name")
@settings_options
@json_option
@pass_desk
def settings(desk: Desk, /, name: str, as_json: bool, **options: Any) -> None:
    """Make a new settings code for an app user. What let its tablet in before stops.

    Tokens and passwords are kept in forms that cannot be shown again, so a new code holds a new one: scan it on the
    tablet, in Collect's *Reconfigure with QR code*. Finished forms on the tablet stay, and go out under the new one.
    """
    from server.services import app_users

    with desk.context() as context, context.database.transaction() as session:
        found = app_users.find_app_user(session, name)
        reach = _fresh_reach(context, session, found, options)
        written = _settings(session, found, reach, options)
    if not as_json:
        click.echo(f"What let “{name}” in before has stopped: only this lets it in.", err=True)
    _show({"name": name}, reach, written, options, as_json=as_json)


@app_user.command("list", epilog="\b\nExample:\n  passerelle app-user list\n")
@json_option
@pass_desk
def list_app_users(desk: Desk, as_json: bool) -> None:
    """List app users."""
    from server.db.queries import devices

    with desk.context() as context, context.database.read() as session:
        found = devices.app_users(session)
    if as_json:
        print_json(found)
        return
    columns = ("name", "project", "enumerator", "team", "mode", "user name", "created", "revoked")
    rows = [
        (
            one.name, one.project_id, one.enumerator, one.team, one.mode, one.username, one.created_at, one.revoked_at,
        )
        for one in found
    ]  # fmt: skip
    print_table("App users", columns, rows)


@app_user.command(
    "forms",
    epilog="""\b
Examples:
  passerelle app-user forms "Tablet 12" hh_remit village
  passerelle app-user forms "Tablet 12" --every
""",
)
@click.argument("name")
@click.argument("form_ids", nargs=-1, metavar="[FORM_ID]...")
@click.option("--every", is_flag=True, help="Every form of its project, those of later too.")
@pass_desk
def choose_forms(desk: Desk, name: str, form_ids: tuple[str, ...], every: bool) -> None:
    """Choose which forms an app user is given; submissions of any are taken."""
    from server.clock import utc_now
    from server.services import app_users

    if every == bool(form_ids):
        raise click.UsageError("Name the forms, or give --every.")
    with desk.context() as context, context.database.transaction() as session:
        app_user = app_users.find_app_user(session, name)
        app_users.choose_forms(session, app_user, form_ids=None if every else form_ids, user=actor(), now=utc_now())
    click.echo(f"{name} is given {'every form' if every else ', '.join(form_ids)}.")


@app_user.command("revoke", epilog='\b\nExample:\n  passerelle app-user revoke "Tablet 12"\n')
@click.argument("name")
@pass_desk
def revoke_app_user(desk: Desk, name: str) -> None:
    """Revoke an app user: its address and its password stop working."""
    from server.clock import utc_now
    from server.services import app_users

    with desk.context() as context, context.database.transaction() as session:
        app_users.revoke_app_user(session, name=name, user=actor(), now=utc_now())
    click.echo(f"Revoked {name}.")


def _fresh_reach(
    context: "Context", session: "Session", app_user: "StoredAppUser", options: Mapping[str, Any]
) -> "Reach":
    from server.clock import utc_now
    from server.services import collect_settings

    return collect_settings.give_access(
        session,
        app_user,
        base_url=tablets_url(context.config, options["server"]),
        tablet_secrets=context.tablets if options["by_password"] else None,
        user=actor(),
        now=utc_now(),
    )


def _settings(session: "Session", app_user: "StoredAppUser", reach: "Reach", options: Mapping[str, Any]) -> "Settings":
    from server.services import collect_settings

    asked = {member: options[option] for option, member in WISHES.items() if options[option] is not None}
    wishes = collect_settings.usual_wishes(session, app_user, asked)
    return collect_settings.write_settings(reach, wishes)


def _show(
    members: Mapping[str, str], reach: "Reach", written: "Settings", options: Mapping[str, Any], *, as_json: bool
) -> None:
    """Print how Collect gets in, and draw the code where it is wanted."""
    from server.services import collect_settings

    pictures = {options["png"]: collect_settings.png, options["svg"]: collect_settings.svg}
    files = {file: draw for file, draw in pictures.items() if file is not None}
    for file, draw in files.items():
        write_privately(file, [draw(written)])
    if as_json:
        login = {"username": reach.username, "password": reach.password} if reach.username else {}
        payload = collect_settings.payload(written)
        print_json({**members, "url": reach.server_url, **login, "settings": written, "payload": payload})
        return
    click.echo(reach.server_url)
    if reach.username:
        click.echo(f"user name  {reach.username}\npassword   {reach.password}")
    if options["qr"]:
        collect_settings.qr_code(written).terminal(compact=True)
    for file in files:
        click.echo(f"Wrote {file}. It lets a tablet in: delete it after use.")
