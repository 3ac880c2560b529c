"""What is wrong with a row of a migration map, in English and French, with how to mend it."""

from collections.abc import Mapping
from typing import Final

from forms.findings import Severity
from forms.workbook.findings import WorkbookFinding

SHEET: Final = "map"
MESSAGES: Final[Mapping[str, tuple[tuple[str, str], tuple[str, str]]]] = {
    "map-unknown-change": (
        ("“{about}” is not a change that a map knows.", "« {about} » n'est pas un changement qu'une table connaît."),
        ("Write one of: {more}.", "Écrivez l'un de : {more}."),
    ),
    "map-missing-cell": (
        ("“{change}” needs the cell “{about}”.", "« {change} » a besoin de la cellule « {about} »."),
        ("{more}", "{more}"),
    ),
    "map-unneeded-cell": (
        ("“{change}” does not use the cell “{about}”.", "« {change} » n'utilise pas la cellule « {about} »."),
        ("Empty it, or move its text to “note”.", "Videz-la, ou déplacez son texte dans « note »."),
    ),
    "map-unknown-name": (
        ("There is no “{about}” in version {more}.", "Il n'y a pas de « {about} » dans la version {more}."),
        ("Write the name as in the column “name” of that version.",
         "Écrivez le nom tel qu'il est dans la colonne « name » de cette version."),
    ),
    "map-ambiguous-name": (
        ("“{about}” stands more than once in version {more}.",
         "« {about} » se trouve plus d'une fois dans la version {more}."),
        ("Lead it by its group or repeat, as in “member/{about}”.",
         "Faites-le précéder de son groupe ou de sa boucle, comme dans « member/{about} »."),
    ),
    "map-doubled": (
        ("Row {more} says this already, or something else, of “{about}”.",
         "La ligne {more} le dit déjà, ou dit autre chose, de « {about} »."),
        ("Leave one of the two rows.", "Ne laissez qu'une des deux lignes."),
    ),
    "map-not-one-question": (
        ("“{more}” and “{about}” cannot be one question: one is inside a repeat that the other is not in, or one is a "
         "group.", "« {more} » et « {about} » ne peuvent être une seule question : l'une est dans une boucle et "
         "l'autre non, ou l'une est un groupe."),
        ("Use “kept” for the old one, or “recomputed” for the new one.",
         "Employez « kept » pour l'ancienne, ou « recomputed » pour la nouvelle."),
    ),
    "map-still-there": (
        ("“{about}” is in the new version too, so its answers go on.",
         "« {about} » est aussi dans la nouvelle version : ses réponses continuent."),
        ("Use “not-comparable” if they should not, or remove the row.",
         "Employez « not-comparable » si elles ne le doivent pas, ou supprimez la ligne."),
    ),
    "map-not-in-both": (
        ("“{about}” is new, or cannot be paired: there are no old answers that “{change}” could be about.",
         "« {about} » est nouvelle, ou ne peut être appariée : aucune ancienne réponse ne concerne « {change} »."),
        ("Say first which question it was (renamed), or remove the row.",
         "Dites d'abord quelle question c'était (renamed), ou supprimez la ligne."),
    ),
    "map-no-choices": (
        ("“{about}” has no choice list in both versions.",
         "« {about} » n'a pas de liste de modalités dans les deux versions."),
        ("Leave the cells “from” and “to” empty, or name a question with choices.",
         "Laissez vides les cellules « from » et « to », ou nommez une question à modalités."),
    ),
    "map-unknown-code": (
        ("The old list of “{about}” has no code “{more}”.",
         "L'ancienne liste de « {about} » n'a pas de code « {more} »."),
        ("Write a code of the old version; a spreadsheet may have turned 01 into 1.",
         "Écrivez un code de l'ancienne version ; un tableur a pu changer 01 en 1."),
    ),
    "map-target-not-in-list": (
        ("The new list of “{about}” has no code “{more}”.",
         "La nouvelle liste de « {about} » n'a pas de code « {more} »."),
        ("Write a code of the new version; for a code that only the map has, give it a label in “rule”.",
         "Écrivez un code de la nouvelle version ; pour un code propre à la table, donnez-lui un libellé dans "
         "« rule »."),
    ),
    "map-code-still-there": (
        ("Code “{more}” of “{about}” is in the new list too.",
         "Le code « {more} » de « {about} » est aussi dans la nouvelle liste."),
        ("Remove the row, or use “recoded” or “dropped”.",
         "Supprimez la ligne, ou employez « recoded » ou « dropped »."),
    ),
    "map-bad-rule": (
        ("The rule of “{about}” cannot be followed: {more}", "La règle de « {about} » ne peut être suivie : {more}"),
        ("For “converted” write “* 4” or “* 0.25”; for “recomputed” an expression over ${{names}} of the old version.",
         "Pour « converted », écrivez « * 4 » ou « * 0.25 » ; pour « recomputed », une expression sur les ${{noms}} de "
         "l'ancienne version."),
    ),
    "map-type-mismatch": (
        ("“{about}” is not a number in both versions: {more} cannot be multiplied.",
         "« {about} » n'est pas un nombre dans les deux versions : {more} ne peut être multiplié."),
        ("Use “retyped”, “recomputed” or “not-comparable”.",
         "Employez « retyped », « recomputed » ou « not-comparable »."),
    ),
    "map-identifying": (
        ("“{about}” is in the store of identifiers: nothing is recomputed into it or from it.",
         "« {about} » est dans le magasin des identifiants : rien n'y est recalculé, ni à partir de lui."),
        ("Use questions of the analysis store only.", "N'employez que des questions du magasin d'analyse."),
    ),
    "map-no-image": (
        ("Nothing says what becomes of {more} of “{about}”, which the new list lacks.",
         "Rien ne dit ce que devient {more} de « {about} », absent de la nouvelle liste."),
        ("Add a row for each: recoded to a new code, kept (stays readable, raw) or dropped.",
         "Ajoutez une ligne pour chacun : recoded vers un nouveau code, kept (reste lisible, brut) ou dropped."),
    ),
    "map-not-needed": (
        ("“{about}” has one type in both versions: there is nothing to convert.",
         "« {about} » a le même type dans les deux versions : il n'y a rien à convertir."),
        ("Remove the row.", "Supprimez la ligne."),
    ),
}  # fmt: skip

