"""``passerelle frame``, ``psu`` and ``progress``: the sample, and how far the work in it is."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table, working
from server.cli.edge import Refusal
from server.cli.projects import chosen_project

if TYPE_CHECKING:
    from server.services.progress import Counts

CSV = click.Path(path_type=Path, dir_okay=False)
HEADINGS = (
    "drawn",
    "complete",
    "partial",
    "refused",
    "not met",
    "not eligible",
    "other",
    "pending",
    "received",
    "held",
)


@click.group()
def frame() -> None:
    """Import the frame, the listing, the draw, exchange rates and totals."""


@frame.command(
    "import",
    epilog="""\b
Examples:
  passerelle frame import --frame frame.csv --listing listing.csv --draw draw.csv
  passerelle frame import --rates rates.csv --totals totals.csv
""",
)
@click.option("--frame", "frame_file", type=CSV, metavar="FILE", help="Primary sampling units.")
@click.option("--listing", type=CSV, metavar="FILE", help="Households listed and drawn, by unit and class.")
@click.option("--draw", type=CSV, metavar="FILE", help="The drawn households.")
@click.option("--rates", type=CSV, metavar="FILE", help="Exchange rates by month.")
@click.option("--totals", type=CSV, metavar="FILE", help="Known households by province and area.")
@click.option("--project", metavar="NAME", help="Whose the draw is; without it whose it was, or the first project's.")
@click.option("--replace", is_flag=True, help="Change the design although interviews have arrived.")
@json_option
@pass_desk
def import_files(
    desk: Desk,
    frame_file: Path | None,
    listing: Path | None,
    draw: Path | None,
    rates: Path | None,
    totals: Path | None,
    project: str | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Import CSV files; docs/reference/frame-files.md names their columns.

    All files are checked, alone and against each other, before anything is stored; every error is listed with file,
    line and column. The same files again change nothing.
    """
    from server.clock import utc_now
    from server.errors import FrameInvalid
    from server.services.import_frame import FrameDocument, import_frame

    paths = {"frame": frame_file, "listing": listing, "draw": draw, "rates": rates, "totals": totals}
    documents = [
        FrameDocument(kind=kind, name=path.name, content=path.read_bytes())  # type: ignore[arg-type] # keys are kinds
        for kind, path in paths.items()
        if path is not None
    ]
    if not documents:
        raise Refusal("no file is given: name at least one of --frame, --listing, --draw, --rates, --totals.")
    try:
        with working("Checking …"), desk.context() as context, context.database.transaction() as session:
            imported = import_frame(
                session,
                documents=documents,
                keystore=context.keystore,
                user=actor(),
                now=utc_now(),
                replace=replace,
                project_id=None if project is None else chosen_project(session, project),
            )
    except FrameInvalid as problem:
        for error in problem.members.get("errors", ()):
            click.echo(error)
        raise
    if as_json:
        print_json(imported)
        return
    for document in imported:
        state = "imported" if document.is_new else "unchanged"
        click.echo(f"{document.name}: {document.rows} rows, {state} (SHA-256 {document.hash.hex()})")


@frame.command("show", epilog="\b\nExample:\n  passerelle frame show\n")
@json_option
@pass_desk
def show_frame(desk: Desk, as_json: bool) -> None:
    """Show which files were imported, with their hashes; the first of each kind is in force."""
    from server.db.queries import fieldwork

    with desk.context() as context, context.database.read() as session:
        documents = fieldwork.documents(session)
    if as_json:
        print_json(documents)
        return
    rows = [(one.kind, one.name, one.rows, one.imported_at, one.imported_by, one.hash.hex()) for one in documents]
    print_table("Imported files", ("kind", "file", "rows", "imported", "by", "SHA-256"), rows, numbers=("rows",))


@click.group()
def psu() -> None:
    """Close, lose and list primary sampling units."""


