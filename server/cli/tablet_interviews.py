"""``passerelle tablet``: one interview on the tablet, from its first draft to its seal."""

from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.desk import json_option, print_json
from server.cli.edge import Refusal
from server.cli.private_files import write_privately
from server.cli.tablet_desk import folder_argument, instance_argument, instance_of, shown, unlocked

if TYPE_CHECKING:
    from sync_protocol.client.device import Device
    from sync_protocol.client.drafts import SealReport

UNKNOWN_TYPE = "application/octet-stream"
MODES = ("survey", "training", "pilot")


@click.command(
    epilog="""\b
Examples:
  passerelle tablet draft ./tablet interview.xml --psu 0101-003
  passerelle tablet draft ./tablet interview.xml --medium roof.jpg --medium door.jpg
"""
)
@folder_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--medium", "media", type=click.Path(path_type=Path, exists=True, dir_okay=False), multiple=True, metavar="FILE",
    help="A picture or recording of it, by its name in FILE; again for each. All of them, or none to keep "
    "those that it had.",
)  # fmt: skip
@click.option("--psu", default="", metavar="CODE", help="Primary sampling unit of the household.")
@click.option("--mode", type=click.Choice(MODES), default="survey", show_default=True)
@json_option
def draft(folder: Path, file: Path, media: tuple[Path, ...], psu: str, mode: str, as_json: bool) -> None:
    """Keep FILE, a filled or half filled interview, as a draft; in the place of the draft with its instanceID."""
    from server.clock import utc_now

    instance_xml = file.read_bytes()
    with unlocked(folder) as device:
        saved = device.drafts.save_draft(
            instance_xml,
            form_version_hash=_form_version_hash(device, instance_xml),
            now=utc_now(),
            mode=mode,
            psu=psu,
            media=[device.media.add(one, one.name, guess_type(one.name)[0] or UNKNOWN_TYPE) for one in media] or None,
        )
    if as_json:
        print_json(saved)
    else:
        click.echo(f"Kept {shown(saved.instance_id)} as a draft. {file} holds answers in clear: delete it.")


@click.command(
    epilog="""\b
Examples:
  passerelle tablet read ./tablet 3f1c
  passerelle tablet read ./tablet 3f1c --to interview.xml
"""
)
@folder_argument
@instance_argument
@click.option("--to", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there, for you alone.")
def read(folder: Path, instance: str, file: Path | None) -> None:
    """Write out an interview that is not sealed yet, to go on with it; `draft` takes it back."""
    with unlocked(folder) as device:
        content = device.drafts.read(instance_of(device, instance))
    if content.note:
        click.echo(f"The office writes: {content.note}", err=True)
    if file is None:
        click.echo(content.instance_xml.decode("utf-8"))
    else:
        write_privately(file, [content.instance_xml])
        click.echo(f"Wrote {file}. It holds answers in clear: delete it after use.")


@click.command(epilog="\b\nExample:\n  passerelle tablet finalise ./tablet 3f1c\n")
@folder_argument
@instance_argument
@json_option
def finalise(folder: Path, instance: str, as_json: bool) -> None:
    """Say that an interview is finished. It is sealed at the next sync; until then `reopen` takes it back."""
    from server.clock import utc_now

    with unlocked(folder) as device:
        finalised = device.drafts.finalise(instance_of(device, instance), now=utc_now())
    if as_json:
        print_json(finalised)
    else:
        click.echo(f"{shown(finalised.instance_id)} is finished. It is sealed when you sync.")


@click.command(epilog="\b\nExample:\n  passerelle tablet reopen ./tablet 3f1c\n")
@folder_argument
@instance_argument
@json_option
def reopen(folder: Path, instance: str, as_json: bool) -> None:
    """Make a finalised interview a draft again. What is sealed stays sealed."""
    from server.clock import utc_now

    with unlocked(folder) as device:
        reopened = device.drafts.reopen(instance_of(device, instance), now=utc_now())
    if as_json:
        print_json(reopened)
    else:
        click.echo(f"{shown(reopened.instance_id)} is a draft again.")


@click.command(epilog="\b\nExample:\n  passerelle tablet discard ./tablet 3f1c --yes\n")
@folder_argument
@instance_argument
@click.confirmation_option(prompt="Throw this draft away for good?")
def discard(folder: Path, instance: str) -> None:
    """Throw a draft away, for good. A finalised interview is never thrown away: re-open it first."""
    with unlocked(folder) as device:
        instance_id = instance_of(device, instance)
        device.drafts.discard(instance_id)
    click.echo(f"Discarded {shown(instance_id)}.")


@click.command(
    epilog="""\b
Examples:
  passerelle tablet seal ./tablet
  passerelle tablet seal ./tablet 3f1c
  passerelle tablet seal ./tablet --psu 0101-003
"""
)
@folder_argument
@click.argument("instance", required=False)
@click.option("--psu", metavar="CODE", help="Fieldwork in this unit is over: seal its interviews, now and later.")
@json_option
def seal(folder: Path, instance: str | None, psu: str | None, as_json: bool) -> None:
    """Seal finalised interviews now: INSTANCE, those of a unit, or all. Nobody opens them here any more."""
    if instance is not None and psu is not None:
        raise Refusal("give an interview or --psu, not both.")
    with unlocked(folder) as device:
        report = _sealed(device, instance, psu)
    if as_json:
        print_json(report)
    else:
        click.echo(f"Sealed {len(report.sealed)} interviews.")
    if report.unsealed:
        reasons = ", ".join(sorted({one.reason for one in report.unsealed}))
        raise Refusal(f"{len(report.unsealed)} interviews could not be sealed ({reasons}). Nothing was lost.")


def _sealed(device: "Device", instance: str | None, psu: str | None) -> "SealReport":
    from server.clock import utc_now
    from sync_protocol.client.drafts import SealReport

    if psu is not None:
        return device.drafts.close_psu(psu, now=utc_now())
    if instance is None:
        return device.drafts.seal_all(now=utc_now())
    return SealReport(sealed=(device.drafts.seal(instance_of(device, instance), now=utc_now()),))


def _form_version_hash(device: "Device", instance_xml: bytes) -> bytes:
    """Return the hash of the form version on the tablet that an instance names.

    Raises:
        Refusal: when the tablet does not have it.
    """
    from sync_protocol.client.drafts_instance import read_form

    form_id, version = read_form(instance_xml)
    for one in device.form_versions():
        if (one.form_id, one.version) == (form_id, version):
            return one.hash
    raise Refusal(f"form {form_id} version {version} is not on this tablet: sync, or ask the office.")


def register(group: click.Group) -> None:
    """Add the commands to ``passerelle tablet``."""
    for command in (draft, read, finalise, reopen, discard, seal):
        group.add_command(command)
