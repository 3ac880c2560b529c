"""``passerelle tablet``: the reference device, what happens on the tablet itself; needs no data of the office."""

from pathlib import Path

import click

from server.cli import tablet_interviews, tablet_parcels
from server.cli.desk import counting, json_option, print_json, print_table
from server.cli.edge import Refusal
from server.cli.form_report import chosen_language
from server.cli.tablet_desk import ask_pin, folder_argument, lang_option, opened, say, shown, unlocked, unlocked_to_seal


@click.group()
def tablet() -> None:
    """Work as a tablet does: keep drafts, seal interviews, sync, carry parcels.

    FOLDER holds what a tablet holds. It has no hardware key store: a PIN protects it only as far as it is long.
    """


@tablet.command(
    epilog="""\b
Examples:
  passerelle tablet enrol ./tablet 'passerelle://survey.example/#token=…&root=…'
  passerelle tablet enrol ./tablet 'passerelle://survey.example/#token=…&root=…' --pin
"""
)
@folder_argument
@click.argument("link")
@click.option("--pin", "with_pin", is_flag=True, help="Choose a PIN: drafts, and all that is read, are under it.")
@json_option
def enrol(folder: Path, link: str, with_pin: bool, as_json: bool) -> None:
    """Make the tablet of FOLDER and let an office's LINK enrol it; again with the same link when no answer came."""
    from sync_protocol.client.database import FILE_NAME
    from sync_protocol.client.device import Device
    from sync_protocol.enrolment import parse_link

    parsed = parse_link(link)
    is_new = not (folder / FILE_NAME).exists()
    pin = ask_pin(is_new=is_new) if with_pin else None
    with Device.create(folder, pin=pin) if is_new else Device.open(folder, pin=pin) as device:
        certificate = device.enrol(parsed)
    if as_json:
        print_json({"device_id": certificate.device_id, "enumerator": certificate.enumerator, "folder": folder})
    else:
        click.echo(f"Enrolled as {certificate.device_id}, for enumerator {certificate.enumerator}.")


@tablet.command(
    epilog="""\b
Examples:
  passerelle tablet sync ./tablet
  passerelle tablet sync ./tablet --locked --lang fr
"""
)
@folder_argument
@click.option("--locked", is_flag=True, help="Do not ask for the PIN: send only what is sealed already.")
@lang_option
@json_option
def sync(folder: Path, locked: bool, lang: str | None, as_json: bool) -> None:
    """Seal what is finalised, send it, and fetch forms, assignments, returned interviews and verdicts.

    Asks for the PIN only when there is something to seal. Without it the tablet sends what is sealed, and says what it
    could not seal.
    """
    from server.clock import utc_now

    with (
        unlocked_to_seal(folder, locked=locked) as device,
        counting("Syncing", device.progress().interviews or None) as advance,
    ):
        report = device.sync(device.transport(), utc_now(), on_progress=lambda progress: advance(progress.safe))
    if as_json:
        print_json(report)
    else:
        say(report, chosen_language(lang))
        click.echo(
            f"{report.outcome}: {report.sealed} sealed, {report.sent} envelopes sent, {report.stored} stored, "
            f"{report.duplicates} known before, {report.waiting} waiting; "
            f"{report.forms} forms, {report.assignments} assignments, {report.verdicts} verdicts, "
            f"{report.returned + report.drafts} handed over; {report.media_waiting} media to go."
        )
    if report.outcome == "wiped":
        click.echo("The office had ordered a wipe: nothing was left to send, and the tablet is empty.", err=True)
    elif report.outcome != "synced":
        raise Refusal(f"the sync was {report.outcome}: {report.reason or 'no answer'}. Nothing was lost; try again.")


@tablet.command(epilog="\b\nExample:\n  passerelle tablet status ./tablet --json\n")
@folder_argument
@lang_option
@json_option
def status(folder: Path, lang: str | None, as_json: bool) -> None:
    """Show what is on the tablet: what is safe, drafts and finalised interviews, forms. Asks for no PIN."""
    with opened(folder) as device:
        progress, drafts, forms = device.progress(), device.drafts.list(), device.form_versions()
        waiting = device.waiting()
    if as_json:
        print_json(
            {
                "safe": progress.safe,
                "interviews": progress.interviews,
                "waiting": waiting,
                "drafts": drafts,
                "forms": [
                    {"form_id": one.form_id, "version": one.version, "state": one.state, "hash": one.hash}
                    for one in forms
                ],
            }
        )
        return
    click.echo(progress.sentence(chosen_language(lang)))
    print_table(
        "Not sealed yet",
        ("interview", "state", "unit", "mode", "changed", "finalised"),
        [
            (shown(one.instance_id), one.state.value, one.psu, one.mode, one.changed_at, one.finalised_at)
            for one in drafts
        ],
    )
    print_table("Forms", ("form", "version", "state"), [(one.form_id, one.version, one.state) for one in forms])


@tablet.command(
    epilog="""\b
Examples:
  passerelle tablet pin ./tablet
  passerelle tablet pin ./tablet --none
"""
)
@folder_argument
@click.option("--none", "without", is_flag=True, help="Have no PIN any more.")
def pin(folder: Path, without: bool) -> None:
    """Choose another PIN. A forgotten PIN opens no drafts; what is sealed still goes out with every sync."""
    with unlocked(folder) as device:
        device.change_pin(None if without else ask_pin(is_new=True))
    click.echo("The tablet has no PIN any more." if without else "The tablet has a new PIN.")


@tablet.command(
    epilog="""\b
Examples:
  passerelle tablet policy ./tablet
  passerelle tablet policy ./tablet --hours 24 --no-drafts
"""
)
@folder_argument
@click.option("--hours", type=click.IntRange(0, 10_000), help="How long finalised interviews can be re-opened.")
@click.option(
    "--drafts/--no-drafts", default=None, help="Send changed drafts sealed at each sync, for a replacement tablet."
)
@json_option
def policy(folder: Path, hours: int | None, drafts: bool | None, as_json: bool) -> None:
    """Show or change what becomes of interviews that are not sealed."""
    from dataclasses import replace

    with opened(folder) as device:
        chosen = device.drafts.policy
        if hours is not None:
            chosen = replace(chosen, seal_after_hours=hours)
        if drafts is not None:
            chosen = replace(chosen, seals_drafts=drafts)
        device.drafts.set_policy(chosen)
    if as_json:
        print_json(chosen)
        return
    sent = "are" if chosen.seals_drafts else "are not"
    click.echo(f"Finalised interviews can be re-opened for {chosen.seal_after_hours} hours; drafts {sent} sent sealed.")


tablet_interviews.register(tablet)
tablet_parcels.register(tablet)
