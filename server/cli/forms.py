"""``passerelle form``: publish questionnaires and look at their versions."""

from pathlib import Path

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json, print_table, working
from server.cli.edge import Refusal


@click.group()
def form() -> None:
    """Publish questionnaires; see their versions."""


@form.command(
    epilog="""\b
Examples:
  passerelle form publish hh_remit
  passerelle form publish survey.xlsx --note "second pilot"
"""
)
@click.argument("source", metavar="FILE|NAME")
@click.option("--note", default="", metavar="TEXT", help="Why this version, for whoever reads the list later.")
@json_option
@pass_desk
def publish(desk: Desk, source: str, note: str, as_json: bool) -> None:
    """Publish a workbook (.xlsx, .xls, .csv, .md), an XForm (.xml), or a form of the library by its name.

    A published version never changes; tablets fetch it with their next exchange. The same content again publishes
    nothing new.
    """
    from server.clock import utc_now
    from server.services import publish_form

    content, filename = read_source(source)
    with working(f"Converting {filename} …"), desk.context() as context:
        prepared = publish_form.prepare(content, filename)
        with context.database.transaction() as session:
            published = publish_form.publish(session, prepared, note=note, user=actor(), now=utc_now())
    if as_json:
        print_json(published)
        return
    for finding in published.findings:
        click.echo(f"{finding.severity}: {finding.place}: {finding.message()}")
    verb = "Published" if published.is_new else "Unchanged, published before:"
    click.echo(f"{verb} {published.form_id} version {published.version} ({published.hash.hex()[:16]}).")


@form.command("list", epilog="\b\nExample:\n  passerelle form list --json\n")
@json_option
@pass_desk
def list_forms(desk: Desk, as_json: bool) -> None:
    """List all published versions in the order of publication."""
    from server.db.queries import forms

    with desk.context() as context, context.database.read() as session:
        versions = forms.versions(session)
    if as_json:
        print_json(versions)
        return
    print_table(
        "Forms",
        ("form", "version", "title", "state", "published", "by", "hash"),
        [
            (one.form_id, one.version, one.title, one.state, one.published_at, one.published_by, one.hash)
            for one in versions
        ],
    )


@form.command(epilog="\b\nExample:\n  passerelle form show hh_remit\n")
@click.argument("form_id")
@click.argument("version", required=False)
@json_option
@pass_desk
def show(desk: Desk, form_id: str, version: str | None, as_json: bool) -> None:
    """Show a form version: its questions and into which store each answer goes. The latest version if none is named."""
    from forms.definition import FormDefinition
    from server.db.queries import forms

    with desk.context() as context, context.database.read() as session:
        known = [one for one in forms.versions(session, form_id) if version in (None, one.version)]
        xform = forms.xform(session, known[-1].hash) if known else None
    if xform is None:
        name = f"{form_id} {version or ''}".strip()
        raise Refusal(f"no form version “{name}” is published; `passerelle form list` shows them.")
    chosen, definition = known[-1], FormDefinition.parse(xform)
    columns = {store: definition.columns(store) for store in ("analysis", "identifiers")}
    if as_json:
        print_json({"version": chosen, "languages": definition.languages, "columns": columns})
        return
    click.echo(
        f"{chosen.form_id} {chosen.version}: {chosen.title} ({', '.join(definition.languages) or 'one language'})"
    )
    click.echo(
        f"SHA-256 {chosen.hash.hex()}, {chosen.state} {chosen.published_at:%Y-%m-%d %H:%M} by {chosen.published_by}\n"
    )
    rows = [
        (column.name, column.type, store, column.pii or "", column.path)
        for store, found in columns.items()
        for column in found
    ]
    print_table("Columns", ("column", "type", "store", "identifies", "path"), rows)


@form.command(epilog="\b\nExample:\n  passerelle form export hh_remit hh_remit.xlsx\n")
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def export(name: str, target: Path) -> None:
    """Write a form of the library as a workbook (.xlsx), to read or to adapt."""
    target.write_bytes(library_workbook(name))
    click.echo(f"Wrote {target}.")


def read_source(source: str) -> tuple[bytes, str]:
    """Return the bytes and the file name of a path or of a library form.

    Raises:
        Refusal: when it is neither.
        OSError: when the file cannot be read.
    """
    path = Path(source)
    if path.exists():
        return path.read_bytes(), path.name
    if path.suffix:
        raise Refusal(f"there is no file {source}. Give a workbook or XForm, or the name of a library form.")
    return library_workbook(source), f"{source}.xlsx"


def library_workbook(name: str) -> bytes:
    """Return the workbook of a library form.

    Raises:
        Refusal: when there is none of this name.
    """
    from forms import library

    if name not in library.names():
        raise Refusal(f"“{name}” is neither a file nor a form of the library ({', '.join(library.names())}).")
    return library.workbook(name)
