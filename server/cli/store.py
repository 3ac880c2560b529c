"""``passerelle verify`` and ``passerelle rebuild``: is everything there, and does it say what it said?"""

import click

from server.cli.desk import Desk, counting, json_option, pass_desk, print_json, working
from server.cli.edge import Refusal


@click.command(epilog="\b\nExample:\n  passerelle verify --json\n")
@json_option
@pass_desk
def verify(desk: Desk, as_json: bool) -> None:
    """Check every envelope and everything derived from them.

    Hashes every envelope and every sealed medium again, checks signatures, folds all of them afresh and compares with
    what is stored.
    Changes nothing.
    """
    from server.db.queries import envelopes
    from server.services import verify_store

    with desk.context() as context:
        with context.database.read() as session:
            total = sum(envelopes.count_by_state(session).values())
        with counting("Verifying", total) as advance:
            report = verify_store.verify(
                context.database,
                keystore=context.keystore,
                microdata=context.microdata,
                blobs=context.blobs,
                progress=advance,
            )
    if as_json:
        print_json(report)
    else:
        click.echo(report)
    if not report.is_sound:
        raise Refusal(
            f"{report.difference_count} things do not agree (see above). "
            "If all envelopes are whole, `passerelle rebuild` derives the rest again; else restore a backup."
        )


@click.command(epilog="\b\nExample:\n  passerelle rebuild\n")
@json_option
@pass_desk
def rebuild(desk: Desk, as_json: bool) -> None:
    """Drop everything that is derived from the envelopes, and derive it again."""
    from server.clock import utc_now
    from server.services import rebuild as service

    with working("Rebuilding …"), desk.context() as context:
        report = service.rebuild(
            database=context.database,
            keystore=context.keystore,
            microdata=context.microdata,
            now=utc_now(),
            blobs=context.blobs,
        )
    if as_json:
        print_json(report)
    else:
        click.echo(report)
    if not (report.is_same or report.was_due):
        raise Refusal(
            "the state after rebuilding is another than before (see above). Run `passerelle verify`: when it is sound, "
            "what was stored before had been altered."
        )
