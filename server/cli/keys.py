"""``passerelle key``: the keys of the office, new ones in their place, and survey keys that leave the server."""

import os
from dataclasses import asdict
from pathlib import Path

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table
from server.cli.edge import Refusal

ALL = ("survey", "receipt", "issuer", "decision")


@click.group()
def key() -> None:
    """Show the keys of the office, and rotate them."""


@key.command("list", epilog="\b\nExample:\n  passerelle key list\n")
@json_option
@pass_desk
def list_keys(desk: Desk, as_json: bool) -> None:
    """List the public keys that the keyring in force names; nothing secret is shown."""
    from server.services import rotate_keys

    with desk.context() as context:
        keyring = context.keystore.keyring
    rows = [asdict(line) for line in rotate_keys.list_keys(keyring)]
    if as_json:
        print_json({"serial": keyring.serial, "revocations": len(keyring.revocations), "keys": rows})
        return
    lines = [
        (row["kind"], row["id"], row["mode"], row["suite"], "in use" if row["is_in_use"] else "former") for row in rows
    ]
    print_table(f"Keyring {keyring.serial}", ("kind", "id", "mode", "suite", "state"), lines)


@key.command(
    epilog="""\b
Examples:
  passerelle key rotate survey --root-key /media/usb/office-root-key.pem
  passerelle key rotate survey --suite x25519 --root-key /media/usb/office-root-key.pem
  passerelle key rotate receipt --compromised --root-key /media/usb/office-root-key.pem
"""
)
@click.argument("kinds", nargs=-1, type=click.Choice([*ALL, "all"]), metavar="[survey|receipt|issuer|decision|all]...")
@click.option(
    "--root-key", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="The office root key, from where it is kept offline.",
)  # fmt: skip
@click.option(
    "--suite", type=click.Choice(["x-wing", "x25519"]), default="x-wing", show_default=True,
    help="Of new survey keys: x-wing withstands quantum computers to come, x25519 saves a kilobyte a tablet and day.",
)  # fmt: skip
@click.option("--compromised", is_flag=True, help="A receipt key was stolen: tablets stop believing the former ones.")
@json_option
@pass_desk
def rotate(desk: Desk, kinds: tuple[str, ...], root_key: Path, suite: str, compromised: bool, as_json: bool) -> None:
    """Put new keys in the place of those in use; what was sealed to former ones stays readable.

    Without a kind only the list of revoked devices is signed anew. The server need not be stopped: it takes up the new
    keyring within seconds, and each tablet in its next exchange. Put the root key away again afterwards.
    """
    from server.clock import utc_now
    from server.services import rotate_keys
    from sync_protocol.constants import SUITE_X25519, SUITE_X_WING

    with desk.context() as context, context.database.transaction() as session:
        keyring = rotate_keys.rotate(
            session,
            keystore=context.keystore,
            root_pem=root_key.read_bytes(),
            kinds=frozenset(ALL if "all" in kinds else kinds),
            suite={"x-wing": SUITE_X_WING, "x25519": SUITE_X25519}[suite],
            drops_old_receipts=compromised,
            user=actor(),
            now=utc_now(),
        )
    if as_json:
        print_json({"serial": keyring.serial})
        return
    click.echo(f"Keyring {keyring.serial} is in force. Back up the keys folder now, and put the root key away.")


@key.command(
    epilog="""\b
Examples:
  passerelle key seal /media/usb/survey-keys.json
  passerelle key seal /media/usb/survey-keys-2027.json --keep
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--keep", is_flag=True, help="Only copy them: this machine goes on opening interviews.")
@pass_desk
def seal(desk: Desk, file: Path, keep: bool) -> None:
    """Move the private survey keys into FILE: this server can open no interview from then on.

    Do it before the first interview is sent here. The file opens under a passphrase of its own, which is asked for, or
    read from PASSERELLE_SURVEY_PASSPHRASE. Interviews are opened where FILE is put in: `passerelle key unseal`.
    """
    from server.clock import utc_now
    from server.services import sealed_office

    passphrase = _survey_passphrase(is_new=True)
    with desk.context() as context, context.database.transaction() as session:
        sealed_office.seal(
            session,
            keystore=context.keystore,
            path=file,
            passphrase=passphrase,
            keeps=keep,
            user=actor(),
            now=utc_now(),
        )
    if keep:
        click.echo(f"The survey keys are in {file} too. Without its passphrase nobody can read them.")
        return
    click.echo(
        f"The survey keys are in {file} and not on this server any more. Copy the file to a second stick: without it "
        "and its passphrase nobody can ever open the interviews. Backups of the keys from before still have them."
    )
    click.echo("If the server runs, start it again now: its processes may have them in memory.")


@key.command(epilog="\b\nExample:\n  passerelle --data office key unseal /media/usb/survey-keys.json\n")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@pass_desk
def unseal(desk: Desk, file: Path) -> None:
    """Put the private survey keys of FILE in: this machine opens interviews from then on. Keep it off every network."""
    from server.clock import utc_now
    from server.services import sealed_office

    passphrase = _survey_passphrase(is_new=False)
    with desk.context() as context, context.database.transaction() as session:
        sealed_office.unseal(
            session, keystore=context.keystore, path=file, passphrase=passphrase, user=actor(), now=utc_now()
        )
    click.echo("Interviews are opened here now: by `passerelle worker`, or by `passerelle serve`.")


@key.command(epilog="\b\nExample:\n  passerelle key passphrase\n")
@pass_desk
def passphrase(desk: Desk) -> None:
    """Wrap the keys that open interviews under a new passphrase, in the place of the old one or of the key file.

    A running server goes on with what it has unlocked; every later start needs PASSERELLE_PASSPHRASE.
    """
    with desk.context() as context:
        if context.keystore.is_locked:
            raise Refusal("the key store is locked: set PASSERELLE_PASSPHRASE to the old passphrase.")
        new = click.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
        context.keystore.change_passphrase(new)
    click.echo("Changed. Backups of the keys from before open with what opened them then.")


def _survey_passphrase(*, is_new: bool) -> str:
    given = os.environ.get("PASSERELLE_SURVEY_PASSPHRASE")
    if given:
        return given
    asked: str = click.prompt("Passphrase of the survey keys", hide_input=True, confirmation_prompt=is_new, err=True)
    return asked