@psu.command(epilog="\b\nExamples:\n  passerelle psu close 02102 02103\n  passerelle psu close --all\n")
@click.argument("codes", nargs=-1, metavar="[PSU]...")
@click.option("--all", "is_all", is_flag=True, help="Close every unit that is still open.")
@json_option
@pass_desk
def close(desk: Desk, codes: tuple[str, ...], is_all: bool, as_json: bool) -> None:
    """Say that fieldwork in units is over. A release needs every drawn unit closed or lost."""
    from server.clock import utc_now
    from server.services import close_psu

    if bool(codes) == is_all:
        raise Refusal("name the units to close, or give --all.")
    with desk.context() as context, context.database.transaction() as session:
        if is_all:
            changed = close_psu.close_all(session, user=actor(), now=utc_now())
        else:
            changed = tuple(close_psu.close(session, psu=code, user=actor(), now=utc_now()) for code in codes)
    if as_json:
        print_json(changed)
        return
    click.echo(
        f"Closed {len(changed)} units with interviews from {sum(unit.interviews for unit in changed)} households."
    )


@psu.command(epilog='\b\nExample:\n  passerelle psu lose 14207 --reason "flood"\n')
@click.argument("code", metavar="PSU")
@click.option("--reason", required=True, metavar="TEXT", help="Why it could not be worked.")
@json_option
@pass_desk
def lose(desk: Desk, code: str, reason: str, as_json: bool) -> None:
    """Declare that a unit was never worked; the weights of its stratum carry it."""
    from server.clock import utc_now
    from server.services import close_psu

    with desk.context() as context, context.database.transaction() as session:
        changed = close_psu.lose(session, psu=code, reason=reason, user=actor(), now=utc_now())
    if as_json:
        print_json(changed)
    else:
        click.echo(f"Declared {changed.psu} lost.")


@psu.command(epilog="\b\nExample:\n  passerelle psu reopen 02102\n")
@click.argument("code", metavar="PSU")
@pass_desk
def reopen(desk: Desk, code: str) -> None:
    """Take back that a unit is closed or lost."""
    from server.clock import utc_now
    from server.services import close_psu

    with desk.context() as context, context.database.transaction() as session:
        close_psu.reopen(session, psu=code, user=actor(), now=utc_now())
    click.echo(f"Opened {code} again.")


@psu.command("list", epilog="\b\nExample:\n  passerelle psu list\n")
@json_option
@pass_desk
def list_psus(desk: Desk, as_json: bool) -> None:
    """List drawn units and whether work in them is over."""
    from server.services import close_psu

    with desk.context() as context, context.database.read() as session:
        units = close_psu.list_psus(session)
    if as_json:
        print_json(units)
        return
    rows = [(one.psu, one.stratum, one.province, one.area, one.status, one.status_at, one.status_by) for one in units]
    print_table("Drawn units", ("unit", "stratum", "province", "area", "status", "since", "by"), rows)


@click.command(epilog="\b\nExamples:\n  passerelle progress\n  passerelle progress --by enumerator --json\n")
@click.option("--by", type=click.Choice(("psu", "enumerator", "province")), help="One table only; all if not given.")
@json_option
@pass_desk
def progress(desk: Desk, by: str | None, as_json: bool) -> None:
    """Show what came of every drawn household, by province, unit and enumerator."""
    from server.services.progress import measure

    with working("Counting …"), desk.context() as context, context.database.read() as session:
        found = measure(session, context.keystore)
    if as_json:
        print_json(found)
        return
    if by in (None, "province"):
        _print_counts("province", [((one.province,), one.counts) for one in found.provinces], found.total)
    if by in (None, "enumerator"):
        _print_counts("enumerator", [((one.enumerator,), one.counts) for one in found.enumerators], found.total)
    if by in (None, "psu"):
        rows = [((one.psu, one.status), one.counts) for one in found.psus]
        _print_counts("unit", rows, found.total, more=("status",))
    if not found.outcomes_known:
        click.echo("The key store is locked: outcomes are under “other” until PASSERELLE_PASSPHRASE is set.")
    if found.outside_the_draw:
        click.echo(
            f"{found.outside_the_draw} interviews have a household key outside the draw; see `passerelle hold list`."
        )


def _print_counts(
    name: str, rows: Sequence[tuple[tuple[str, ...], "Counts"]], total: "Counts", *, more: tuple[str, ...] = ()
) -> None:
    cells = [(*codes, *astuple(counts)) for codes, counts in rows]
    cells.append(("all", *("" for _ in more), *astuple(total)))
    if len(HEADINGS) != len(fields(total)):  # pragma: no cover - a column without a heading is a mistake here
        raise AssertionError("every count has a heading")
    print_table(f"By {name}", (name, *more, *HEADINGS), cells, numbers=HEADINGS)
