"""``passerelle tablet``: what goes by file where no radio is, and what the office has handed over."""

from pathlib import Path

import click

from server.cli.desk import json_option, print_json, print_table
from server.cli.tablet_desk import folder_argument, instance_argument, one_of, opened, shown, unlocked, unlocked_to_seal


@click.command(
    epilog="""\b
Examples:
  passerelle tablet export ./tablet /media/stick/0001.passerelle
  passerelle tablet export ./tablet /media/stick/0001.passerelle --everything
"""
)
@folder_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--everything", is_flag=True, help="Also what the office has receipted.")
@click.option("--locked", is_flag=True, help="Do not ask for the PIN: write only what is sealed already.")
@json_option
def export(folder: Path, file: Path, everything: bool, locked: bool, as_json: bool) -> None:
    """Seal what is finalised, and write all that the office has not receipted into FILE, for a stick.

    The file holds sealed envelopes and media only. Whoever has a network carries it to the office; the office gives
    receipts for it, which `import-receipts` takes.
    """
    from server.clock import utc_now

    with unlocked_to_seal(folder, locked=locked) as device:
        report = device.drafts.seal_for_sync(now=utc_now())
        unfinished = file.with_name(f".{file.name}.unfinished")
        with unfinished.open("wb") as stream:
            written = device.parcels.export(stream, now=utc_now(), everything=everything)
        unfinished.replace(file)
    if as_json:
        print_json({"file": file, "envelopes": written.envelopes, "media": written.media, "unsealed": report.unsealed})
        return
    click.echo(f"Wrote {written.envelopes} envelopes and {written.media} media to {file}.")
    if report.unsealed:
        click.echo(f"{len(report.unsealed)} interviews are not in it: they could not be sealed.", err=True)


@click.command(epilog="\b\nExample:\n  passerelle tablet carry ./tablet /media/stick/0001.passerelle\n")
@folder_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def carry(folder: Path, file: Path, as_json: bool) -> None:
    """Take the parcel of another tablet over, to deliver it with the next sync. Nobody reads it on the way."""
    with opened(folder) as device, file.open("rb") as stream:
        carried = device.parcels.carry(stream)
    if as_json:
        print_json(carried)
        return
    click.echo(
        f"Took over {carried.envelopes} envelopes and {carried.media} media of {carried.device_id or 'a tablet'}."
    )
    if not carried.is_whole:
        click.echo("The file is torn or altered: what held was taken over. Ask for another copy of it.", err=True)


@click.command(
    "import-receipts", epilog="\b\nExample:\n  passerelle tablet import-receipts ./tablet /media/stick/0001.receipts\n"
)
@folder_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def import_receipts(folder: Path, file: Path, as_json: bool) -> None:
    """Take the office's signed receipts for a parcel. Nothing is deleted by them; the next sync asks again."""
    with opened(folder) as device:
        covered = device.parcels.import_receipts(file.read_bytes())
        progress = device.progress()
    if as_json:
        print_json({"covered": covered, "safe": progress.safe, "interviews": progress.interviews})
    else:
        click.echo(f"{covered} envelopes are receipted. {progress.sentence()}.")


@click.command(epilog="\b\nExample:\n  passerelle tablet returned ./tablet --json\n")
@folder_argument
@json_option
def returned(folder: Path, as_json: bool) -> None:
    """List what the office has handed over: interviews to be corrected, drafts of a former tablet."""
    with opened(folder) as device:
        found = device.handovers.list()
    if as_json:
        print_json(found)
        return
    print_table(
        "Handed over",
        ("interview", "kind", "standing", "taken up as"),
        [
            (shown(one.instance_id), one.kind, one.standing, shown(one.taken_as) if one.taken_as else "")
            for one in found
        ],
    )


@click.command("take-up", epilog="\b\nExample:\n  passerelle tablet take-up ./tablet 3f1c\n")
@folder_argument
@instance_argument
@json_option
def take_up(folder: Path, instance: str, as_json: bool) -> None:
    """Make a handed over interview a draft of this tablet: correct it, or go on with it, and finalise it as any."""
    from server.clock import utc_now

    with unlocked(folder) as device:
        listed = {one.instance_id: one.kind for one in device.handovers.list()}
        instance_id = one_of(list(listed), instance)
        draft = device.handovers.take_up(listed[instance_id], instance_id, now=utc_now())
        note = device.drafts.read(draft.instance_id).note
    if as_json:
        print_json({"instance_id": draft.instance_id, "parents": draft.parents, "note": note})
        return
    click.echo(f"{shown(draft.instance_id)} is a draft now.")
    if note:
        click.echo(f"The office writes: {note}")


@click.command(epilog="\b\nExample:\n  passerelle tablet wipe ./tablet --yes\n")
@folder_argument
@click.confirmation_option(prompt="Delete everything on this tablet for good?")
def wipe(folder: Path) -> None:
    """Delete everything on the tablet, when the office has receipted all of it and no draft is left."""
    with opened(folder) as device:
        device.wipe()
    click.echo("The tablet is empty. Revoke it at the office: `passerelle device revoke`.")


def register(group: click.Group) -> None:
    """Add the commands to ``passerelle tablet``."""
    for command in (export, carry, import_receipts, returned, take_up, wipe):
        group.add_command(command)