RULES: Final[Mapping[str, tuple[str, str]]] = {
    "factor": ("it is not “*” and a number other than 0.", "ce n'est pas « * » et un nombre autre que 0."),
    "syntax": ("{more}", "{more}"),
    "unknown-name": ("the old version has no “{more}”.", "l'ancienne version n'a pas de « {more} »."),
    "ambiguous-name": (
        "“{more}” stands more than once in the old version.",
        "« {more} » se trouve plus d'une fois dans l'ancienne version.",
    ),
    "bare-path": ("questions are written ${name} in it.", "les questions s'y écrivent ${nom}."),
    "volatile": (
        "it gives another value each time (today, now, random, uuid, once).",
        "elle donne une autre valeur à chaque fois (today, now, random, uuid, once).",
    ),
}


def map_finding(
    code: str, *, row: int | None, column: str | None, severity: Severity = "error", **words: str | tuple[str, str]
) -> WorkbookFinding:
    """Return a finding about a row of the map; a word is the same in both languages, or English and French."""
    what, mend = MESSAGES[code]
    filled = [
        {name: word if isinstance(word, str) else word[place] for name, word in words.items()} for place in (0, 1)
    ]
    return WorkbookFinding(
        code=code,
        severity=severity,
        sheet=SHEET,
        row=row,
        column=column,
        what={"en": what[0].format(**filled[0]), "fr": what[1].format(**filled[1])},
        mend={"en": mend[0].format(**filled[0]), "fr": mend[1].format(**filled[1])},
    )
