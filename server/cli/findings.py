"""``passerelle finding``: what checking found in opened interviews."""

from typing import TYPE_CHECKING, Final

import click

from server.cli.desk import Desk, json_option, pass_desk, print_json, print_table, working
from server.cli.edge import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.services.list_findings import ListedFinding

SEVERITIES: Final = ("hold", "error", "supervisor", "note", "flag", "score")


@click.group()
def finding() -> None:
    """Show what checking found: codes and places, never answers."""


@finding.command(
    "list",
    epilog="""\b
Examples:
  passerelle finding list
  passerelle finding list --severity hold
  passerelle finding list --psu 072031 --code T2 --json
""",
)
@click.option("--psu", metavar="PSU", help="Of interviews in this unit.")
@click.option("--enumerator", metavar="CODE", help="Of this enumerator's work.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Of this severity.")
@click.option("--code", metavar="CODE", help="With this code, such as E1 or constraint.")
@click.option("--fr", "is_french", is_flag=True, help="Say in French what the codes mean.")
@json_option
@pass_desk
def list_found(
    desk: Desk,
    psu: str | None,
    enumerator: str | None,
    severity: str | None,
    code: str | None,
    is_french: bool,
    as_json: bool,
) -> None:
    """List findings, the gravest first. docs/explanation/checks.md says what each code means."""
    from server.services.list_findings import FindingFilter, list_findings

    wanted = FindingFilter(psu=psu, enumerator=enumerator, severity=severity, code=code)
    with working("Reading …"), desk.context() as context, context.database.read() as session:
        page = list_findings(session, context.keystore, wanted)
    if as_json:
        print_json(page)
        return
    rows = _rows(page.findings, "fr" if is_french else "en")
    print_table("Findings", ("severity", "code", "interview", "unit", "enumerator", "place", "measure", "text"), rows)
    click.echo(f"{page.total} findings.")
    if page.unchecked:
        click.echo(f"{page.unchecked} interviews wait to be checked; the server's worker does it.")


@finding.command("show", epilog="\b\nExample:\n  passerelle finding show 5f0c…\n")
@click.argument("interview", metavar="INTERVIEW")
@click.option("--fr", "is_french", is_flag=True, help="Say in French what the codes mean.")
@json_option
@pass_desk
def show_found(desk: Desk, interview: str, is_french: bool, as_json: bool) -> None:
    """Show all findings on one interview."""
    from server.services.list_findings import show_findings

    with desk.context() as context, context.database.read() as session:
        found = show_findings(session, context.keystore, _id(interview))
    if as_json:
        print_json(found)
        return
    click.echo(
        f"Interview {found.interview_id}, form {found.form_id}, mode {found.mode}, "
        f"unit {found.psu or 'outside the draw'}, enumerator {found.enumerator or 'unknown'}"
    )
    if not found.findings:
        click.echo("Checked without a finding.")
        return
    rows = [row[:2] + row[5:] for row in _rows(found.findings, "fr" if is_french else "en")]
    print_table("Findings", ("severity", "code", "place", "measure", "text"), rows)


def _rows(findings: "Iterable[ListedFinding]", language: str) -> list[tuple[object, ...]]:
    return [
        (
            f"{one.severity}, settled" if one.severity == "hold" and not one.is_open else one.severity,
            one.code,
            one.interview_id,
            one.psu,
            one.enumerator,
            one.path,
            one.measure,
            one.text[language],
        )
        for one in findings
    ]


def _id(text: str) -> bytes:
    try:
        value = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        value = b""
    if len(value) != 16:
        raise Refusal(f"“{text[:80]}” is not an id: copy all 32 hexadecimal digits from the list.")
    return value
