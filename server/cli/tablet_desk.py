"""What the commands of ``passerelle tablet`` share: the tablet's folder, its PIN, and how an interview is named."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from server.cli.edge import Refusal
from server.cli.form_report import LANGUAGES

if TYPE_CHECKING:
    from sync_protocol.client.device import Device
    from sync_protocol.client.report import SyncReport

Command = TypeVar("Command", bound=Callable[..., Any])

folder_argument = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
instance_argument = click.argument("instance", metavar="INSTANCE")


def lang_option(command: Command) -> Command:
    """Give a command ``--lang`` for what it says to the enumerator."""
    return click.option("--lang", type=click.Choice(LANGUAGES), help="Of what it says; else that of LANG.")(command)


def ask_pin(*, is_new: bool = False) -> str:
    """Ask for the PIN, twice for a new one; never an option, which would stay in the shell's history."""
    return str(click.prompt("New PIN" if is_new else "PIN", hide_input=True, err=True, confirmation_prompt=is_new))


@contextmanager
def opened(folder: Path) -> Iterator["Device"]:
    """Open a tablet without its PIN: it syncs what is sealed and lists what there is."""
    from sync_protocol.client.device import Device

    with Device.open(folder) as device:
        yield device


@contextmanager
def unlocked(folder: Path) -> Iterator["Device"]:
    """Open a tablet to read, write or seal: with its PIN, if it has one. What is due is sealed first."""
    from server.clock import utc_now
    from sync_protocol.client.device import Device

    with Device.open(folder) as locked:
        pin = ask_pin() if locked.has_pin else None
    with Device.open(folder, pin=pin) as device:
        if device.is_enrolled:
            device.drafts.seal_due(now=utc_now())
        yield device


@contextmanager
def unlocked_to_seal(folder: Path, *, locked: bool) -> Iterator["Device"]:
    """Open a tablet whose work is to go out; ask for the PIN only when there is something to seal."""
    with opened(folder) as device:
        needs_pin = device.has_pin and device.drafts.has_to_seal() and not locked
    with unlocked(folder) if needs_pin else opened(folder) as device:
        yield device


def instance_of(device: "Device", name: str) -> bytes:
    """Return the instanceID, (16,), of the unsealed interview that a name, or the beginning of one, means.

    Raises:
        Refusal: when it means none, or several.
    """
    return one_of([draft.instance_id for draft in device.drafts.list()], name)


def one_of(instance_ids: Sequence[bytes], name: str) -> bytes:
    """Return the one instanceID that a name, or the beginning of one, means.

    Raises:
        Refusal: when it means none, or several.
    """
    wanted = name.removeprefix("uuid:").replace("-", "").lower()
    found = [instance_id for instance_id in instance_ids if wanted and instance_id.hex().startswith(wanted)]
    if len(found) != 1:
        several = "several interviews begin" if found else "no interview here begins"
        raise Refusal(f"{several} with “{name}”: see `passerelle tablet status` for their names.")
    return found[0]


def shown(instance_id: bytes) -> str:
    """Write an instanceID as people see it."""
    return str(UUID(bytes=instance_id))


def say(report: "SyncReport", language: str) -> None:
    """Say to the enumerator what is safe, and what a sync could not seal."""
    click.echo(report.progress.sentence(language))
    for line in report.warnings(language):
        click.echo(line, err=True)
