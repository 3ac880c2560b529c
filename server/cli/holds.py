"""``passerelle hold`` and ``passerelle quarantine``: what waits for a person."""

from typing import TYPE_CHECKING

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table
from server.cli.edge import Refusal
from server.cli.form_report import chosen_language, language_option

if TYPE_CHECKING:
    from server.keystore import KeyStore

MEANINGS = {
    "K1": "key not in the draw, or of another enumerator's unit",
    "K2": "two interviews under one key",
    "K3": "mode of the form and of the seal differ",
    "E1": "recruitment costs out of proportion, not confirmed",
}


@click.group()
def hold() -> None:
    """Settle interviews that wait for a person's decision."""


@hold.command("list", epilog="\b\nExample:\n  passerelle hold list --json\n")
@json_option
@pass_desk
def list_holds(desk: Desk, as_json: bool) -> None:
    """List held interviews; a release needs that none is left."""
    from server.db.queries import interviews

    with desk.context() as context, context.database.read() as session:
        found = [
            {
                "interview_id": one.interview_id.hex(), "form_id": one.form_id, "mode": one.mode, "holds": one.holds,
                "meaning": "; ".join(MEANINGS.get(code, code) for code in one.holds.split(",")),
                "household_key": _household_key(one.sealed, one.interview_id, context.keystore),
                "source": one.source, "received_at": one.received_at,
            }
            for one in interviews.open_holds(session)
        ]  # fmt: skip
    if as_json:
        print_json(found)
        return
    columns = ("interview", "form", "mode", "holds", "meaning", "household", "from", "received")
    print_table("Holds", columns, [tuple(one.values()) for one in found])


@hold.command(
    epilog="""\b
Examples:
  passerelle hold settle 5f0c… --reassign 07203111264 --note "card read again with the enumerator"
  passerelle hold settle 5f0c… --exclude --note "second visit by mistake"
  passerelle hold settle 5f0c… --keep --note "checked with the supervisor"
"""
)
@click.argument("interview", metavar="INTERVIEW")
@click.option("--keep", is_flag=True, help="It is right as it is, and weighs.")
@click.option("--reassign", metavar="KEY", help="It belongs to this household.")
@click.option("--exclude", is_flag=True, help="It never weighs; it stays stored.")
@click.option("--note", required=True, metavar="TEXT", help="Why; sealed with the decision.")
@pass_desk
def settle(desk: Desk, interview: str, keep: bool, reassign: str | None, exclude: bool, note: str) -> None:
    """Decide about a held interview. The decision is signed and sealed; a later one replaces it."""
    from server.clock import utc_now
    from server.services import settle_hold

    if keep + exclude + (reassign is not None) != 1:
        raise Refusal("give exactly one of --keep, --reassign KEY and --exclude.")
    verdict = "keep" if keep else "exclude" if exclude else "reassign"
    with desk.context() as context, context.database.transaction() as session:
        settle_hold.settle(
            session,
            keystore=context.keystore,
            interview_id=_id(interview, 16),
            verdict=verdict,
            household_key=reassign,
            note=note,
            user=actor(),
            now=utc_now(),
        )
    click.echo("Decided. The server folds the decision in a moment; without a server, run `passerelle worker`.")


@click.group()
def quarantine() -> None:
    """See and release envelopes that could not be opened or trusted."""


@quarantine.command("list", epilog="\b\nExample:\n  passerelle quarantine list --lang fr\n")
@language_option
@json_option
@pass_desk
def list_quarantine(desk: Desk, lang: str | None, as_json: bool) -> None:
    """List quarantined envelopes with the reason; each is kept byte for byte."""
    from server.db.queries import opening
    from server.folding.arrival_reasons import reason_of

    with desk.context() as context, context.database.read() as session:
        found = opening.quarantined(session)
    if as_json:
        print_json(found)
        return
    rows = [(one.sequence, one.envelope_id.hex(), one.reason, one.carrier, one.received_at) for one in found]
    print_table("Quarantine", ("number", "envelope", "reason", "brought by", "received"), rows, numbers=("number",))
    for code in sorted({one.reason or "" for one in found}):
        what, to_do = reason_of(code).text(chosen_language(lang))
        click.echo(f"{code}: {what} {to_do}")


@quarantine.command(epilog="\b\nExample:\n  passerelle quarantine release 9f2c…\n")
@click.argument("envelope", metavar="ENVELOPE")
@pass_desk
def release(desk: Desk, envelope: str) -> None:
    """Release an envelope that a revoked tablet brought, when you know that it is genuine."""
    from server.clock import utc_now
    from server.services import settle_hold

    with desk.context() as context, context.database.transaction() as session:
        settle_hold.release_quarantined(session, envelope_id=_id(envelope, 32), user=actor(), now=utc_now())
    click.echo("Released. The server opens it in a moment.")


def _id(text: str, length: int) -> bytes:
    try:
        value = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        value = b""
    if len(value) != length:
        raise Refusal(f"“{text[:80]}” is not an id: copy all {2 * length} hexadecimal digits from the list.")
    return value


def _household_key(sealed: bytes, interview_id: bytes, keystore: "KeyStore") -> str | None:
    """Return the household key of an interview, None while the key store is locked."""
    from server.microdata import Standing

    return None if keystore.is_locked else Standing.open(sealed, interview_id, keystore).household_key
