"""``passerelle submission``: what arrived, read back at the desk."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table
from server.cli.edge import Refusal
from server.cli.form_report import chosen_language, language_option
from server.cli.private_files import write_privately

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.context import Context
    from server.services.read_submission import Submission

PAGE = 50
STATES = ("needs-somebody", "waiting", "media", "held", "conflict", "quarantine", "opened")
"""As `server.db.queries.intake` has them, which would load too much for a help page."""


@click.group()
def submission() -> None:
    """See what arrived, and read it back."""


@submission.command(
    "list",
    epilog="""\b
Examples:
  passerelle submission list
  passerelle submission list --state needs-somebody --lang fr
  passerelle submission list --person 0012 --day 2026-11-24 --json
""",
)
@click.option("--state", type=click.Choice(STATES), help="In this state only.")
@click.option("--form", "form_id", metavar="FORM", help="Of this form.")
@click.option("--person", metavar="NAME", help="From this app user, device or enumerator.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Arrived on this day (UTC).")
@click.option("--before", type=int, metavar="NUMBER", help="Older than this number: the next page.")
@click.option("--limit", type=click.IntRange(1, 1000), default=PAGE, show_default=True, help="So many at most.")
@language_option
@json_option
@pass_desk
def list_submissions(desk: Desk, /, **options: Any) -> None:
    """List arrivals, newest first; works while the key store is locked."""
    from server.db.queries.intake import Wish
    from server.db.scope import EVERYTHING
    from server.folding.submission_members import arrival_members
    from server.services import list_arrivals

    day = None if options["day"] is None else options["day"].date()
    wish = Wish(form_id=options["form_id"], state=options["state"], person=options["person"], day=day)
    with desk.context() as context, context.database.read() as session:
        page = list_arrivals.list_arrivals(session, EVERYTHING, wish, before=options["before"], limit=options["limit"])
    if options["as_json"]:
        print_json([arrival_members(one) for one in page.arrivals])
        return
    rows = [_row(arrival_members(one)) for one in page.arrivals]
    columns = ("number", "received", "from", "form", "state", "why", "files", "missing", "instanceID")
    print_table("Submissions", columns, rows, numbers=("number", "files", "missing"))
    _explain((code for one in page.arrivals for code in one.reasons), chosen_language(options["lang"]))
    if page.before is not None:
        click.echo(f"There are more: --before {page.before}")


@submission.command(epilog="\b\nExample:\n  passerelle submission show uuid:5f0c… --lang fr\n")
@click.argument("instance_id", metavar="INSTANCEID")
@language_option
@json_option
@pass_desk
def show(desk: Desk, instance_id: str, lang: str | None, as_json: bool) -> None:
    """Show one submission: its state and why, its revisions and its files; no answers."""
    from server.services import read_submission

    with desk.context() as context:
        found = _find(context, instance_id)
        told = read_submission.members_of(found) | {"attachments": _files(context, found)}
    if as_json:
        print_json(told)
        return
    print_table("Submission", ("what", ""), [(name, told[name]) for name in ("instance_id", "state", "review")])
    columns = ("received", "from", "version", "current", "answers")
    rows = [
        (one["received_at"][:16], one["source"], one["version"], one["is_current"], one["answers_hash"][:16])
        for one in told["revisions"]
    ]
    print_table("Revisions", columns, rows)
    files = told["attachments"] or []
    print_table(
        "Files", ("name", "here", "type"), [(one["name"], one["exists"], one.get("media_type")) for one in files]
    )
    _explain((one["code"] for one in told["reasons"]), chosen_language(lang))


@submission.command(
    epilog="""\b
Examples:
  passerelle submission review uuid:5f0c… --approve
  passerelle submission review uuid:5f0c… --return --note "the age of the second member is missing"
