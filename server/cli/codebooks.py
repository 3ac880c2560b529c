"""``passerelle form codebook`` and ``form questionnaire``: what a form means, for readers and on paper."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from server.cli.desk import Desk, pass_desk
from server.cli.edge import Refusal

if TYPE_CHECKING:
    from forms.definition import FormDefinition
    from server.services.document_form import FormDocument

Command = TypeVar("Command", bound=Callable[..., Any])

FORMATS: Final = ("json", "csv", "ddi", "html")


def register(form: click.Group) -> None:
    """Add the commands to the group of forms."""
    form.add_command(codebook)
    form.add_command(questionnaire)


def out_option(command: Command) -> Command:
    """Give a command ``--out``."""
    return click.option(
        "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write here, not to the screen."
    )(command)


@click.command(
    epilog="""\b
Examples:
  passerelle form codebook hh_remit --format csv --out codebook.csv
  passerelle form codebook hh_remit 2026112401 --format ddi --out codebook.xml
  passerelle form codebook hh_remit --all-versions --format html --lang fr --out codebook.html
"""
)
@click.argument("form")
@click.argument("version", required=False)
@click.option("--all-versions", is_flag=True, help="Every variable of every version, and what changed.")
@click.option("--format", "form_of_document", type=click.Choice(FORMATS), default="json", show_default=True)
@click.option("--lang", default="en", show_default=True, metavar="en|fr", help="Language of the page (html).")
@out_option
@pass_desk
def codebook(desk: Desk, /, form: str, version: str | None, **options: Any) -> None:
    """Write the codebook of FORM: variables, labels in every language, choices, universe, classification.

    FORM is a published form, a form of the library, or a file. The latest version if none is named.
    """
    from server.services import document_form

    wanted = {"form": options["form_of_document"], "language": options["lang"]}
    if not options["all_versions"]:
        _write(document_form.describe_version(_definitions(desk, form, version)[-1], **wanted), options["out"])
        return
    if version is not None:
        raise Refusal("give a version or --all-versions, not both.")
    described = document_form.describe_all_versions(
        _definitions(desk, form, None), renames=_renames(desk, form), **wanted
    )
    _write(described, options["out"])


@click.command(
    epilog="""\b
Examples:
  passerelle form questionnaire hh_remit --lang fr --out questionnaire.html
  passerelle form questionnaire hh_remit --lang en --lang fr --out both.html
"""
)
@click.argument("form")
@click.argument("version", required=False)
@click.option("--lang", multiple=True, metavar="CODE", help="Language of the form; twice for two side by side.")
@out_option
@pass_desk
def questionnaire(desk: Desk, form: str, version: str | None, lang: tuple[str, ...], out: Path | None) -> None:
    """Write the questionnaire of FORM as a page to print: modules, numbered questions, boxes, rosters.

    FORM is a published form, a form of the library, or a file. The latest version if none is named.
    """
    from server.services import document_form

    definition = _definitions(desk, form, version)[-1]
    _write(document_form.print_questionnaire(definition, languages=lang), out)


def _definitions(desk: Desk, form: str, version: str | None) -> "list[FormDefinition]":
    """Return the published versions of a form, else what a file or the library has under this name.

    Raises:
        Refusal: there is no such form or version.
    """
    from forms.definition import FormDefinition
    from forms.xlsform import convert
    from server.cli.forms import read_source

    found = _published(desk, form) or [FormDefinition.parse(convert(*read_source(form)).xform)]
    chosen = [one for one in found if version in (None, one.version)]
    if not chosen:
        raise Refusal(f"“{form}” has no version “{version}”, but {', '.join(one.version for one in found)}.")
    return chosen


def _published(desk: Desk, form: str) -> "list[FormDefinition]":
    from server.services import document_form

    if not _has_office(desk, form):
        return []
    with desk.context() as context, context.database.read() as session:
        return list(document_form.read_definitions(session, form))


def _renames(desk: Desk, form: str) -> "Mapping[str, Mapping[str, str]]":
    from server.services import document_form

    if not _has_office(desk, form):
        return {}
    with desk.context() as context, context.database.read() as session:
        return document_form.read_renames(session, form)


def _has_office(desk: Desk, form: str) -> bool:
    """Say whether published versions may be meant: not by a file, nor where there is no office yet."""
    from server.config import ConfigError

    try:
        return not Path(form).suffix and desk.config().keys_dir.exists()
    except ConfigError:
        return False


def _write(document: "FormDocument", out: Path | None) -> None:
    if out is None:
        click.echo(document.content, nl=False)
        return
    out.write_bytes(document.content)
    click.echo(f"Wrote {out}.", err=True)
