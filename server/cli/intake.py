"""``passerelle intake``: take in what a tablet wrote to a file because it could not send it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.desk import Desk, actor, counting, json_option, pass_desk, print_json
from server.cli.edge import Refusal, line_of
from server.cli.private_files import write_privately

if TYPE_CHECKING:
    from server.context import Context
    from server.services.take_parcel import Intake


@click.command(
    epilog="""\b
Examples:
  passerelle intake /media/stick/tablet.passerelle
  passerelle intake *.passerelle --receipts receipts.json
"""
)
@click.argument(
    "files", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE...", nargs=-1, required=True
)
@click.option(
    "--receipts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write signed receipts there, for the tablets to read.",
)
@json_option
@pass_desk
def intake(desk: Desk, files: tuple[Path, ...], receipts: Path | None, as_json: bool) -> None:
    """Take in sealed interviews and media from files: of any tablet, also of one that is broken or locked.

    The same file again changes nothing. Of a damaged file all that is whole is taken, and it is said what is missing.
    A file that cannot be taken in does not stand in the way of those after it.
    """
    from server.clock import utc_now
    from server.services import take_parcel

    intakes: dict[Path, Intake] = {}
    failures: list[str] = []
    with desk.context() as context:
        try:
            for file in files:
                intakes[file] = take_parcel.Intake()
                try:
                    _take(context, file, intakes[file])
                except Exception as error:
                    line = line_of(error)
                    if line is None:
                        raise
                    failures.append(f"{_shown(file)}: {line}")
        finally:
            if receipts is not None:  # what is committed is acknowledged, whatever came after
                made = take_parcel.receipts_of(
                    tuple(intakes.values()), server_id=context.keystore.server_id, now=utc_now()
                )
                write_privately(receipts, [context.keystore.sign_receipts(made)])
    if as_json:
        print_json([{"file": _shown(file), **done.members()} for file, done in intakes.items()])
    else:
        for file, done in intakes.items():
            click.echo(_sentence(file, done))
    failed = {line.split(": ", 1)[0] for line in failures}
    damaged = [_shown(file) for file, done in intakes.items() if not done.is_complete and _shown(file) not in failed]
    if damaged:
        failures.append(
            f"{', '.join(damaged)}: damaged or cut short. What is whole was taken in; "
            "keep the tablet, and let it write the file again or send the rest."
        )
    if failures:
        raise Refusal(" ".join(failures))


def _take(context: "Context", file: Path, done: "Intake") -> None:
    from server.clock import utc_now
    from server.services import take_parcel

    with file.open("rb") as opened, counting(f"Taking in {file.name}", file.stat().st_size) as advance:
        take_parcel.take(
            context.database, opened, done, blobs=context.blobs, now=utc_now(), user=actor(), progress=advance
        )


def _shown(file: Path) -> str:
    """Return a path without what would steer a terminal: whoever had the stick has named the files on it."""
    return "".join(sign if sign.isprintable() else "�" for sign in str(file))


def _sentence(file: Path, done: "Intake") -> str:
    codes = ", ".join(f"{count} {code.replace('_', ' ')}" for code, count in sorted(done.codes.items()))
    told = f"{_shown(file)}: {len(done.receipts)} envelopes ({codes or 'none'}), {len(done.media)} media"
    missing = (done.reading.missing_envelopes, done.reading.missing_media)
    if done.is_complete:
        return f"{told}."
    if None in missing:
        return f"{told}. The file is damaged, and does not say how much was in it."
    return f"{told}. The file is damaged: {missing[0]} envelopes and {missing[1]} media of it are missing."
