"""``passerelle form``: publish questionnaires and look at their versions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from server.cli import form_states
from server.cli.desk import Desk, actor, json_option, pass_desk, plain, print_json, print_table, working
from server.cli.edge import Refusal
from server.cli.form_report import (
    chosen_language,
    language_option,
    print_difference,
    print_findings,
    print_rehearsal,
)
from server.cli.projects import chosen_project, project_option

if TYPE_CHECKING:
    from forms.package import Medium
    from server.context import Context
    from server.services.publish_form import Examined, Prepared, PublishedVersion

FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
FOLDER: Final = click.Path(path_type=Path, file_okay=False, exists=True)


@click.group()
def form() -> None:
    """Publish questionnaires; see their versions."""


@form.command(
    epilog="""\b
Examples:
  passerelle form publish hh_remit
  passerelle form publish survey.xlsx --dry-run --lang fr
  passerelle form publish survey.xlsx --map map.csv --media-folder media --note "second pilot"
  passerelle form publish returns.xlsx --project "Returned migrants 2026"
"""
)
@click.argument("source", metavar="FILE|NAME")
@click.option("--map", "map_file", type=FILE, metavar="FILE", help="Migration map (.csv), if no sheet `map` has it.")
@click.option("--media", type=FILE, multiple=True, metavar="FILE", help="A file that the form asks for; repeat it.")
@click.option("--media-folder", type=FOLDER, metavar="DIR", help="A folder of such files.")
@click.option("--note", default="", metavar="TEXT", help="Why this version, for whoever reads the list later.")
@click.option("--encrypt", is_flag=True, help="ODK Collect encrypts to the newest key of `passerelle odk-key list`.")
@project_option
@click.option("--dry-run", is_flag=True, help="Say what it would come to; store nothing.")
@language_option
@json_option
@pass_desk
def publish(desk: Desk, /, source: str, **options: Any) -> None:
    """Publish a workbook (.xlsx, .xls, .csv, .md), an XForm (.xml), a package (.zip), or a library form by its name.

    A published version never changes; tablets fetch it with their next exchange. The same content again publishes
    nothing new. Where the form asks for a second person, the version waits as a draft for `passerelle form approve`.
    """
    language, as_json = chosen_language(options["lang"]), bool(options["as_json"])
    with desk.context() as context, _explained(language, as_json=as_json):
        prepared = _prepare(source, options)
        if options["encrypt"]:
            prepared = _encrypted(context, prepared)
        examined, rehearsal = _examine(context, prepared, options["project"], with_rehearsal=options["dry_run"])
        if options["dry_run"]:
            told = examined.members(rehearsal)
        else:
            told = _publish(context, examined, options["note"]).members()
    if as_json:
        print_json(told)
    else:
        _report(told, language, rehearsal)
    if told.get("outcome") == "refused":
        raise Refusal("it cannot be published as it is: declare in a migration map what becomes of these answers.")


@form.command(
    epilog="""\b
Examples:
  passerelle form lint survey.xlsx
  passerelle form lint survey.xlsx --media-folder media --lang fr
