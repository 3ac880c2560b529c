"""Choice lists, labels and languages."""

from typing import Final

from forms.workbook.lint.catalogue.entry import Entry, entry

ENTRIES: Final[tuple[Entry, ...]] = (
    entry(
        "choices-sheet-missing",
        "error",
        "`select_one yesno` without a sheet `choices`",
        en=("There is no sheet “{name}” for the list “{list}”{hint}.", "Add it with list_name, name and label."),
        fr=(
            "Il n'y a pas de feuille « {name} » pour la liste « {list} »{hint}.",
            "Ajoutez-la avec list_name, name et label.",
        ),
    ),
    entry(
        "list-unknown",
        "error",
        "`select_one yesnoo`",
        en=("There is no choice list “{name}”{hint}.", "Correct the name, or add the list to choices."),
        fr=("Il n'y a pas de liste de choix « {name} »{hint}.", "Corrigez le nom ou ajoutez la liste à choices."),
    ),
    entry(
        "list-unused",
        "note",
        "a list that no question uses",
        en=("No question uses the choice list “{name}”.", "Remove it, or check the type that should name it."),
        fr=("Aucune question n'utilise la liste « {name} ».", "Supprimez-la ou vérifiez le type qui devait la nommer."),
    ),
    entry(
        "list-file-type",
        "error",
        "`select_one_from_file towns.txt`",
        en=("“{name}” is no .csv, .xml or .geojson file.", "Give the list in one of these kinds."),
        fr=("« {name} » n'est pas un fichier .csv, .xml ou .geojson.", "Donnez la liste dans l'un de ces formats."),
    ),
    entry(
        "choice-without-list",
        "warning",
        "a choice with an empty list_name",
        en=("This choice belongs to no list and is left out.", "Write its list_name."),
        fr=("Ce choix n'appartient à aucune liste et est ignoré.", "Écrivez son list_name."),
    ),
    entry(
        "choice-without-name",
        "error",
        "a choice with a label and no name",
        en=("A choice of “{list}” has no name.", "Write the code that is stored."),
        fr=("Un choix de « {list} » n'a pas de nom.", "Écrivez le code à enregistrer."),
    ),
    entry(
        "choice-without-label",
        "warning",
        "a choice with a name and no label",
        en=("The choice “{name}” of “{list}” has no label.", "Write what the enumerator reads."),
        fr=("Le choix « {name} » de « {list} » n'a pas de libellé.", "Écrivez ce que l'enquêteur lit."),
    ),
    entry(
        "choice-duplicate",
        "error",
        "two choices `1` in one list",
        en=("The choice “{name}” stands twice in “{list}” (row {other}).", "Give each choice a code of its own."),
        fr=("Le choix « {name} » figure deux fois dans « {list} » (ligne {other}).", "Donnez à chaque choix son code."),
    ),
    entry(
        "choice-same-label",
        "warning",
        "codes 1 and 2 both labelled `Yes`",
        en=("The choices “{name}” and “{other}” of “{list}” have one label.", "Tell them apart."),
        fr=("Les choix « {name} » et « {other} » de « {list} » ont le même libellé.", "Distinguez-les."),
    ),
    entry(
        "choice-with-space",
        "error",
        "a choice `not known` in a select_multiple",
        en=("The choice “{name}” of “{list}” has a blank; answers could not be told apart.", "Write _ for it."),
        fr=(
            "Le choix « {name} » de « {list} » contient une espace ; les réponses se confondraient.",
            "Remplacez-la par _.",
        ),
    ),
    entry(
        "filter-column-unknown",
        "warning",
        "choice_filter `provnce = ${p}`",
        en=("The sheet choices has no column “{name}”{hint}.", "Correct the filter, or add the column."),
        fr=("La feuille choices n'a pas de colonne « {name} »{hint}.", "Corrigez le filtre ou ajoutez la colonne."),
    ),
    entry(
        "or-other-filter",
        "error",
        "`or_other` with a choice_filter",
        en=("or_other and choice_filter do not go together.", "Add “other” to the list and a text question."),
        fr=("or_other et choice_filter sont incompatibles.", "Ajoutez « other » à la liste et une question texte."),
    ),
    entry(
        "or-other-untranslated",
        "warning",
        "`or_other` in a form of two languages",
        en=("or_other adds “Other” in English only.", "Add the choice and a text question of your own."),
        fr=("or_other ajoute « Other » en anglais seulement.", "Ajoutez vous-même le choix et une question texte."),
    ),
    entry(
        "translation-column-missing",
        "warning",
        "`label::Français (fr)`, but no `hint::Français (fr)`",
        en=("The language “{lang}” has no column “{name}”.", "Add the column “{name}::{lang}”."),
        fr=("La langue « {lang} » n'a pas de colonne « {name} ».", "Ajoutez la colonne « {name}::{lang} »."),
    ),
    entry(
        "translation-missing",
        "warning",
        "a label in English only, in a form of two languages",
        en=("The {name} is missing in {lang}: people will read “-”.", "Translate it."),
        fr=("« {name} » manque en {lang} : on lira « - ».", "Traduisez-le."),
    ),
    entry(
        "language-mixed",
        "warning",
        "`label` beside `label::English (en)`",
        en=("“{name}” has a column without a language beside {lang}.", "Write the language into its header."),
        fr=("« {name} » a une colonne sans langue à côté de {lang}.", "Écrivez la langue dans l'en-tête."),
    ),
    entry(
        "language-twice",
        "warning",
        "`label::English` and `hint::English (en)`",
        en=("“{name}” and “{other}” look like one language, but count as two.", "Write both in the same way."),
        fr=(
            "« {name} » et « {other} » semblent une seule langue, mais comptent pour deux.",
            "Écrivez-les de la même façon.",
        ),
    ),
    entry(
        "language-without-code",
        "note",
        "`label::English`",
        en=("The language “{name}” has no code.", "Write it as “{name} (en)”, with its own code."),
        fr=("La langue « {name} » n'a pas de code.", "Écrivez « {name} (fr) », avec son propre code."),
    ),
    entry(
        "default-language-unknown",
        "warning",
        "default_language `French`, columns `Français (fr)`",
        en=("No column is in the default language “{name}”; there are {known}.", "Write one of these."),
        fr=("Aucune colonne n'est dans la langue par défaut « {name} » ; il y a {known}.", "Écrivez l'une d'elles."),
    ),
)
