"""``passerelle estimate`` and ``passerelle release``: from interviews to published figures."""

import json
from datetime import datetime
from typing import TYPE_CHECKING

import click

from server.cli.desk import Desk, actor, cell, json_option, pass_desk, print_json, print_table, working
from server.cli.edge import Refusal

if TYPE_CHECKING:
    from server.db.queries.statistics import StoredRelease

NUMBERS = ("value", "se", "cv", "low", "high", "n")


@click.group()
def estimate() -> None:
    """Compute estimates; see past runs."""


@estimate.command(
    epilog="""\b
Examples:
  passerelle estimate run
  passerelle estimate run --cut-off 2026-11-30T18:00:00+00:00
"""
)
@click.option(
    "--cut-off", metavar="TIME", help="Use interviews received until then (ISO 8601 with a zone); now if not given."
)
@json_option
@pass_desk
def run(desk: Desk, cut_off: str | None, as_json: bool) -> None:
    """Weight the interviews and draft a release; a person publishes it."""
    from server.clock import utc_now
    from server.services import estimate as service

    now = utc_now()
    until = _moment(cut_off) if cut_off else now
    with working("Estimating …"), desk.context() as context:
        if context.keystore.is_sealed:
            raise Refusal(
                "interviews are opened on the office's own machine: estimate there, then `passerelle office`."
            )
        with context.database.read() as session:
            prepared = service.prepare(session, microdata=context.microdata, now=now, cut_off=until)
        with context.database.transaction() as session:
            ran = service.store(session, prepared, now=utc_now())
    if as_json:
        print_json(ran)
        return
    if ran.is_new:
        click.echo(f"Run {ran.run_id} made draft release {ran.release_id}.")
    else:
        click.echo(f"Run {ran.run_id} found nothing new since release {ran.release_id}.")
    click.echo(
        f"Look at it with `passerelle release show {ran.release_id}`, "
        f"publish it with `passerelle release publish {ran.release_id}`."
    )


@estimate.command("list", epilog="\b\nExample:\n  passerelle estimate list\n")
@json_option
@pass_desk
def list_runs(desk: Desk, as_json: bool) -> None:
    """List runs and what became of them."""
    from server.db.queries import statistics

    with desk.context() as context, context.database.read() as session:
        runs = statistics.runs(session)
    if as_json:
        print_json(runs)
        return
    rows = [(one.run_id, one.state, one.started_at, one.finished_at, one.reason) for one in runs]
    print_table("Runs", ("run", "state", "started", "finished", "reason"), rows)


@click.group()
def release() -> None:
    """Publish, list and show releases."""


@release.command("list", epilog="\b\nExample:\n  passerelle release list --json\n")
@json_option
@pass_desk
def list_releases(desk: Desk, as_json: bool) -> None:
    """List releases, drafts too."""
    from server.services import release as service

    with desk.context() as context, context.database.read() as session:
        found = service.list_releases(session, with_drafts=True)
    if as_json:
        print_json([_described(one) for one in found])
        return
    rows = [
        (one.release_id, one.state, one.cut_off, one.published_at, one.published_by, one.open_holds) for one in found
    ]
    print_table("Releases", ("release", "state", "cut-off", "published", "by", "open holds"), rows)


@release.command(epilog="\b\nExample:\n  passerelle release publish 3\n")
@click.argument("release_id", type=int, metavar="RELEASE")
@json_option
@pass_desk
def publish(desk: Desk, release_id: int, as_json: bool) -> None:
    """Publish a draft: its content can never change afterwards.

    Refused while holds are open or a drawn unit is neither closed nor lost.
    """
    from server.clock import utc_now
    from server.services import release as service

    with desk.context() as context, context.database.transaction() as session:
        published = service.publish(session, release_id, user=actor(), now=utc_now())
    if as_json:
        print_json(_described(published))
    else:
        click.echo(f"Published release {release_id} (content {published.content_hash.hex()}).")


@release.command(epilog="\b\nExamples:\n  passerelle release show 3 --all\n  passerelle release show 3 --json\n")
@click.argument("release_id", type=int, metavar="RELEASE")
@click.option("--all", "is_all", is_flag=True, help="All domains; national figures only if not given.")
@json_option
@pass_desk
def show(desk: Desk, release_id: int, is_all: bool, as_json: bool) -> None:
    """Show the figures of a release, a draft too; hidden ones stay hidden."""
    from server.services import release as service

    with desk.context() as context, context.database.read() as session:
        found = service.show(session, release_id, with_drafts=True)
    content = json.loads(found.content)
    if as_json:
        print_json({**_described(found), "content": content})
        return
    rows = [
        [
            one["indicator"],
            one["statistic"],
            one["domain"],
            one["domain_value"],
            *map(_number, map(one.get, NUMBERS)),
            one["flag"],
        ]
        for one in content["estimates"]
        if is_all or one["domain"] == "national"
    ]
    columns = ("indicator", "statistic", "domain", "code", *NUMBERS, "flag")
    print_table(f"Release {release_id}, {found.state}, cut-off {cell(found.cut_off)}", columns, rows, numbers=NUMBERS)


def _described(found: "StoredRelease") -> dict[str, object]:
    """Return a release without its content."""
    names = (
        "release_id",
        "run_id",
        "state",
        "created_at",
        "cut_off",
        "published_at",
        "published_by",
        "content_hash",
        "open_holds",
    )
    return {name: getattr(found, name) for name in names}


def _number(value: float | None) -> str:
    """Write a figure of any size with four digits that matter."""
    if value is None:
        return ""
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:.4g}"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter("give ISO 8601 with a zone, e.g. 2026-11-30T18:00:00+00:00", param_hint="--cut-off")
    return moment
