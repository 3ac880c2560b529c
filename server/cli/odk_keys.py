"""``passerelle odk-key``: the keys to which ODK Collect encrypts, and what came in clear beside."""

from pathlib import Path

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group("odk-key")
def odk_key() -> None:
    """Make or import the keys to which ODK Collect encrypts interviews."""


@odk_key.command(epilog="\b\nExample:\n  passerelle odk-key create\n  passerelle form publish survey.xlsx --encrypt\n")
@click.option("--bits", type=click.Choice(["2048", "3072"]), default="2048", show_default=True)
@json_option
@pass_desk
def create(desk: Desk, bits: str, as_json: bool) -> None:
    """Make a key that stays in the key store, and print its public half."""
    from server.clock import utc_now
    from server.services import odk_keys

    with desk.context() as context, context.database.transaction() as session:
        public_key = odk_keys.create(session, keystore=context.keystore, bits=int(bits), user=actor(), now=utc_now())
    _tell(public_key, as_json=as_json)


@odk_key.command("import", epilog="\b\nExample:\n  passerelle odk-key import private.pem\n")
@click.argument("file", type=FILE, metavar="FILE")
@click.option("--no-passphrase", is_flag=True, help="The file is not protected; nothing is asked.")
@json_option
@pass_desk
def import_key(desk: Desk, file: Path, no_passphrase: bool, as_json: bool) -> None:
    """Bring the office's own private key (RSA, PEM); interviews that wait for it are opened.

    The file itself is left where it is: keep it offline.
    """
    from server.clock import utc_now
    from server.services import odk_keys

    passphrase = None if no_passphrase else click.prompt("Passphrase of the file", hide_input=True, default="")
    with desk.context() as context, context.database.transaction() as session:
        public_key = odk_keys.import_key(
            session,
            keystore=context.keystore,
            pem=file.read_bytes(),
            passphrase=passphrase or None,
            user=actor(),
            now=utc_now(),
        )
    _tell(public_key, as_json=as_json)


@odk_key.command("list", epilog="\b\nExample:\n  passerelle odk-key list\n")
@json_option
@pass_desk
def list_keys(desk: Desk, as_json: bool) -> None:
    """List the keys, the newest first; forms are encrypted to that one. With --json, their public halves too."""
    from server.db.queries import odk_keys

    with desk.context() as context, context.database.read() as session:
        found = odk_keys.every(session)
    if as_json:
        print_json(found)
        return
    rows = [(one.key_hash, "managed" if one.is_managed else "own", one.created_at) for one in found]
    print_table("ODK keys", ("key", "kind", "since"), rows)


@odk_key.command("wipe-plaintext", epilog="\b\nExample:\n  passerelle odk-key wipe-plaintext\n")
@click.confirmation_option(prompt="What came in clear of encrypted forms is removed for ever. Go on?")
@pass_desk
def wipe_plaintext(desk: Desk) -> None:
    """Wipe what ODK Collect sent in clear of encrypted forms: files beside encrypted ones, answers in quarantine."""
    from server.clock import utc_now
    from server.services import odk_keys

    with desk.context() as context:
        count = odk_keys.wipe_plaintext(context.database, context.blobs, user=actor(), now=utc_now())
    click.echo(f"Wiped {count}. A row stays of each; backups forget them when they expire.")


def _tell(public_key: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"public_key": public_key})
    else:
        click.echo(public_key)
