"""Files, sheets, columns and settings."""

from typing import Final

from forms.workbook.lint.catalogue.entry import Entry, entry

XFORM_CODES: Final = {
    "malformed": "an .xml file that is not well-formed",
    "not-an-xform": "an .xml file of something else",
    "no-form-id": "an XForm whose instance has no id",
    "broken-reference": "an XForm with a bind to a node that there is not",
    "too-deep": "an XForm with groups 200 deep",
}

ENTRIES: Final[tuple[Entry, ...]] = (
    entry(
        "not-a-workbook",
        "error",
        "`census.xlsx` that is a renamed PDF",
        en=("The file cannot be read as {kind}.", "Open it in the program that wrote it, save it again and retry."),
        fr=(
            "Le fichier ne peut pas être lu comme {kind}.",
            "Ouvrez-le dans son programme, enregistrez-le à nouveau et réessayez.",
        ),
    ),
    entry(
        "unknown-type",
        "error",
        "`form.pdf`",
        en=("“{name}” is not .xlsx, .xlsm, .xls, .csv, .md or .xml.", "Give the workbook or the XForm itself."),
        fr=("« {name} » n'est pas .xlsx, .xlsm, .xls, .csv, .md ou .xml.", "Donnez le classeur ou le XForm lui-même."),
    ),
    entry(
        "too-large",
        "error",
        "a workbook of 40 MB",
        en=("The file has {size} bytes; at most {limit} are read.", "Move large lists to CSV files beside the form."),
        fr=(
            "Le fichier a {size} octets ; {limit} au plus sont lus.",
            "Déplacez les longues listes dans des fichiers CSV joints.",
        ),
    ),
    entry(
        "unpacks-too-large",
        "error",
        "an archive that unpacks to gigabytes",
        en=("The workbook unpacks to more than {limit} MiB.", "Copy its sheets to a new workbook."),
        fr=(
            "Le classeur occupe plus de {limit} Mio une fois décompressé.",
            "Copiez ses feuilles dans un nouveau classeur.",
        ),
    ),
    entry(
        "doctype",
        "error",
        "`<!DOCTYPE …>` in a part of the .xlsx",
        en=("The file declares a document type (DOCTYPE); none is allowed.", "Save it again in a usual program."),
        fr=(
            "Le fichier déclare un type de document (DOCTYPE), ce qui est interdit.",
            "Enregistrez-le à nouveau dans un programme usuel.",
        ),
    ),
    entry(
        "not-utf-8",
        "error",
        "a .csv saved as Windows-1252",
        en=("The {kind} file is not in UTF-8: line {line} cannot be read.", "Save it as “CSV UTF-8”."),
        fr=(
            "Le fichier {kind} n'est pas en UTF-8 : la ligne {line} est illisible.",
            "Enregistrez-le en « CSV UTF-8 ».",
        ),
    ),
    entry(
        "impossible-date",
        "error",
        "a .xls cell with a date before 1 March 1900",
        en=("This cell holds a date that its program cannot place.", "Write the date as text, such as 1900-01-31."),
        fr=(
            "Cette cellule contient une date que le programme ne sait pas situer.",
            "Écrivez la date comme texte, par exemple 1900-01-31.",
        ),
    ),
    entry(
        "excel-error",
        "warning",
        "`#REF!` in the column label",
        en=("This cell holds the spreadsheet's error {value}.", "Correct the formula, or write the text itself."),
        fr=(
            "Cette cellule contient l'erreur de tableur {value}.",
            "Corrigez la formule ou écrivez le texte lui-même.",
        ),
    ),
    entry(
        "and-more",
        "note",
        "a survey of 2 000 rows whose names all have blanks",
        en=("There is more of what {limit} findings say.", "Mend those, and lint again."),
        fr=("Il y a davantage que ce que disent {limit} constats.", "Corrigez ceux-ci et vérifiez à nouveau."),
    ),
    entry(
        "converter",
        "error",
        "what only the converter finds",
        en=("{message}", "Change what the converter names, and retry."),
        fr=(
            "Le convertisseur refuse le classeur : « {message} ».",
            "Corrigez ce que nomme le convertisseur et réessayez.",
        ),
    ),
    entry(
        "converter-warning",
        "warning",
        "what only the converter remarks",
        en=("{message}", ""),
        fr=("Remarque du convertisseur : « {message} ».", ""),
    ),
    entry(
        "sheet-missing",
        "error",
        "a workbook without a sheet `survey`",
        en=("There is no sheet “{name}”{hint}.", "Name the sheet with the questions “{name}”."),
        fr=("Il n'y a pas de feuille « {name} »{hint}.", "Nommez « {name} » la feuille des questions."),
    ),
    entry(
        "sheet-misspelled",
        "warning",
        "a sheet `setings`",
        en=("The sheet “{name}” is not read; it looks like “{near}”.", "Rename it, or put _ before its name."),
        fr=(
            "La feuille « {name} » n'est pas lue ; elle ressemble à « {near} ».",
            "Renommez-la ou mettez _ devant son nom.",
        ),
    ),
    entry(
        "column-missing",
        "error",
        "`survey` without the column `type`",
        en=("The sheet has no column “{name}”.", "Add a column with the header “{name}” in row 1."),
        fr=("La feuille n'a pas de colonne « {name} ».", "Ajoutez une colonne d'en-tête « {name} » en ligne 1."),
    ),
    entry(
        "column-unknown",
        "note",
        "a column `comments for the team`",
        en=("The column “{name}” is no column of an XLSForm; it is not used.", "Nothing to do if it is for you."),
        fr=(
            "La colonne « {name} » n'est pas une colonne d'XLSForm ; elle n'est pas utilisée.",
            "Rien à faire si elle est pour vous.",
        ),
    ),
    entry(
        "column-misspelled",
        "warning",
        "`relevent` for `relevant`",
        en=("The column “{name}” is not read; it looks like “{near}”.", "Rename it to “{near}”."),
        fr=("La colonne « {name} » n'est pas lue ; elle ressemble à « {near} ».", "Renommez-la en « {near} »."),
    ),
    entry(
        "header-duplicate",
        "error",
        "two columns `label`",
        en=("Two columns have the header “{name}”.", "Rename or remove one of them."),
        fr=("Deux colonnes ont l'en-tête « {name} ».", "Renommez ou supprimez l'une d'elles."),
    ),
    entry(
        "header-twice",
        "error",
        "`relevant` and `relevance`",
        en=("The columns “{name}” and “{other}” mean the same.", "Keep one of them."),
        fr=("Les colonnes « {name} » et « {other} » ont le même sens.", "N'en gardez qu'une."),
    ),
    entry(
        "choice-column-invalid",
        "warning",
        "a column `home district` in `choices`",
        en=("The header “{name}” has a blank; no filter can use the column.", "Write _ for the blank."),
        fr=("L'en-tête « {name} » contient une espace ; aucun filtre ne peut l'utiliser.", "Remplacez l'espace par _."),
    ),
    entry(
        "column-disabled",
        "note",
        "the column `disabled`",
        en=("The column “disabled” is not part of XLSForm.", "Remove the rows, or give them the relevance false()."),
        fr=(
            "La colonne « disabled » ne fait pas partie d'XLSForm.",
            "Supprimez les lignes ou donnez-leur la condition false().",
        ),
    ),
    entry(
        "namespace-undeclared",
        "error",
        "`bind::acme:rank` without `namespaces`",
        en=("The prefix “{prefix}” of this column is not declared.", "Add the column “namespaces” to settings."),
        fr=("Le préfixe « {prefix} » de cette colonne n'est pas déclaré.", "Ajoutez « namespaces » à settings."),
    ),
    entry(
        "form-id-missing",
        "warning",
        "`settings` without `form_id`",
        en=("The form has no form_id: the name of the file stands in for it.", "Write a form_id in settings."),
        fr=("Le formulaire n'a pas de form_id : le nom du fichier en tient lieu.", "Écrivez form_id dans settings."),
    ),
    entry(
        "form-id-invalid",
        "warning",
        "form_id `labour force 2026`",
        en=("The form_id “{value}” has blanks or odd characters.", "Use letters, digits, _ and - only."),
        fr=(
            "Le form_id « {value} » a des espaces ou des signes inhabituels.",
            "N'utilisez que lettres, chiffres, _ et -.",
        ),
    ),
    entry(
        "version-missing",
        "warning",
        "`settings` without `version`",
        en=("The form has no version: tablets cannot tell two of them apart.", "Write a version in settings."),
        fr=(
            "Le formulaire n'a pas de version : les tablettes ne distinguent pas deux versions.",
            "Écrivez version dans settings.",
        ),
    ),
    entry(
        "title-missing",
        "note",
        "`settings` without `form_title`",
        en=("The form has no form_title: enumerators see its form_id.", "Write a form_title in settings."),
        fr=(
            "Le formulaire n'a pas de form_title : les enquêteurs voient son form_id.",
            "Écrivez form_title dans settings.",
        ),
    ),
    entry(
        "settings-rows",
        "warning",
        "two rows in `settings`",
        en=("Only the first row of settings is read; this one is not.", "Put all settings into one row."),
        fr=("Seule la première ligne de settings est lue, pas celle-ci.", "Mettez tous les réglages sur une ligne."),
    ),
    entry(
        "setting-unknown",
        "note",
        "a column `author` in `settings`",
        en=("“{name}” is no setting of an XLSForm; it is not used.", "Remove it if nothing of yours reads it."),
        fr=("« {name} » n'est pas un réglage d'XLSForm ; il n'est pas utilisé.", "Supprimez-le si rien ne le lit."),
    ),
    entry(
        "setting-misspelled",
        "warning",
        "`defualt_language`",
        en=("The setting “{name}” is not read; it looks like “{near}”.", "Rename it to “{near}”."),
        fr=("Le réglage « {name} » n'est pas lu ; il ressemble à « {near} ».", "Renommez-le en « {near} »."),
    ),
    entry(
        "media-missing",
        "warning",
        "`card.png` named, but not given",
        en=("The form needs the file “{name}”, which was not given.", "Add the file, or correct its name."),
        fr=("Le formulaire demande le fichier « {name} », qui manque.", "Ajoutez le fichier ou corrigez son nom."),
    ),
    entry(
        "media-unused",
        "note",
        "`old.csv` given, but not named",
        en=("No question uses the file “{name}”.", "Leave it out, or correct the name in the form."),
        fr=("Aucune question n'utilise le fichier « {name} ».", "Retirez-le ou corrigez le nom dans le formulaire."),
    ),
    *(
        entry(
            code,
            "error",
            example,
            en=("{message}", "Correct the XForm, or publish the workbook that it came from."),
            fr=(
                "Le XForm n'est pas utilisable : « {message} »",
                "Corrigez le XForm ou publiez le classeur dont il provient.",
            ),
        )
        for code, example in XFORM_CODES.items()
    ),
)
