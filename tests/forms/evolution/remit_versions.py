"""The questionnaire of the library in three versions: the changes that a survey office asked for (v1 → v2 → v3)."""

import csv
import io
from collections.abc import Callable
from functools import lru_cache

from forms import library
from forms.definition import FormDefinition
from forms.evolution.declared import MigrationMap, read_map
from forms.xlsform import convert

Sheet = list[dict[str, str]]
Edit = Callable[[dict[str, Sheet]], None]

MAP_2 = """question,change,from,to,rule,note
f_chan1,recoded,4,4x,"Mobile money, not split",nobody can say afterwards whose operator it was
f_chan2,recoded,4,4x,"Mobile money, not split",
h_other,kept,,,,split into h_transport and h_small
h_month,same-meaning,,,,consumption is the sum of what there is
"""
MAP_3 = """question,change,from,to,rule,note
e_found,renamed,e_path,,,
g_land_lu,renamed,g_land,,,
g_land_lu,converted,,,* 4,1 local unit = 0.25 ha
c_educ,kept,97,,,
c_ret,recomputed,,,"if(decimal-date-time(${c_ret_back}) < ${ref36}, '2', ${c_ret})",recall of 3 years
c_ret_back,same-meaning,,,,
"""


def _sheets() -> dict[str, Sheet]:
    found = {}
    for title in library.sheets("hh_remit@1"):
        header, *rows = library.sheet("hh_remit@1", title)
        found[title] = [dict(zip(header, row, strict=True)) for row in rows]
    return found


def question(sheets: dict[str, Sheet], name: str) -> dict[str, str]:
    """Return the row of a question, to edit."""
    return next(row for row in sheets["survey"] if row["name"] == name)


def choice(sheets: dict[str, Sheet], list_name: str, code: str) -> dict[str, str]:
    """Return the row of a choice, to edit."""
    return next(row for row in sheets["choices"] if row["list_name"] == list_name and row["name"] == code)


def build(*edits: Edit) -> FormDefinition:
    """Return the form of the library after some edits of its sheets."""
    sheets = _sheets()
    for edit in edits:
        edit(sheets)
    return FormDefinition.parse(convert(_markdown(sheets), "hh_remit.md").xform)


def _markdown(sheets: dict[str, Sheet]) -> bytes:
    lines: list[str] = []
    for title, rows in sheets.items():
        header = list(rows[0])
        lines += [f"| {title} |" + " |" * len(header), "| | " + " | ".join(header) + " |"]
        lines += ["| | " + " | ".join(row[name].replace("|", "\\|") for name in header) + " |" for row in rows]
    return "\n".join(lines).encode()


def to_2(sheets: dict[str, Sheet]) -> None:
    """Split mobile money, split other spending, ask up to 15 senders, say “after fees”."""
    sheets["settings"][0]["version"] = "2"
    four = choice(sheets, "channel", "4")
    at = sheets["choices"].index(four)
    labels = [name for name in four if name.startswith("label")]
    new = [
        ("41", "Mobile money, same country's operator", "Argent mobile, opérateur du pays"),
        ("42", "Mobile money, international", "Argent mobile international"),
    ]
    sheets["choices"][at : at + 1] = [
        {**four, "name": code, labels[0]: english, labels[1]: french} for code, english, french in new
    ]
    other = question(sheets, "h_other")
    at = sheets["survey"].index(other)
    named = [
        ("h_transport", "Transport in the last month", "Transport du dernier mois"),
        ("h_small", "Soap, household goods and other small spending in the last month", "Savon, articles ménagers et "
         "autres petites dépenses du dernier mois"),
    ]  # fmt: skip
    sheets["survey"][at : at + 1] = [
        {**other, "name": name, labels[0]: english, labels[1]: french} for name, english, french in named
    ]
    month = question(sheets, "h_month")
    month["calculation"] = month["calculation"].replace("${h_other}", "${h_transport} + ${h_small}")
    senders = question(sheets, "f_n")
    senders["constraint"] = senders["constraint"].replace("10", "15")
    amount = question(sheets, "f_amt")
    amount[labels[0]] = "Amount received after fees (total, or usual amount each time)"
    amount[labels[1]] = "Montant reçu après frais (total, ou montant habituel à chaque fois)"


def to_3(sheets: dict[str, Sheet]) -> None:
    """Rename e_path, measure land in the local unit, drop a code of education, ask for returns within 3 years."""
    sheets["settings"][0]["version"] = "3"
    question(sheets, "e_path")["name"] = "e_found"
    land = question(sheets, "g_land")
    land["name"] = "g_land_lu"
    labels = [name for name in land if name.startswith("label")]
    land[labels[0]] = "Farm land owned, in local units of a quarter of a hectare (0 if none)"
    land[labels[1]] = "Terre agricole possédée, en unités locales d'un quart d'hectare (0 si aucune)"
    land["constraint"] = ". >= 0 and . <= 2000"
    unknown = choice(sheets, "isced", "97")
    unknown["name"] = "98"
    unknown[labels[0]], unknown[labels[1]] = "Not stated", "Non déclaré"
    returned = question(sheets, "c_ret")
    returned[labels[0]] = returned[labels[0]].replace("5 years", "3 years")
    returned[labels[1]] = returned[labels[1]].replace("5 dernières", "3 dernières")
    for row in sheets["survey"]:
        for name in row:
            row[name] = row[name].replace("${e_path}", "${e_found}").replace("${g_land}", "${g_land_lu}")
    back = question(sheets, "c_ret_back")
    back["constraint"] = back["constraint"].replace("1860", "1130")


@lru_cache(maxsize=1)
def versions() -> tuple[FormDefinition, FormDefinition, FormDefinition]:
    """Return the three versions."""
    return build(), build(to_2), build(to_2, to_3)


def maps() -> tuple[MigrationMap, MigrationMap]:
    """Return the maps 1 → 2 and 2 → 3."""
    return read_map(MAP_2.encode()), read_map(MAP_3.encode())


def rows_of(text: str) -> list[list[str]]:
    """Return the rows of a CSV."""
    return list(csv.reader(io.StringIO(text)))
