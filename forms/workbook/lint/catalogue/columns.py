"""What names become in the data, and who may see them."""

from typing import Final

from forms.workbook.lint.catalogue.entry import Entry, entry

ENTRIES: Final[tuple[Entry, ...]] = (
    entry(
        "name-too-long-for-stata",
        "warning",
        "a name of 40 characters",
        en=("“{name}” has {length} characters; Stata takes 32.", "Shorten the name; the label can be long."),
        fr=(
            "« {name} » a {length} caractères ; Stata en prend 32.",
            "Raccourcissez le nom ; le libellé peut être long.",
        ),
    ),
    entry(
        "name-too-long-for-spss",
        "warning",
        "a name of 70 characters",
        en=("“{name}” has {length} bytes; SPSS takes 64.", "Shorten the name; the label can be long."),
        fr=("« {name} » a {length} octets ; SPSS en prend 64.", "Raccourcissez le nom ; le libellé peut être long."),
    ),
    entry(
        "column-names-clash",
        "warning",
        "`Age` in one group and `age` in another",
        en=(
            "The columns “{name}” and “{other}” (row {row_of_other}) are one to SPSS and to many databases.",
            "Give one of them another name.",
        ),
        fr=(
            "Les colonnes « {name} » et « {other} » (ligne {row_of_other}) se confondent pour SPSS.",
            "Donnez un autre nom à l'une d'elles.",
        ),
    ),
    entry(
        "name-not-for-statistics",
        "note",
        "the names `hh-size` and `if`",
        en=("Stata or SPSS cannot have a variable “{name}”.", "Write _ for - and ., and take no word of theirs."),
        fr=(
            "Stata ou SPSS n'acceptent pas de variable « {name} ».",
            "Remplacez - et . par _, et évitez leurs mots réservés.",
        ),
    ),
    entry(
        "pii-not-marked",
        "note",
        "a text question without `bind::passerelle:pii`",
        en=(
            "Nobody has said whether “{name}” identifies people; it is kept with the identifiers.",
            "Write direct, location, text or none in bind::passerelle:pii.",
        ),
        fr=(
            "Personne n'a dit si « {name} » identifie des personnes ; elle reste avec les identifiants.",
            "Écrivez direct, location, text ou none dans bind::passerelle:pii.",
        ),
    ),
    entry(
        "pii-in-analysis",
        "warning",
        "an integer `phone_number` without `bind::passerelle:pii`",
        en=(
            "“{name}” looks like it identifies people, but goes to the analysis data.",
            "Write direct in bind::passerelle:pii, or none if it does not.",
        ),
        fr=(
            "« {name} » semble identifier des personnes, mais va dans les données d'analyse.",
            "Écrivez direct dans bind::passerelle:pii, ou none si ce n'est pas le cas.",
        ),
    ),
    entry(
        "pii-unknown",
        "warning",
        "pii `yes`",
        en=("“{value}” is no class of personal data.", "Write direct, location, text, key, sensitive or none."),
        fr=(
            "« {value} » n'est pas une classe de données personnelles.",
            "Écrivez direct, location, text, key, sensitive ou none.",
        ),
    ),
)