"""
)
@click.argument("source", metavar="FILE|NAME")
@click.option("--map", "map_file", type=FILE, metavar="FILE", help="Migration map (.csv).")
@click.option("--media", type=FILE, multiple=True, metavar="FILE", help="A file that the form asks for; repeat it.")
@click.option("--media-folder", type=FOLDER, metavar="DIR", help="A folder of such files.")
@language_option
@json_option
def lint(source: str, **options: Any) -> None:
    """Say everything that is wrong with a workbook, at once; no survey is needed for it."""
    from server.services.publish_form.members import finding_members

    language, as_json = chosen_language(options["lang"]), bool(options["as_json"])
    with _explained(language, as_json=as_json):
        prepared = _prepare(source, options)
    found = finding_members(prepared.findings)
    if as_json:
        print_json({"form_id": prepared.definition.form_id, "findings": found})
        return
    print_findings(found, language)


form_states.register(form)


@form.command("list", epilog="\b\nExample:\n  passerelle form list --json\n")
@json_option
@pass_desk
def list_forms(desk: Desk, as_json: bool) -> None:
    """List all versions in the order of publication, drafts last; say which cannot be offered to ODK Collect."""
    from server.db.queries import forms
    from server.services import offer_forms

    with desk.context() as context, context.database.read() as session:
        versions, faults = forms.versions(session), offer_forms.faults(session)
    if as_json:
        print_json([{**plain(one), "fault": faults.get(one.hash)} for one in versions])
        return
    print_table(
        "Forms",
        ("form", "version", "title", "state", "since", "by", "hash"),
        [
            (
                one.form_id,
                one.version,
                one.title,
                one.state,
                one.published_at or one.submitted_at,
                one.published_by or one.submitted_by,
                one.hash,
            )
            for one in versions
        ],
    )
    for one in versions:
        if one.hash in faults:
            click.echo(f"Not offered to ODK Collect: {one.form_id} {one.version}, for {faults[one.hash]}.", err=True)


@form.command(epilog="\b\nExample:\n  passerelle form show hh_remit\n")
@click.argument("form_id")
@click.argument("version", required=False)
@json_option
@pass_desk
def show(desk: Desk, form_id: str, version: str | None, as_json: bool) -> None:
    """Show a form version: its questions and into which store each answer goes. The latest version if none is named."""
    from server.db.queries import definitions, form_media, forms

    with desk.context() as context, context.database.read() as session:
        known = [one for one in forms.versions(session, form_id) if version in (None, one.version)]
        definition = definitions.definition(session, known[-1].hash) if known else None
        media = form_media.media(session, known[-1].hash) if known else []
    if definition is None:
        name = f"{form_id} {version or ''}".strip()
        raise Refusal(f"no form version “{name}” is published; `passerelle form list` shows them.")
    chosen = known[-1]
    columns = {store: definition.columns(store) for store in ("analysis", "identifiers")}
    if as_json:
        print_json({"version": chosen, "languages": definition.languages, "media": media, "columns": columns})
        return
    click.echo(
        f"{chosen.form_id} {chosen.version}: {chosen.title} ({', '.join(definition.languages) or 'one language'})"
    )
    when, who = chosen.published_at or chosen.submitted_at, chosen.published_by or chosen.submitted_by
    click.echo(f"SHA-256 {chosen.hash.hex()}, {chosen.state}, {when:%Y-%m-%d %H:%M} by {who}\n")
    if media:
        print_table(
            "Media",
            ("name", "type", "bytes", "hash"),
            [(one.name, one.media_type, one.length_bytes, one.sha256) for one in media],
            numbers=("bytes",),
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


def _prepare(source: str, options: Mapping[str, Any]) -> "Prepared":
    """Read the files of a command and convert them."""
    from server.services import publish_form

    content, filename = read_source(source)
    declared: Path | None = options["map_file"]
    with working(f"Converting {filename} …"):
        return publish_form.prepare(
            content,
            filename,
            media=_media(options["media"], options["media_folder"]),
            map_content=None if declared is None else declared.read_bytes(),
            map_name="map.csv" if declared is None else declared.name,
        )


def _encrypted(context: "Context", prepared: "Prepared") -> "Prepared":
    """Return the form as one that ODK Collect encrypts to the newest key."""
    from server.db.queries import odk_keys
    from server.services import publish_form

    with context.database.read() as session:
        keys = odk_keys.every(session)
    if not keys:
        raise Refusal("there is no key to encrypt to: make one with `passerelle odk-key create`, or import your own.")
    return publish_form.encrypted(prepared, keys[0].public_key)


def _media(files: tuple[Path, ...], folder: Path | None) -> "list[Medium]":
    from forms.package import Medium

    inside = [] if folder is None else sorted(path for path in folder.iterdir() if path.is_file())
    paths = [*files, *(path for path in inside if not path.name.startswith("."))]
    return [Medium(name=path.name, content=path.read_bytes()) for path in paths]


def _examine(
    context: "Context", prepared: "Prepared", project: str | None, *, with_rehearsal: bool
) -> "tuple[Examined, object]":
    """Compare with what is published; on a dry run, rehearse on the interviews collected so far too."""
    from forms.evolution.declared import EMPTY_MAP
    from server.services import compare_versions, publish_form

    with context.database.read() as session:
        project_id = None if project is None else chosen_project(session, project)
        examined = publish_form.examine(session, prepared, project_id=project_id)
        if not with_rehearsal or examined.difference is None or context.keystore.is_locked:
            return examined, None
        rehearsal = compare_versions.rehearse_map(
            session, context.microdata, after=prepared.definition, declared=prepared.declared or EMPTY_MAP
        )
    return examined, rehearsal.members()


def _publish(context: "Context", examined: "Examined", note: str) -> "PublishedVersion":
    from server.clock import utc_now
    from server.services import publish_form

    with context.database.transaction() as session:
        return publish_form.publish(
            session, examined.prepared, note=note, user=actor(), now=utc_now(), examined=examined
        )


@contextmanager
def _explained(language: str, *, as_json: bool) -> Iterator[None]:
    """Show every finding and change of a refusal before its one line."""
    from server.errors import FormChangeBreaks, WorkbookInvalid

    try:
        yield
    except (WorkbookInvalid, FormChangeBreaks) as refused:
        if as_json:
            print_json({"problem": refused.slug, "detail": refused.detail, **refused.members})
        else:
            print_findings(refused.members["findings"], language)
            print_difference(refused.members.get("difference"), language)
        raise


def _report(told: Mapping[str, Any], language: str, rehearsal: object) -> None:
    """Print findings, difference, rehearsal, and what came of it."""
    if told["findings"]:
        print_findings(told["findings"], language)
    print_difference(told["difference"], language)
    print_rehearsal(rehearsal, language)
    name = f"{told['form_id']} version {told['version']} ({told['hash'][:16]})"
    if "outcome" in told:
        click.echo(f"Dry run, nothing is stored: {name} would be {told['outcome']}.")
    elif not told["is_new"]:
        click.echo(f"Unchanged, stored before: {name}, {told['state']}.")
    elif told["state"] == "draft":
        click.echo(f"Submitted {name}. A second person publishes it with `passerelle form approve`.")
    else:
        click.echo(f"Published {name}.")


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
