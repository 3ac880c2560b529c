"""The codebook as JSON and as CSV, for programs and for a spreadsheet."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

from forms.codebook.harmonised import HarmonisedCodebook, HarmonisedVariable
from forms.codebook.languages import LANGUAGES, tag
from forms.codebook.variables import Category, Codebook, Variable

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def codebook_json(codebook: Codebook | HarmonisedCodebook) -> str:
    """Return a codebook as JSON; names of members are those of the dataclasses, languages are BCP 47 tags."""
    return json.dumps(_plain(codebook), ensure_ascii=False, indent=1)


def codebook_csv(codebook: Codebook) -> str:
    """Return one row a variable; codes stand as ``1=Yes; 2=No`` in the columns ``choices_…``."""
    columns = _columns(codebook.languages)
    return _written(
        columns, (_row(variable, variable.categories, codebook.languages) for variable in codebook.variables())
    )


def harmonised_csv(codebook: HarmonisedCodebook) -> str:
    """Return one row a variable over all versions, with the versions that have it, and the notes."""
    languages = codebook.latest.languages
    columns = [*_columns(languages), "versions", "earlier_names", "choice_versions", "notes_en", "notes_fr"]
    return _written(columns, (_harmonised_row(variable, languages) for variable in codebook.variables))


def _columns(languages: Sequence[str]) -> list[str]:
    tags = [tag(language) for language in languages] or [""]
    labels = [f"{name}_{one}".rstrip("_") for name in ("label", "choices") for one in tags]
    said = [f"{name}_{one}" for name in ("universe", "required", "constraint", "calculation") for one in LANGUAGES]
    ends = ["pii", "store", "is_exported", "choice_list", "path"]
    return ["table", "name", "type", "kind", "source", *labels, *said, *ends]


def _row(variable: Variable, categories: Iterable[Category] | None, languages: Sequence[str]) -> dict[str, str]:
    row = {
        "table": variable.table,
        "name": variable.name,
        "type": variable.type,
        "kind": variable.kind,
        "source": variable.source,
        "pii": variable.pii or "",
        "store": variable.store,
        "is_exported": "yes" if variable.is_exported else "no",
        "choice_list": variable.choice_list,
        "path": variable.path,
    }
    listed = tuple(categories or ())
    for language in languages or ("",):
        end = f"_{tag(language)}" if language else ""
        row[f"label{end}"] = variable.labels.get(language, "")
        row[f"choices{end}"] = "; ".join(f"{one.code}={one.labels.get(language, '')}" for one in listed)
    for language_of_ours in LANGUAGES:
        row[f"universe_{language_of_ours}"] = variable.universe[language_of_ours]
        row[f"required_{language_of_ours}"] = variable.required[language_of_ours]
        row[f"constraint_{language_of_ours}"] = variable.constraint[language_of_ours]
        row[f"calculation_{language_of_ours}"] = variable.calculation[language_of_ours]
    return row


def _harmonised_row(variable: HarmonisedVariable, languages: Sequence[str]) -> dict[str, str]:
    union = None if variable.categories is None else [one.category for one in variable.categories]
    row = _row(variable.latest, union, languages)
    earlier = dict.fromkeys(name for name in variable.names.values() if name != variable.latest.name)
    partial = [one for one in variable.categories or () if one.versions != variable.versions]
    row["versions"] = "; ".join(variable.versions)
    row["earlier_names"] = "; ".join(earlier)
    row["choice_versions"] = "; ".join(f"{one.category.code}: {', '.join(one.versions)}" for one in partial)
    for language in LANGUAGES:
        row[f"notes_{language}"] = " ".join(f"{note.after}: {note.text[language]}" for note in variable.notes)
    return row


def _written(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _harmless(text) for name, text in row.items()} for row in rows)
    return out.getvalue()


def _harmless(text: str) -> str:
    """Keep a spreadsheet from reading a text as a formula (OWASP, CSV Injection)."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(member) for member in value]
    return value