"""
)
@click.argument("instance_id", metavar="INSTANCEID")
@click.option("--approve", "verdict", flag_value="approved", help="It is right as it is.")
@click.option("--reject", "verdict", flag_value="rejected", help="It is not good; it stays stored.")
@click.option("--return", "verdict", flag_value="returned", help="Give it back to its enumerator, with the note.")
@click.option("--note", default="", metavar="TEXT", help="Why; sealed. The enumerator reads that of a return.")
@pass_desk
def review(desk: Desk, instance_id: str, verdict: str | None, note: str) -> None:
    """Approve, reject or return an interview. The review is of its current revision, signed and sealed."""
    from server.clock import utc_now
    from server.services import read_submission, review_interview

    if verdict is None:
        raise Refusal("say which: --approve, --reject or --return.")
    with desk.context() as context:
        found = _find(context, instance_id)
        with context.database.read() as session:
            to = read_submission.addressee(session, found, keystore=context.keystore)
        with context.database.transaction() as session:
            interview_id = read_submission.interview_of(found)
            review_interview.review(
                session, keystore=context.keystore, interview_id=interview_id, verdict=verdict, note=note,
                user=actor(), now=utc_now(),
            )  # fmt: skip
    if verdict == "returned" and to is not None and not to.tablets:
        whom = f"enumerator {to.enumerator} has" if to.enumerator else "no enumerator is named, and nobody has"
        click.echo(f"Noted, but {whom} no enrolled tablet that could bring it back: tell the person.")
        return
    click.echo("Noted. The server folds it in a moment; without a server, run `passerelle worker`.")


@submission.command(epilog="\b\nExample:\n  passerelle submission xml uuid:5f0c… --out interview.xml\n")
@click.argument("instance_id", metavar="INSTANCEID")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@pass_desk
def xml(desk: Desk, instance_id: str, out: Path | None) -> None:
    """Write the XML of a submission as it was sent. The look is written into the audit trail first."""
    from server.services import read_submission

    with desk.context() as context:
        found = _find(context, instance_id)
        revision = found.revision()
        _note(context, read_submission.READ_ANSWERS, found)
        with context.database.read() as session:
            content = read_submission.read_xml(session, revision, keystore=context.keystore, blobs=context.blobs)
    _write(out, [content])


@submission.command(epilog="\b\nExample:\n  passerelle submission attachment uuid:5f0c… photo.jpg --out photo.jpg\n")
@click.argument("instance_id", metavar="INSTANCEID")
@click.argument("name", metavar="NAME")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@pass_desk
def attachment(desk: Desk, instance_id: str, name: str, out: Path | None) -> None:
    """Write one file of a submission. The look is written into the audit trail first."""
    from server.db.scope import EVERYTHING
    from server.services import read_submission

    with desk.context() as context:
        found = _find(context, instance_id)
        with context.database.read() as session:
            media = read_submission.list_media(session, EVERYTHING, found, keystore=context.keystore)
        medium = read_submission.pick_medium(media, name)
        _note(context, read_submission.READ_MEDIUM, found)
        _write(out, read_submission.medium_chunks(medium, keystore=context.keystore, blobs=context.blobs))


@submission.command(
    epilog="\b\nExample:\n  passerelle submission erase uuid:5f0c… --note 'the household asked on 24 November'\n"
)
@click.argument("instance_id", metavar="INSTANCEID")
@click.option("--note", required=True, metavar="TEXT", help="Why; sealed, and shown to whoever agrees.")
@pass_desk
def erase(desk: Desk, instance_id: str, note: str) -> None:
    """Propose to erase an interview whose people withdraw their consent, for ever; another person agrees.

    All its versions and files go, here and on tablets. Published figures stay as they are.
    """
    from server.clock import utc_now
    from server.services import proposals

    with desk.context() as context:
        found = _find(context, instance_id)
        if found.instance_id is None:
            raise Refusal("this envelope shows no instanceID, so nothing can be erased by it.")
        with context.database.transaction() as session:
            number = proposals.propose_erasure(
                session,
                keystore=context.keystore,
                instance_id=found.instance_id,
                note=note,
                user=actor(),
                now=utc_now(),
            )
    click.echo(f"Proposed as number {number}. Another person agrees: passerelle proposal agree {number}")


def _find(context: "Context", instance_id: str) -> "Submission":
    from server.db.scope import EVERYTHING
    from server.services import read_submission

    with context.database.read() as session:
        return read_submission.find(session, EVERYTHING, instance_id)


def _files(context: "Context", found: "Submission") -> list[dict[str, Any]] | None:
    from server.db.scope import EVERYTHING
    from server.folding.submission_members import medium_members, missing_members
    from server.services import read_submission

    if context.keystore.is_locked or found.instance_id is None:
        return None
    with context.database.read() as session:
        media = read_submission.list_media(session, EVERYTHING, found, keystore=context.keystore)
        missing = read_submission.missing_names(session, found, keystore=context.keystore)
    return [*map(medium_members, media), *map(missing_members, missing)]


def _note(context: "Context", what: str, found: "Submission") -> None:
    from server.clock import utc_now
    from server.services import read_submission

    with context.database.transaction() as session:
        read_submission.note_look(session, what=what, subject=found.instance_id or b"", user=actor(), now=utc_now())


def _row(told: dict[str, Any]) -> tuple[object, ...]:
    sender, files = told["from"], told["attachments"]
    return (
        told["sequence"],
        told["received_at"][:16].replace("T", " "),
        sender["enumerator"] or sender["name"],
        f"{told['form_id']} {told['version']}".strip(),
        told["state"],
        ", ".join(reason["code"] for reason in told["reasons"]),
        files["here"] + files["unopened"],
        files["missing"],
        told["instance_id"] or told["envelope_id"],
    )


def _explain(codes: Any, language: str) -> None:
    from server.folding.arrival_reasons import reason_of

    for code in sorted(set(codes)):
        what, to_do = reason_of(code).text(language)
        click.echo(f"{code}: {what} {to_do}")


def _write(out: Path | None, chunks: "Iterable[bytes]") -> None:
    """Write to a file that only its owner reads, or to what comes after a pipe; never onto a terminal."""
    import sys

    if out is None:
        if sys.stdout.isatty():
            raise Refusal("answers are not shown on a terminal: give --out FILE, or a pipe.")
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        return
    write_privately(out, chunks)
