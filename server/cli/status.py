"""``passerelle status``: is anything wrong with the server?"""

from typing import TYPE_CHECKING

import click

from server.cli.desk import Desk, json_option, pass_desk, print_json

if TYPE_CHECKING:
    from server.services.alarms import Status


@click.command(
    epilog="\b\nExamples:\n  passerelle status\n  passerelle status --json || mail -s alarm office@example\n"
)
@json_option
@pass_desk
@click.pass_context
def status(ctx: click.Context, desk: Desk, as_json: bool) -> None:
    """Say what is wrong, and the figures behind it.

    Ends with status 1 when a person must look after something: envelopes that are not opened, a missing key, no backup,
    a disk that is nearly full, a job that fails, tablets that were not heard of.
    """
    with desk.context() as context:
        found = context.status()
    if as_json:
        print_json(found.members())
    else:
        for alarm in found.alarms:
            click.echo(f"ALARM  {alarm.sentence('en')}")
        for line in _lines(found):
            click.echo(line)
    ctx.exit(1 if found.alarms else 0)


def _lines(found: "Status") -> list[str]:
    figures = found.figures
    states = ", ".join(f"{count} {state}" for state, count in figures.envelopes.items()) or "none"
    backup = "none" if figures.backup is None else (
        f"of {figures.backup.made_at:%Y-%m-%d %H:%M} UTC, up to envelope {figures.backup.sequence}"
    )  # fmt: skip
    if not found.has_backups:
        backup = "PASSERELLE_BACKUPS=off: tablets delete by receipts alone, and what this disk loses is lost"
    return [
        f"envelopes  {states}",
        f"devices    {figures.devices} in use, {figures.devices_seen} seen today, {len(figures.silent)} silent",
        f"backup     {backup}",
        f"disk       {found.free_bytes >> 20} MB free of {found.disk_bytes >> 20}",
    ]
