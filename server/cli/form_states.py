"""``passerelle form approve|close|reopen|retire|policy|events``: what people decide about a version."""

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table


def register(group: click.Group) -> None:
    """Add the commands to ``passerelle form``."""
    for command in (approve, close, reopen, retire, policy, events):
        group.add_command(command)


@click.command(epilog='\b\nExample:\n  passerelle form approve hh_remit 2 --note "read in the committee"\n')
@click.argument("form_id")
@click.argument("version")
@click.option("--note", default="", metavar="TEXT", help="For whoever reads the history later.")
@pass_desk
def approve(desk: Desk, form_id: str, version: str, note: str) -> None:
    """Publish what another person has submitted.

    You act as the user of this computer (`console:NAME`). Who submitted a version cannot approve it; that two accounts
    are two persons is for the office to see to.
    """
    from server.clock import utc_now
    from server.services import publish_form

    with desk.context() as context, context.database.transaction() as session:
        publish_form.approve(session, form_id=form_id, version=version, note=note, user=actor(), now=utc_now())
    click.echo(f"Published {form_id} version {version}. Tablets fetch it with their next exchange.")


@click.command(epilog='\b\nExample:\n  passerelle form close hh_remit 1 --note "replaced by version 2"\n')
@click.argument("form_id")
@click.argument("version")
@click.option("--note", required=True, metavar="TEXT", help="Why.")
@pass_desk
def close(desk: Desk, form_id: str, version: str, note: str) -> None:
    """Offer a version to tablets no longer. Interviews on it are opened as ever."""
    _change(desk, form_id, version, "closed", note)
    click.echo(f"Closed {form_id} version {version}. Interviews that tablets still send are opened as ever.")


@click.command(epilog="\b\nExample:\n  passerelle form reopen hh_remit 1\n")
@click.argument("form_id")
@click.argument("version")
@click.option("--note", default="", metavar="TEXT", help="Why.")
@pass_desk
def reopen(desk: Desk, form_id: str, version: str, note: str) -> None:
    """Offer a closed version to tablets again."""
    _change(desk, form_id, version, "published", note)
    click.echo(f"{form_id} version {version} is published again.")


@click.command(epilog='\b\nExample:\n  passerelle form retire hh_remit 1 --note "fieldwork is over"\n')
@click.argument("form_id")
@click.argument("version")
@click.option("--note", required=True, metavar="TEXT", help="Why.")
@pass_desk
def retire(desk: Desk, form_id: str, version: str, note: str) -> None:
    """End a closed version for good. Interviews that arrive from now on wait in quarantine for a person."""
    _change(desk, form_id, version, "retired", note)
    click.echo(f"Retired {form_id} version {version}. What still arrives is in `passerelle quarantine list`.")


@click.command(epilog="\b\nExample:\n  passerelle form policy hh_remit --needs-approval\n")
@click.argument("form_id")
@click.option(
    "--needs-approval/--no-approval", "needs_approval", required=True, help="Whether a second person publishes."
)
@pass_desk
def policy(desk: Desk, form_id: str, *, needs_approval: bool) -> None:
    """Say whether versions of a form are published by a second person."""
    from server.clock import utc_now
    from server.services import publish_form

    with desk.context() as context, context.database.transaction() as session:
        publish_form.set_policy(session, form_id=form_id, needs_approval=needs_approval, user=actor(), now=utc_now())
    click.echo(f"{form_id}: {'a second person publishes' if needs_approval else 'one person publishes'} from now on.")


@click.command(epilog="\b\nExample:\n  passerelle form events hh_remit 1\n")
@click.argument("form_id")
@click.argument("version", required=False)
@json_option
@pass_desk
def events(desk: Desk, form_id: str, version: str | None, *, as_json: bool) -> None:
    """List who did what to the versions of a form, oldest first."""
    from server.db.queries import form_events

    with desk.context() as context, context.database.read() as session:
        found = form_events.events(session, form_id=form_id, version=version)
    if as_json:
        print_json(found)
        return
    rows = [(one.at, one.version, one.action, one.actor, one.note) for one in found]
    print_table("Events", ("when", "version", "what", "who", "note"), rows)


def _change(desk: Desk, form_id: str, version: str, state: str, note: str) -> None:
    from server.clock import utc_now
    from server.services import publish_form

    with desk.context() as context, context.database.transaction() as session:
        publish_form.change_state(
            session, form_id=form_id, version=version, state=state, note=note, user=actor(), now=utc_now()
        )
