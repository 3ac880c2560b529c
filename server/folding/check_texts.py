"""What each code of a check means, in English and French: those of the form's rules, and those of the survey.

docs/explanation/checks.md lists the same table; a test holds both together.
"""

# ruff: noqa: E501 -- a text is a line, so that two languages can be read side by side
from typing import Final

from forms.sentences import CHECK_SENTENCES
from server.statistics.hh_remit.checks import RULES, Rule

_NOTES: Final = frozenset({"not-evaluated", "not-finished"})
"""What says nothing against the interview, only that the check could not go on."""
_FORM: Final = (
    *(
        Rule(code, "note" if code in _NOTES else "error", texts["en"], texts["fr"])
        for code, texts in CHECK_SENTENCES.items()
    ),
    Rule("repeated-node", "error", "A question that the form asks once stands there more often; the first answer counts.", "Une question posée une fois figure plusieurs fois ; la première réponse compte."),
    Rule("unreadable", "error", "The stored envelope could not be opened again: run passerelle verify.", "L'enveloppe enregistrée n'a pas pu être rouverte : lancer passerelle verify."),
    Rule("odk-signature-invalid", "error", "The media of an encrypted interview are not those that ODK Collect signed with it: one was cut or exchanged.", "Les médias d'un entretien chiffré ne sont pas ceux qu'ODK Collect a signés avec lui : l'un a été coupé ou échangé."),
    Rule("unforeseen", "error", "Checking met an error that nobody foresaw; the log of the server says where.", "Le contrôle a rencontré une erreur imprévue ; le journal du serveur dit où."),
)  # fmt: skip

RULE_TEXTS: Final = {rule.code: rule for rule in _FORM} | RULES


def text_of(code: str, language: str) -> str:
    """Return what a code means; the code itself where this version has no text for it."""
    rule = RULE_TEXTS.get(code)
    return code if rule is None else rule.text(language)
