"""The words in which conditions and calculations are said, in English and French."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from forms.codebook.languages import Language


@dataclass(frozen=True, slots=True)
class Wording:
    """Words of one language; ``{0}``, ``{1}`` … are what a function is given.

    Attributes:
        values: phrases of functions that give a value, by name and number of arguments, ``*`` for any number.
        truths: phrases of functions that are true or false.
    """

    both: str
    either: str
    negation: str
    always: str
    never: str
    condition: str
    this_answer: str
    quoted: str
    text: str
    answered: str
    unanswered: str
    within: str
    contains: str
    lacks: str
    rows: str
    row: str
    rows_where: str
    lookup: str
    characters: str
    character: str
    choice_at: str
    choose: str
    every_interview: str
    every_row: str
    yes: str
    no: str
    values: Mapping[str, str]
    truths: Mapping[str, str]


_ENGLISH: Final = Wording(
    both="and",
    either="or",
    negation="not ({0})",
    always="always",
    never="never",
    condition="if {0}",
    this_answer="the answer",
    quoted="“{0}”",
    text="“{0}”",
    answered="{0} is answered",
    unanswered="{0} is not answered",
    within="{0} is from {1} to {2}",
    contains="{0} includes {1}",
    lacks="{0} does not include {1}",
    rows="rows of {0}",
    row="{0} of row {1} of {2}",
    rows_where="{0} of the rows of {1} where {2}",
    lookup="{0} in the list {1} where {2}",
    characters="characters {1} to {2} of {0}",
    character="character {1} of {0}",
    choice_at="choice number {1} in {0}",
    choose="{1} if {0}, otherwise {2}",
    every_interview="every interview",
    every_row="each row of {0}",
    yes="yes",
    no="no",
    values={
        "true/0": "yes",
        "false/0": "no",
        "today/0": "today",
        "now/0": "the present time",
        "uuid/*": "a random identifier",
        "random/0": "a random number",
        "position/0": "the row number",
        "position/1": "the row number",
        "count/1": "the number of {0}",
        "count-non-empty/1": "the number of answers to {0}",
        "count-selected/1": "the number of choices in {0}",
        "sum/1": "the sum of {0}",
        "min/1": "the smallest {0}",
        "max/1": "the largest {0}",
        "min/*": "the smallest of {*}",
        "max/*": "the largest of {*}",
        "string-length/1": "the length of {0}",
        "round/1": "{0}, rounded",
        "round/2": "{0}, rounded to {1} decimals",
        "int/1": "the whole part of {0}",
        "abs/1": "{0} without its sign",
        "number/1": "{0}",
        "string/1": "{0}",
        "date/1": "{0}",
        "date-time/1": "{0}",
        "boolean/1": "{0}",
        "decimal-date-time/1": "{0} (as a number of days)",
        "format-date/2": "{0} written as {1}",
        "format-date-time/2": "{0} written as {1}",
        "once/1": "{0}, set once",
        "concat/*": "{*}, one after the other",
        "coalesce/2": "{0}, or where that is empty {1}",
        "jr:choice-name/2": "the label of {0}",
        "indexed-repeat/3": "{0} of row {2} of {1}",
        "join/2": "the values of {1}, one after the other",
        "pulldata/4": "{1} in the file {0} where {2} = {3}",
        "distance/1": "the length of {0} in metres",
        "area/1": "the area of {0} in square metres",
    },
    truths={
        "regex/2": "{0} has the pattern {1}",
        "contains/2": "{0} contains {1}",
        "starts-with/2": "{0} begins with {1}",
        "ends-with/2": "{0} ends with {1}",
    },
)

_FRENCH: Final = Wording(
    both="et",
    either="ou",
    negation="pas ({0})",
    always="toujours",
    never="jamais",
    condition="si {0}",
    this_answer="la réponse",
    quoted="«\N{NO-BREAK SPACE}{0}\N{NO-BREAK SPACE}»",
    text="«\N{NO-BREAK SPACE}{0}\N{NO-BREAK SPACE}»",
    answered="{0} a une réponse",
    unanswered="{0} n'a pas de réponse",
    within="{0} va de {1} à {2}",
    contains="{0} comprend {1}",
    lacks="{0} ne comprend pas {1}",
    rows="lignes de {0}",
    row="{0} de la ligne {1} de {2}",
    rows_where="{0} des lignes de {1} où {2}",
    lookup="{0} dans la liste {1} où {2}",
    characters="les caractères {1} à {2} de {0}",
    character="le caractère {1} de {0}",
    choice_at="la modalité numéro {1} de {0}",
    choose="{1} si {0}, sinon {2}",
    every_interview="chaque entretien",
    every_row="chaque ligne de {0}",
    yes="oui",
    no="non",
    values={
        "true/0": "oui",
        "false/0": "non",
        "today/0": "la date du jour",
        "now/0": "l'heure présente",
        "uuid/*": "un identifiant tiré au hasard",
        "random/0": "un nombre tiré au hasard",
        "position/0": "le numéro de la ligne",
        "position/1": "le numéro de la ligne",
        "count/1": "le nombre de {0}",
        "count-non-empty/1": "le nombre de réponses à {0}",
        "count-selected/1": "le nombre de modalités dans {0}",
        "sum/1": "la somme de {0}",
        "min/1": "la plus petite valeur de {0}",
        "max/1": "la plus grande valeur de {0}",
        "min/*": "le plus petit de {*}",
        "max/*": "le plus grand de {*}",
        "string-length/1": "la longueur de {0}",
        "round/1": "{0}, en arrondi",
        "round/2": "{0}, en arrondi à {1} décimales",
        "int/1": "la partie entière de {0}",
        "abs/1": "{0} sans son signe",
        "number/1": "{0}",
        "string/1": "{0}",
        "date/1": "{0}",
        "date-time/1": "{0}",
        "boolean/1": "{0}",
        "decimal-date-time/1": "{0} (en nombre de jours)",
        "format-date/2": "{0} sous la forme {1}",
        "format-date-time/2": "{0} sous la forme {1}",
        "once/1": "{0}, fixé une seule fois",
        "concat/*": "{*}, à la suite",
        "coalesce/2": "{0}, ou à défaut {1}",
        "jr:choice-name/2": "le libellé de {0}",
        "indexed-repeat/3": "{0} de la ligne {2} de {1}",
        "join/2": "les valeurs de {1}, à la suite",
        "pulldata/4": "{1} dans le fichier {0} où {2} = {3}",
        "distance/1": "la longueur de {0} en mètres",
        "area/1": "la superficie de {0} en mètres carrés",
    },
    truths={
        "regex/2": "{0} a la forme {1}",
        "contains/2": "{0} contient {1}",
        "starts-with/2": "{0} commence par {1}",
        "ends-with/2": "{0} finit par {1}",
    },
)

WORDINGS: Final[Mapping[Language, Wording]] = {"en": _ENGLISH, "fr": _FRENCH}


def filled(phrase: str, *parts: str) -> str:
    """Put parts into a phrase, in one pass: a part that looks like a place is text."""
    pieces: list[str] = []
    rest = phrase
    while rest:
        before, brace, after = rest.partition("{")
        pieces.append(before)
        place, _, rest = after.partition("}") if brace else ("", "", "")
        if brace:
            pieces.append(", ".join(parts) if place == "*" else parts[int(place)])
    return "".join(pieces)
