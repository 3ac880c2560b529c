"""What the command line shows of an upload: findings, the difference, what it would do to collected interviews."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click

LANGUAGES: Final = ("en", "fr")
SEVERITIES: Final = ("error", "warning", "note")
COLOURS: Final[Mapping[str, str]] = {
    "error": "bold red",
    "warning": "yellow",
    "note": "dim",
    "breaks": "bold red",
    "needs-map": "yellow",
    "safe": "green",
}
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "findings": "Findings",
        "severity": "severity",
        "where": "where",
        "what": "what is wrong",
        "mend": "how to mend it",
        "code": "code",
        "error": "error",
        "warning": "warning",
        "note": "note",
        "none": "Nothing was found.",
        "difference": "What changes from version {before} to {after}",
        "same": "Nothing changes from version {before} to {after} but its name.",
        "breaks": "Breaks what was collected",
        "needs-map": "Needs a map",
        "safe": "Safe",
        "indicators": "figures",
        "rehearsal": "What it would do to the interviews collected so far",
    },
    "fr": {
        "findings": "Constats",
        "severity": "gravité",
        "where": "où",
        "what": "ce qui ne va pas",
        "mend": "comment y remédier",
        "code": "code",
        "error": "erreur",
        "warning": "attention",
        "note": "remarque",
        "none": "Rien à signaler.",
        "difference": "Ce qui change de la version {before} à la version {after}",
        "same": "Rien ne change de la version {before} à la version {after}, sauf son nom.",
        "breaks": "Casse ce qui a été collecté",
        "needs-map": "Demande une table de passage",
        "safe": "Sans risque",
        "indicators": "chiffres",
        "rehearsal": "Ce que deviendraient les entretiens déjà collectés",
    },
}

Members = Mapping[str, Any]


def language_option(command: Any) -> Any:
    """Give a command ``--lang``."""
    return click.option(
        "--lang",
        type=click.Choice(LANGUAGES),
        default=None,
        help="Language of the findings; else that of LANG.",
    )(command)


def chosen_language(asked: str | None) -> str:
    """Return the language asked for, or that of the environment."""
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return asked or ("fr" if spoken.lower().startswith("fr") else LANGUAGES[0])


def print_findings(findings: Iterable[Members], language: str) -> None:
    """Print findings as a table, errors first, each in the manager's own sheet, row and column."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    words = WORDS[language]
    ordered = sorted(findings, key=lambda one: SEVERITIES.index(one["severity"]))
    if not ordered:
        click.echo(words["none"])
        return
    table = Table(title=words["findings"], title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("severity", "where", "what", "mend"):
        table.add_column(words[name], overflow="fold")
    for one in ordered:
        colour = COLOURS[one["severity"]]
        table.add_row(
            Text(words[one["severity"]], style=colour),
            Text(place(one), style="bold"),
            Text(f"{spoken(one['what'], language)} ({one['code']})"),
            Text(spoken(one["mend"], language)),
        )
    _print(table)


def print_difference(difference: Members | None, language: str) -> None:
    """Print the changes, those that stand in the way first, by verdict."""
    from rich.text import Text

    if difference is None:
        return
    words = WORDS[language]
    heading = "difference" if difference["changes"] else "same"
    _print(Text(words[heading].format(before=difference["before"], after=difference["after"]), style="bold"))
    for verdict in ("breaks", "needs-map", "safe"):
        changes = [change for change in difference["changes"] if change["verdict"] == verdict]
        if changes:
            _print(Text(f"  {words[verdict]} ({len(changes)})", style=COLOURS[verdict]))
        for change in sorted(changes, key=lambda one: one["is_settled"]):
            _print(_change(change, language))


def print_rehearsal(rehearsal: Any, language: str) -> None:
    """Print what would become of the interviews collected so far; nothing when nobody looked."""
    from rich.text import Text

    if rehearsal is None:
        return
    _print(Text(WORDS[language]["rehearsal"], style="bold"))
    for line in rehearsal_lines(rehearsal, language):
        click.echo(f"    {line}")


def rehearsal_lines(rehearsal: Any, language: str) -> Sequence[str]:
    """Return the sentences of a rehearsal."""
    found: Sequence[Any] = rehearsal.get("sentences", ()) if isinstance(rehearsal, Mapping) else ()
    return [spoken(sentence, language) for sentence in found]


def place(finding: Members) -> str:
    """Return where a finding is, as the manager's program shows it: ``survey 12 relevant (F12)``."""
    parts = [str(finding[part]) for part in ("sheet", "row", "column") if finding.get(part) is not None]
    cell = f"({finding['cell']})" if finding.get("cell") else ""
    return " ".join((*parts, cell)).strip() or "–"


def spoken(texts: Mapping[str, str], language: str) -> str:
    """Return a text in a language, in the first one where that is missing."""
    return texts.get(language) or texts.get(LANGUAGES[0], "")


def _change(change: Members, language: str) -> Any:
    from rich.text import Text

    words = WORDS[language]
    line = Text("    ")
    line.append(spoken(change["words"], language))
    if change["indicators"]:
        line.append(f" [{words['indicators']}: {', '.join(change['indicators'])}]", style="yellow")
    return line


def _print(shown: Any) -> None:
    from rich.console import Console

    # A pipe has no width: a script or a pager gets whole lines.
    Console(width=None if sys.stdout.isatty() else 200, markup=False, highlight=False).print(shown)
