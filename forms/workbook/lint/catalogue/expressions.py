"""References, expressions, cycles, and what can never be."""

from typing import Final

from forms.workbook.lint.catalogue.entry import Entry, entry

ENTRIES: Final[tuple[Entry, ...]] = (
    entry(
        "reference-unknown",
        "error",
        "`${agee} > 14`",
        en=("There is no question “{name}”{hint}.", "Correct the name between ${{ and }}."),
        fr=("Il n'y a pas de question « {name} »{hint}.", "Corrigez le nom entre ${{ et }}."),
    ),
    entry(
        "reference-ambiguous",
        "error",
        "`${age}` where two groups have an `age`",
        en=("“{name}” can mean the questions of rows {rows}.", "Give them names of their own."),
        fr=("« {name} » peut désigner les questions des lignes {rows}.", "Donnez-leur des noms distincts."),
    ),
    entry(
        "reference-malformed",
        "error",
        "`${age > 14` or `${my age}`",
        en=("“{text}” is no reference.", "Write ${{name}} with the name of one question."),
        fr=("« {text} » n'est pas une référence.", "Écrivez ${{nom}} avec le nom d'une question."),
    ),
    entry(
        "reference-into-repeat",
        "warning",
        "a label outside the repeat `member` with `${member_name}`",
        en=(
            "“{name}” has an answer in each row of “{repeat}”; only the first is meant here.",
            "Take one with indexed-repeat(), or bring them together with sum(), count() or join().",
        ),
        fr=(
            "« {name} » a une réponse par ligne de « {repeat} » ; seule la première compte ici.",
            "Choisissez-la par indexed-repeat(), ou réunissez-les par sum(), count() ou join().",
        ),
    ),
    entry(
        "reference-without-braces",
        "warning",
        "`age > 14`",
        en=("“{name}” stands without ${{ }} and means nothing here.", "Write ${{{name}}}."),
        fr=("« {name} » est écrit sans ${{ }} et ne désigne rien ici.", "Écrivez ${{{name}}}."),
    ),
    entry(
        "xpath-syntax",
        "error",
        "`${age} >> 14`",
        en=("The expression breaks off at character {at}: {message}", "Correct it there."),
        fr=("L'expression est incorrecte au caractère {at} : {found}.", "Corrigez-la à cet endroit."),
    ),
    entry(
        "function-unknown",
        "error",
        "`slected(${a}, '1')`",
        en=("There is no function {name}(){hint} (character {at}).", "Correct the name of the function."),
        fr=("Il n'existe pas de fonction {name}(){hint} (caractère {at}).", "Corrigez le nom de la fonction."),
    ),
    entry(
        "function-not-in-collect",
        "warning",
        "`upper-case(${a})`",
        en=("ODK Collect does not know {name}() (character {at}).", "Use another one where tablets run Collect."),
        fr=(
            "ODK Collect ne connaît pas {name}() (caractère {at}).",
            "Prenez-en une autre si vos tablettes ont Collect.",
        ),
    ),
    entry(
        "argument-count",
        "error",
        "`selected(${a})`",
        en=("{name}() takes {wanted} arguments, not {count} (character {at}).", "Add or remove arguments."),
        fr=("{name}() attend {wanted} arguments, pas {count} (caractère {at}).", "Ajoutez ou ôtez des arguments."),
    ),
    entry(
        "comparison-not-a-choice",
        "warning",
        "`${sex} = '3'` where the list has 1 and 2",
        en=("“{value}” is no choice of “{name}”: this is never equal.", "Write one of the names of “{list}”."),
        fr=(
            "« {value} » n'est pas un choix de « {name} » : l'égalité est impossible.",
            "Écrivez l'un des noms de « {list} ».",
        ),
    ),
    entry(
        "comparison-not-a-number",
        "warning",
        "`${age} = 'adult'`",
        en=("“{name}” is a number and never equals “{value}”.", "Compare it with a number."),
        fr=("« {name} » est un nombre et n'égale jamais « {value} ».", "Comparez-le à un nombre."),
    ),
    entry(
        "cycle",
        "error",
        "`a` calculated from `b`, and `b` from `a`",
        en=("These depend on each other in a circle: {names}.", "Break the circle at one of them."),
        fr=("Ces éléments dépendent les uns des autres en boucle : {names}.", "Rompez la boucle à l'un d'eux."),
    ),
    entry(
        "constraint-never-holds",
        "warning",
        "constraint `. > 10 and . < 5`",
        en=("No answer to “{name}” can satisfy this constraint.", "Check its limits, and “and” against “or”."),
        fr=("Aucune réponse à « {name} » ne satisfait cette contrainte.", "Vérifiez les bornes, et « and » ou « or »."),
    ),
    entry(
        "never-asked",
        "warning",
        "relevant `${sex} = '1' and ${sex} = '2'`",
        en=("This can never be true: nobody is asked “{name}”{inside}.", "Check the condition and those around it."),
        fr=(
            "Cette condition n'est jamais vraie : « {name} » n'est jamais posée{inside}.",
            "Vérifiez la condition et celles qui l'entourent.",
        ),
    ),
    entry(
        "bind-without-node",
        "warning",
        "an XForm with a bind to a node that there is not",
        en=("The bind of {name} has no node in the instance.", "Correct its nodeset, or add the node."),
        fr=("Le bind de {name} n'a pas de nœud dans l'instance.", "Corrigez son nodeset ou ajoutez le nœud."),
    ),
    entry(
        "path-unknown",
        "warning",
        "an XForm whose expression reads `/data/nobody`",
        en=("An expression of this node reads {name}, which does not exist.", "Correct the path."),
        fr=("Une expression de ce nœud lit {name}, qui n'existe pas.", "Corrigez le chemin."),
    ),
    entry(
        "choice-twice",
        "warning",
        "an XForm whose list offers `1` twice",
        en=("The list “{list}” offers the code “{name}” twice.", "Give each choice a code of its own."),
        fr=("La liste « {list} » propose deux fois le code « {name} ».", "Donnez à chaque choix son code."),
    ),
)
