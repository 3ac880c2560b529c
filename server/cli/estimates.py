"""``passerelle estimate`` and ``passerelle release``: from interviews to published figures."""

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table, working


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
@click.option("--cut-off", metavar="TIME", help="Use interviews received until then (ISO 8601 with a zone); now if not given.")
@json_option
@pass_desk
def run(desk: Desk, cut_off: str | None, as_json: bool) -> None:
    """Weight the interviews and draft a release; a person publishes it."""
    from server.clock import utc_now
    from server.services import estimate as service

    now = utc_now()
    until = _moment(cut_off) if cut_off else now
    with working("Estimating …"), desk.context() as context:
        ran = service.run(context.database, microdata=context.microdata, keystore=context.keystore, now=now, cut_off=until)
    if as_json:
        print_json(ran)
        return
    click.echo(f"Run {ran.run_id} made draft release {ran.release_id}. Publish it with `passerelle release publish {ran.release_id}`.")


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
        found = service.list_releases(session)
    if as_json:
        print_json(found)
        return
    rows = [(one.release_id, one.state, one.cut_off, one.published_at, one.published_by, one.open_holds) for one in found]
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
        print_json(published)
    else:
        click.echo(f"Published release {release_id}.")


@release.command(epilog="\b\nExample:\n  passerelle release show 3\n")
@click.argument("release_id", type=int, metavar="RELEASE")
@json_option
@pass_desk
def show(desk: Desk, release_id: int, as_json: bool) -> None:
    """Show the figures of a release; hidden ones stay hidden."""
    from server.services import release as service

    with desk.context() as context, context.database.read() as session:
        found = service.read(session, release_id)
    if as_json:
        print_json(found)
        return
    print_table("Figures", ("indicator",), [])


def _moment(text: str) -> "datetime":
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter("give ISO 8601 with a zone, e.g. 2026-11-30T18:00:00+00:00", param_hint="--cut-off")
    return moment
