"""``passerelle demo``: a whole survey of a made country."""

import sys
from pathlib import Path

import click

from server.cli.desk import Desk, pass_desk


@click.command(
    epilog="""\b
Examples:
  passerelle demo
  passerelle demo --full
  passerelle demo --check --json --households 200 --devices 20
"""
)
@click.option("--full", is_flag=True, help="The whole sample of 4 480 households; about a quarter of it otherwise.")
@click.option("--devices", type=click.IntRange(2, 1000), help="Number of tablets; every tenth behaves as ODK Collect.")
@click.option("--households", type=click.IntRange(50, 100_000), help="Households to draw.")
@click.option("--seed", type=int, help="Seed of everything that is left to chance.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the results page; 8080 if it is free.")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help="Keep the office here; a temporary folder if not given.",
)  # fmt: skip
@click.option("--check", is_flag=True, help="End after the check and set the exit status; do not leave the server up.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--kill", is_flag=True, help="Kill the server in the middle (SIGKILL) and start it again.")
@pass_desk
def demo(
    desk: Desk,
    full: bool,
    devices: int | None,
    households: int | None,
    seed: int | None,
    port: int | None,
    data: Path | None,
    check: bool,
    as_json: bool,
    kill: bool,
) -> None:
    """Run a survey of a made country over real HTTP, and print its estimates beside the truth.

    Draws a sample, publishes the questionnaire, enrols tablets, fills interviews question by question, seals and syncs
    them with lost answers, repeats and edits, opens, folds, weights and publishes them. The results page stays up at
    the address it prints, until Ctrl-C.
    """
    from server.demo import run

    status = run.run_demo(
        full=full,
        devices=devices,
        households=households,
        seed=seed,
        port=port,
        data=data if data is not None else desk.data,
        check=check,
        json=as_json,
        kill=kill,
    )
    sys.exit(status)
