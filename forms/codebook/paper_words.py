"""The words around the questions of a printed questionnaire, in English and French."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from forms.codebook.languages import Language


@dataclass(frozen=True, slots=True)
class PaperWords:
    """Words of one language; ``{0}`` is filled in."""

    version: str
    only: str
    module_only: str
    mark_one: str
    mark_all: str
    rank: str
    check: str
    hint: str
    read: str
    optional: str
    code_from: str
    file_list: str
    filtered: str
    rows_until: str
    rows_count: str
    for_each: str
    more_rows: str
    question: str
    row: str
    day: str
    month: str
    year: str
    hour: str
    minute: str
    latitude: str
    longitude: str
    on_tablet: str
    from_to: str
    lists: str
    used_by: str
    code: str
    label: str
    worked_out: str
    worked_out_note: str
    questions: str


PAPER_WORDS: Final[Mapping[Language, PaperWords]] = {
    "en": PaperWords(
        version="Form {0}, version {1}",
        only="Only if {0}",
        module_only="This module only if {0}",
        mark_one="Mark one.",
        mark_all="Mark all that apply.",
        rank="Write 1, 2, 3 … in the order of importance.",
        check="Check:",
        hint="Note:",
        read="Read",
        optional="may stay empty",
        code_from="Code from list {0} at the end",
        file_list="Code from the file {0}",
        filtered="Not all of these are offered in every case.",
        rows_until="Go on until there is no other.",
        rows_count="Rows: {0}.",
        for_each="One table for each {0}. Its row number: ",
        more_rows="More rows go on a further sheet.",
        question="Question",
        row="Row",
        day="day",
        month="month",
        year="year",
        hour="hour",
        minute="minute",
        latitude="latitude",
        longitude="longitude",
        on_tablet="Recorded on the tablet",
        from_to="{0} to {1}, in steps of {2}",
        lists="Lists of codes",
        used_by="For {0}",
        code="Code",
        label="Meaning",
        worked_out="Worked out by the tablet",
        worked_out_note="Conditions above speak of these values. Nobody is asked for them.",
        questions="Questions",
    ),
    "fr": PaperWords(
        version="Formulaire {0}, version {1}",
        only="Seulement si {0}",
        module_only="Ce module seulement si {0}",
        mark_one="Cocher une seule case.",
        mark_all="Cocher toutes les réponses qui conviennent.",
        rank="Écrire 1, 2, 3 … par ordre d'importance.",
        check="Vérifier :",
        hint="Note :",
        read="Lire",
        optional="peut rester vide",
        code_from="Code de la liste {0}, à la fin",
        file_list="Code du fichier {0}",
        filtered="Ces modalités ne sont pas toutes proposées dans chaque cas.",
        rows_until="Continuer jusqu'à ce qu'il n'y en ait plus d'autre.",
        rows_count="Lignes : {0}.",
        for_each="Un tableau par {0}. Numéro de sa ligne : ",
        more_rows="Les lignes suivantes vont sur une autre feuille.",
        question="Question",
        row="Ligne",
        day="jour",
        month="mois",
        year="année",
        hour="heure",
        minute="minute",
        latitude="latitude",
        longitude="longitude",
        on_tablet="Enregistré sur la tablette",
        from_to="de {0} à {1}, par pas de {2}",
        lists="Listes de codes",
        used_by="Pour {0}",
        code="Code",
        label="Signification",
        worked_out="Calculé par la tablette",
        worked_out_note="Les conditions ci-dessus parlent de ces valeurs. On ne les demande à personne.",
        questions="Questions",
    ),
}
