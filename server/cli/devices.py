"""``passerelle device``: what lets tablets in; what happens on a tablet itself is ``passerelle tablet``."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table
from server.cli.edge import Refusal
from server.cli.private_files import write_privately
from server.cli.projects import chosen_project, project_option

if TYPE_CHECKING:
    import segno

    from server.config import Config
    from server.services.look_after_devices import DeviceView

ROLES = ("enumerator", "supervisor")


@click.group()
def device() -> None:
    """Enrol, list and revoke tablets, on the office's side."""


@device.command(
    epilog="""\b
Examples:
  passerelle device enrol --enumerator 0001 --team 01 --qr
  passerelle device enrol --enumerator 0001 --team 01 --server https://survey.example --png tablet-0001.png
"""
)
@click.option("--enumerator", required=True, metavar="CODE", help="Code of the enumerator who will use the tablet.")
@click.option("--team", default="", metavar="CODE", help="Team of the enumerator.")
@click.option("--role", type=click.Choice(ROLES), default="enumerator", show_default=True)
@project_option
@click.option("--server", metavar="URL", help="How the tablet reaches this server; PASSERELLE_BASE_URL if not given.")
@click.option("--qr", is_flag=True, help="Draw the QR code in the terminal.")
@click.option(
    "--png", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the QR code as PNG."
)
@json_option
@pass_desk
def enrol(
    desk: Desk,
    enumerator: str,
    team: str,
    role: str,
    project: str | None,
    server: str | None,
    qr: bool,
    png: Path | None,
    as_json: bool,
) -> None:
    """Make a link that enrols one tablet, once; it works for 14 days.

    The link names this server and pins the office's root key: print it, or show its QR code, from the machine that
    holds the key store, and nobody in between can swap keys.
    """
    link = _enrolment_link(desk, server, project, enumerator=enumerator, team=team, role=role)
    if png is not None:
        picture = BytesIO()
        _qr(link).save(picture, kind="png", scale=8, border=4)
        write_privately(png, [picture.getvalue()])
    if as_json:
        print_json({"link": link, "enumerator": enumerator, "team": team, "role": role})
        return
    click.echo(link)
    if qr:
        _qr(link).terminal(compact=True)
    if png is not None:
        click.echo(f"Wrote {png}. It lets one tablet in: delete it after use.")


@device.command("list", epilog="\b\nExample:\n  passerelle device list --json\n")
@json_option
@pass_desk
def list_devices(desk: Desk, as_json: bool) -> None:
    """List enrolled tablets, with what each still had to send when it was last here."""
    from server.services import look_after_devices
    from server.services.device_words import backlog_words, clock_words

    with desk.context() as context, context.database.read() as session:
        found = look_after_devices.list_devices(session, keyring_serial=context.keystore.keyring.serial)
    if as_json:
        print_json([view.members() for view in found])
        return
    columns = ("device", "project", "enumerator", "team", "role", "last seen", "to send", "clock", "orders")
    rows = [
        (
            view.device.device_id,
            view.device.project_id,
            view.device.enumerator,
            view.device.team,
            view.device.role,
            view.device.last_seen_at,
            backlog_words("en", view.backlog),
            clock_words("en", view.device.clock_offset_seconds),
            ", ".join(_orders(view)),
        )
        for view in found
    ]
    print_table("Tablets", columns, rows)


def _orders(view: "DeviceView") -> list[str]:
    orders = ["revoked"] if view.device.revoked_at is not None else []
    orders += [f"wipe {view.wipe}"] if view.wipe else []
    orders += [f"{view.set_aside} set aside"] if view.set_aside else []
    return orders + (["old keys"] if view.has_old_keys else [])


@device.command(epilog="\b\nExample:\n  passerelle device revoke 3f1c…\n")
@click.argument("device_id")
@pass_desk
def revoke(desk: Desk, device_id: str) -> None:
    """Revoke a tablet that was lost or stolen.

    What it delivers from now on is received and kept apart until a person releases it; it gets nothing any more.
    """
    from server.clock import utc_now
    from server.services import enrol_device

    with desk.context() as context, context.database.transaction() as session:
        enrol_device.revoke(session, device_id=device_id, user=actor(), now=utc_now())
    click.echo(f"Revoked {device_id}.")


@device.command(epilog="\b\nExample:\n  passerelle device release 3f1c…\n")
@click.argument("device_id")
@pass_desk
def release(desk: Desk, device_id: str) -> None:
    """Let in all that came after a tablet was revoked, when you know that it is genuine."""
    from server.clock import utc_now
    from server.services import look_after_devices

    with desk.context() as context, context.database.transaction() as session:
        count = look_after_devices.release_set_aside(session, device_id=device_id, user=actor(), now=utc_now())
    click.echo(f"Released {count} envelopes. The server opens them in a moment.")


@device.command(epilog="\b\nExample:\n  passerelle device wipe 3f1c… --note 'stolen on the market of Koro'\n")
@click.argument("device_id")
@click.option("--note", required=True, metavar="TEXT", help="Why; sealed, and shown to whoever agrees.")
@pass_desk
def wipe(desk: Desk, device_id: str, note: str) -> None:
    """Propose that a tablet wipes itself once all that it holds has been receipted; another person agrees."""
    from server.clock import utc_now
    from server.services import proposals

    with desk.context() as context, context.database.transaction() as session:
        number = proposals.propose_wipe(
            session, keystore=context.keystore, device_id=device_id, note=note, user=actor(), now=utc_now()
        )
    click.echo(f"Proposed as number {number}. Another person agrees: passerelle proposal agree {number}")


def tablets_url(config: "Config", server: str | None) -> str:
    """Return how tablets reach this server."""
    url = (server or config.base_url or f"http://{config.bind}").rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise Refusal(f"“{url}” is not an address: give --server https://host or set PASSERELLE_BASE_URL.")
    return url


def _enrolment_link(desk: Desk, server: str | None, project: str | None, **members: Any) -> str:
    from server.clock import utc_now
    from server.services import enrol_device
    from sync_protocol.enrolment import EnrolmentLink, encode_link

    with desk.context() as context:
        base_url = tablets_url(context.config, server)
        with context.database.transaction() as session:
            number = chosen_project(session, project)
            token = enrol_device.issue_token(session, **members, project_id=number, user=actor(), now=utc_now())
        return encode_link(EnrolmentLink(base_url=base_url, token=token, root_key=context.keystore.root_key))


def _qr(text: str) -> "segno.QRCode":
    import segno

    return segno.make(text, error="m", micro=False)
