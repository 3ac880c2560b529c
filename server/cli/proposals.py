"""``passerelle proposal``: what takes two people."""

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table


@click.group()
def proposal() -> None:
    """Agree to what another person has proposed, or decline: to erase an interview, to wipe a tablet."""


@proposal.command("list", epilog="\b\nExample:\n  passerelle proposal list --json\n")
@json_option
@pass_desk
def list_proposals(desk: Desk, as_json: bool) -> None:
    """List proposals, open ones first."""
    from server.services import proposals

    with desk.context() as context, context.database.read() as session:
        found = proposals.list_proposals(session, keystore=context.keystore)
    rows = [
        {
            "proposal_id": one.proposal.proposal_id, "state": one.proposal.state, "action": one.proposal.action,
            "subject": one.proposal.subject, "note": one.note, "proposed_by": one.proposal.proposed_by,
            "proposed_at": one.proposal.proposed_at, "decided_by": one.proposal.decided_by,
            "decided_at": one.proposal.decided_at,
        }
        for one in found
    ]  # fmt: skip
    if as_json:
        print_json(rows)
        return
    columns = ("number", "state", "action", "of", "why", "proposed by", "at", "decided by", "at")
    print_table("Proposals", columns, [tuple(row.values()) for row in rows], numbers=("number",))


@proposal.command(epilog="\b\nExample:\n  passerelle proposal agree 3\n")
@click.argument("number", type=int)
@pass_desk
def agree(desk: Desk, number: int) -> None:
    """Agree, as a second person: with that it is decided, signed and named with both."""
    from server.clock import utc_now
    from server.folding.deciding import WIPE
    from server.services import proposals

    with desk.context() as context, context.database.transaction() as session:
        found = proposals.agree(session, keystore=context.keystore, proposal_id=number, user=actor(), now=utc_now())
    then = "The server erases it in a moment." if found.action != WIPE else "The tablet hears it next."
    click.echo(f"Agreed: {found.action} {found.subject}. {then}")


@proposal.command(epilog="\b\nExample:\n  passerelle proposal decline 3\n")
@click.argument("number", type=int)
@pass_desk
def decline(desk: Desk, number: int) -> None:
    """Decline, or take back what you have proposed."""
    from server.clock import utc_now
    from server.services import proposals

    with desk.context() as context, context.database.transaction() as session:
        found = proposals.decline(session, proposal_id=number, user=actor(), now=utc_now())
    click.echo(f"Declined: {found.action} {found.subject}.")
