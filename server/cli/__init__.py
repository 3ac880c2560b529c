"""The command line, ``passerelle …``: one module a group of commands.

Commands parse, call one service in one transaction, and print. Heavy libraries are imported by the command that needs
them, so that ``--help`` answers at once.
"""

from pathlib import Path

import click

from server.cli import (
    accounts,
    app_users,
    backups,
    codebooks,
    demonstration,
    devices,
    entities,
    estimates,
    evolution,
    fieldwork,
    findings,
    forms,
    holds,
    intake,
    keys,
    odk_keys,
    projects,
    proposals,
    sealed,
    serving,
    setup,
    status,
    store,
    submissions,
    tablets,
)
from server.cli.desk import DATA, Desk
from server.cli.edge import EdgeGroup

__all__ = ["main"]

EPILOG = """\b
A first survey, step by step:
  passerelle --data survey init
  passerelle --data survey form publish hh_remit
  passerelle --data survey frame import --frame frame.csv --listing listing.csv --draw draw.csv
  passerelle --data survey device enrol --enumerator 0001 --team 01 --qr
  passerelle --data survey serve
  passerelle tablet enrol ./tablet 'passerelle://…'
Or watch a whole survey of a made country: passerelle demo
"""


@click.group(
    cls=EdgeGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help=f"Folder of keys, database and microdata; {DATA} if not given.",
)  # fmt: skip
@click.option("--debug", is_flag=True, help="On an unforeseen error, show the way to it (never answers).")
@click.version_option(package_name="passerelle", prog_name="passerelle")
@click.pass_context
def main(ctx: click.Context, data: Path | None, debug: bool) -> None:  # noqa: ARG001 - the edge reads debug
    """Offline-first field-data collection for labour-migration statistics."""
    ctx.obj = Desk(data)


setup.register(main)
serving.register(main)
backups.register(main)
codebooks.register(forms.form)
evolution.register(forms.form)
for group in (
    forms.form,
    devices.device,
    tablets.tablet,
    app_users.app_user,
    fieldwork.frame,
    fieldwork.psu,
    holds.hold,
    findings.finding,
    holds.quarantine,
    proposals.proposal,
    submissions.submission,
    odk_keys.odk_key,
    keys.key,
    sealed.office,
    entities.entity,
    estimates.estimate,
    estimates.release,
    accounts.user,
    projects.project,
):
    main.add_command(group)
for command in (
    status.status,
    fieldwork.progress,
    intake.intake,
    store.verify,
    store.rebuild,
    demonstration.demo,
):
    main.add_command(command)
