"""What each code of a check means, in English and French: those of the form's rules, and those of the survey.

docs/explanation/checks.md lists the same table; a test holds both together.
"""

# ruff: noqa: E501 -- a text is a line, so that two languages can be read side by side
from typing import Final

from server.statistics.hh_remit.checks import RULES, Rule

_FORM: Final = (
    Rule("unknown-node", "error", "The interview has a question that its form version does not have.", "L'entretien a une question que sa version du formulaire n'a pas."),
    Rule("missing-node", "error", "The interview lacks a question that its form version has.", "Il manque à l'entretien une question de sa version du formulaire."),
    Rule("repeated-node", "error", "A question that the form asks once stands there more often; the first answer counts.", "Une question posée une fois figure plusieurs fois ; la première réponse compte."),
    Rule("bad-type", "error", "The answer does not have the type of the question.", "La réponse n'a pas le type de la question."),
    Rule("not-a-choice", "error", "The answer is not among the choices offered.", "La réponse n'est pas parmi les choix proposés."),
    Rule("constraint", "error", "The answer breaks the constraint of the question.", "La réponse enfreint la contrainte de la question."),
    Rule("required", "error", "A question that must be answered has no answer.", "Une question obligatoire est sans réponse."),
    Rule("irrelevant", "error", "A question that was not to be asked has a value.", "Une question qui n'était pas à poser a une valeur."),
    Rule("calculation", "error", "The form calculates another value.", "Le formulaire calcule une autre valeur."),
    Rule("missing-row", "error", "A repeat has fewer rows than its count says.", "Une répétition a moins de lignes que son compte ne le dit."),
    Rule("rule-not-evaluated", "error", "A rule of the form cannot be evaluated, so that the interview was not held against its rules.", "Une règle du formulaire ne peut être évaluée : l'entretien n'a pas été confronté à ses règles."),
    Rule("unreadable", "error", "The stored envelope could not be opened again: run passerelle verify.", "L'enveloppe enregistrée n'a pas pu être rouverte : lancer passerelle verify."),
    Rule("unforeseen", "error", "Checking met an error that nobody foresaw; the log of the server says where.", "Le contrôle a rencontré une erreur imprévue ; le journal du serveur dit où."),
)  # fmt: skip

RULE_TEXTS: Final = {rule.code: rule for rule in _FORM} | RULES


def text_of(code: str, language: str) -> str:
    """Return what a code means; the code itself where this version has no text for it."""
    rule = RULE_TEXTS.get(code)
    return code if rule is None else rule.text(language)
