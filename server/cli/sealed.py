"""``passerelle office``: between a server that opens no interview and the offline machine that does."""

from dataclasses import asdict
from pathlib import Path

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, working
from server.cli.edge import Refusal
from server.cli.private_files import write_privately


@click.group(
    epilog="""\b
Example, after `passerelle key seal` on the server:
  passerelle --data survey backup /media/usb/2026-11-26
  passerelle --data office restore /media/usb/2026-11-26
  passerelle --data office key unseal /media/usb/survey-keys.json
  passerelle --data office serve
  passerelle --data office office results /media/usb/results.json
  passerelle --data survey office take /media/usb/results.json
"""
)
def office() -> None:
    """Bring results from the machine that opens interviews to the server that cannot."""


@office.command(epilog="\b\nExample:\n  passerelle --data office office results /media/usb/results.json\n")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_desk
def results(desk: Desk, file: Path) -> None:
    """Write signed results into FILE: verdicts, erasures, published releases, decisions. No answer is in it."""
    from server.clock import utc_now
    from server.services import sealed_office

    if file.exists():
        raise Refusal(f"{file} is there already: nothing was written.")
    with desk.context() as context, context.database.read() as session:
        document = sealed_office.make_results(session, keystore=context.keystore, now=utc_now())
    write_privately(file, [document])
    click.echo(f"{file}: take it to the server with `passerelle office take`.")


@office.command(epilog="\b\nExample:\n  passerelle --data survey office take /media/usb/results.json\n")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
@pass_desk
def take(desk: Desk, file: Path, as_json: bool) -> None:
    """Take in the results of the machine that opens interviews; the same file again changes nothing."""
    from server.clock import utc_now
    from server.folding import erasing
    from server.services import sealed_office

    with desk.context() as context, working("Taking in …"):
        keystore, now = context.keystore, utc_now()
        found = sealed_office.read_results(file.read_bytes(), keystore=keystore, now=now)
        with context.database.transaction() as session:
            taken = sealed_office.take_results(
                session, found, keystore=keystore, microdata=context.microdata, user=actor(), now=now
            )
        erasing.clear(taken.swept, database=context.database, microdata=context.microdata, blobs=context.blobs)
        has_new_keyring = keystore.adopt_keyring(found.keyring)
        serial = keystore.keyring.serial
    figures = {name: value for name, value in asdict(taken).items() if name != "swept"}
    if as_json:
        print_json({**figures, "keyring": serial})
        return
    click.echo(
        f"New: {taken.verdicts} verdicts for tablets, {taken.erased} interviews erased, {taken.releases} releases "
        f"published, {taken.decisions} envelopes of decisions."
    )
    if has_new_keyring:
        click.echo(f"Keyring {serial} is in force.")
