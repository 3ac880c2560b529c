"""What each finding about an interview says, in English and French: one sentence a code, never an answer."""

from collections.abc import Mapping
from typing import Final

from forms.model import Texts

CHECK_SENTENCES: Final[Mapping[str, Texts]] = {
    "bad-type": {
        "en": "The answer does not have the type of the question.",
        "fr": "La réponse n’a pas le type de la question.",
    },
    "not-a-choice": {
        "en": "The answer is not among the choices offered.",
        "fr": "La réponse n’est pas parmi les choix proposés.",
    },
    "required": {
        "en": "The question must be answered.",
        "fr": "La question exige une réponse.",
    },
    "constraint": {
        "en": "The answer breaks the constraint of the question.",
        "fr": "La réponse ne respecte pas la contrainte de la question.",
    },
    "irrelevant": {
        "en": "The question was not to be asked, but has a value.",
        "fr": "La question ne devait pas être posée, mais elle a une valeur.",
    },
    "calculation": {
        "en": "The form calculates another value.",
        "fr": "Le formulaire calcule une autre valeur.",
    },
    "unknown-node": {
        "en": "The form has no such node.",
        "fr": "Le formulaire n’a pas de nœud de ce nom à cet endroit.",
    },
    "missing-node": {
        "en": "The form gives this node a value, but the interview does not have the node.",
        "fr": "Le formulaire donne une valeur à ce nœud, mais il manque dans l’interview.",
    },
    "missing-row": {
        "en": "The repeat has fewer rows than its count says.",
        "fr": "La répétition a moins de lignes que son compte ne le dit.",
    },
    "too-many-rows": {
        "en": "The repeat has more rows than are checked.",
        "fr": "La répétition a plus de lignes que l’on n’en contrôle.",
    },
    "not-evaluated": {
        "en": "A rule of this node could not be evaluated, so nothing is said by it.",
        "fr": "Une règle de ce nœud n’a pas pu être évaluée : on ne peut rien en dire.",
    },
    "not-finished": {
        "en": "The interview asks for too much work: it was checked in part only.",
        "fr": "L’interview demande trop de calcul : elle n’a été contrôlée qu’en partie.",
    },
}

RULES: Final[Mapping[str, Texts]] = {
    "relevant": {"en": "relevance", "fr": "pertinence"},
    "calculate": {"en": "calculation", "fr": "calcul"},
    "constraint": {"en": "constraint", "fr": "contrainte"},
    "required": {"en": "requirement", "fr": "obligation de répondre"},
    "choices": {"en": "choices", "fr": "choix"},
    "repeat count": {"en": "number of rows", "fr": "nombre de lignes"},
}
"""The kinds of rules that ``not-evaluated`` names."""
