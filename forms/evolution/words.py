"""Changes in sentences, as one would tell the manager of the survey: English and French."""

import re
from collections.abc import Mapping
from typing import Final

from forms.evolution.changes import Verdict
from forms.model import Texts
from forms.workbook.findings import LANGUAGES

SENTENCES: Final[Mapping[str, Mapping[str, str]]] = {
    "added": {
        "en": "{name} is new: in the interviews collected so far it counts as not asked.",
        "fr": "{name} est nouvelle : dans les entretiens déjà collectés, elle compte comme non posée.",
    },
    "added-repeat": {
        "en": "The repeat {name} is new: the interviews collected so far have no rows of it.",
        "fr": "La boucle {name} est nouvelle : les entretiens déjà collectés n'en ont aucune ligne.",
    },
    "removed": {
        "en": "{name} is no longer asked: its answers stay readable under their old name.",
        "fr": "{name} n'est plus posée : ses réponses restent lisibles sous leur ancien nom.",
    },
    "removed-repeat": {
        "en": "The repeat {name} is gone: its rows stay readable under their old name.",
        "fr": "La boucle {name} a disparu : ses lignes restent lisibles sous leur ancien nom.",
    },
    "renamed": {
        "en": "{old} is now called {name}, as the map says: it is the same question.",
        "fr": "{old} s'appelle désormais {name}, comme le dit la table de passage : c'est la même question.",
    },
    "moved": {
        "en": "{name} moved from {old} to {new}: its answers are not touched.",
        "fr": "{name} est passée de {old} à {new} : ses réponses ne changent pas.",
    },
    "moved-scope": {
        "en": "{name} moved from {old} to {new}, into or out of a repeat: it is asked of something else now, and old "
        "answers stay apart under the old name.",
        "fr": "{name} est passée de {old} à {new}, donc dans une boucle ou hors d'une boucle : elle porte désormais "
        "sur autre chose, et les anciennes réponses restent à part sous l'ancien nom.",
    },
    "retyped": {
        "en": "{name} was {old} and is now {new}: {effect}",
        "fr": "{name} était {old} et est désormais {new} : {effect}",
    },
    "choices-added": {
        "en": "{name} has more choices: {codes}. Nobody could choose them before.",
        "fr": "{name} a de nouvelles modalités : {codes}. Personne ne pouvait les choisir auparavant.",
    },
    "choices-removed": {
        "en": "{name} no longer has {codes}.",
        "fr": "{name} n'a plus {codes}.",
    },
    "choices-recoded": {
        "en": "{name}: {codes}.",
        "fr": "{name} : {codes}.",
    },
    "choice-labels": {
        "en": "{name}: choices are worded differently: {codes}. Nothing changes in the answers; the codebook says so.",
        "fr": "{name} : des modalités sont formulées autrement : {codes}. Rien ne change dans les réponses ; le "
        "dictionnaire des variables le signale.",
    },
    "choices-unknown": {
        "en": "{name}: its choices are in a file that is not here, so nobody can say what became of them.",
        "fr": "{name} : ses modalités sont dans un fichier absent ; on ne peut pas dire ce qu'elles sont devenues.",
    },
    "label": {
        "en": "{name} is worded differently: “{old}” became “{new}”. Its answers stay; the codebook says so.",
        "fr": "{name} est formulée autrement : « {old} » est devenu « {new} ». Ses réponses restent ; le dictionnaire "
        "des variables le signale.",
    },
    "label-meaning": {
        "en": "{name} is worded differently: “{old}” became “{new}”. {effect} changed, so the universe, the reference "
        "period or the unit may have changed.",
        "fr": "{name} est formulée autrement : « {old} » est devenu « {new} ». {effect} : l'univers, la période de "
        "référence ou l'unité ont peut-être changé.",
    },
    "constraint-tightened": {
        "en": "{name} accepts less than before: answers collected so far may lie outside; they stay as they are.",
        "fr": "{name} accepte moins qu'avant : des réponses déjà collectées peuvent sortir des limites ; elles "
        "restent telles quelles.",
    },
    "constraint-loosened": {
        "en": "{name} accepts more than before.",
        "fr": "{name} accepte plus qu'avant.",
    },
    "constraint-changed": {
        "en": "{name} accepts other answers than before: answers collected so far may lie outside; they stay as they "
        "are.",
        "fr": "{name} accepte d'autres réponses qu'avant : des réponses déjà collectées peuvent sortir des limites ; "
        "elles restent telles quelles.",
    },
    "relevance-narrower": {
        "en": "{name} is asked of fewer than before: its universe is narrower.",
        "fr": "{name} est posée à moins d'enquêtés qu'avant : son univers est plus étroit.",
    },
    "relevance-wider": {
        "en": "{name} is asked of more than before: its universe is wider.",
        "fr": "{name} est posée à plus d'enquêtés qu'avant : son univers est plus large.",
    },
    "relevance-changed": {
        "en": "{name} is asked under another condition than before: its universe is another one.",
        "fr": "{name} est posée sous une autre condition qu'avant : son univers est autre.",
    },
    "required": {
        "en": "{name} must be answered now.",
        "fr": "{name} est désormais obligatoire.",
    },
    "not-required": {
        "en": "{name} may be left unanswered now.",
        "fr": "{name} peut désormais rester sans réponse.",
    },
    "required-changed": {
        "en": "{name} must be answered under another condition than before.",
        "fr": "{name} est obligatoire sous une autre condition qu'avant.",
    },
    "calculation": {
        "en": "{name} is calculated differently: values derived so far follow the old formula.",
        "fr": "{name} est calculée autrement : les valeurs déjà dérivées suivent l'ancienne formule.",
    },
    "default": {
        "en": "{name} starts from another default answer.",
        "fr": "{name} part d'une autre réponse par défaut.",
    },
    "pii": {
        "en": "{name} has another class of personal data: {old} became {new}; it stays in its store.",
        "fr": "{name} a une autre classe de données personnelles : {old} est devenu {new} ; elle reste dans son "
        "magasin.",
    },
    "store-identifiers": {
        "en": "{name} counts as identifying now and goes to the store of identifiers: answers collected so far are "
        "withheld from the analysis store when it is read as of the new version.",
        "fr": "{name} compte désormais comme identifiante et va au magasin des identifiants : les réponses déjà "
        "collectées ne paraissent plus dans le magasin d'analyse lu selon la nouvelle version.",
    },
    "store-analysis": {
        "en": "{name} no longer counts as identifying and goes to the analysis store: answers collected so far stay "
        "among the identifiers.",
        "fr": "{name} ne compte plus comme identifiante et va au magasin d'analyse : les réponses déjà collectées "
        "restent parmi les identifiants.",
    },
    "list-filter": {
        "en": "{name} offers its choices by another rule: the same choices, offered to others.",
        "fr": "{name} propose ses modalités selon une autre règle : les mêmes modalités, proposées à d'autres.",
    },
    "repeat-count": {
        "en": "{name} has another rule for how many rows there are.",
        "fr": "{name} a une autre règle pour le nombre de ses lignes.",
    },
}  # fmt: skip

OPEN: Final[Mapping[str, Mapping[str, str]]] = {
    "choices-removed": {
        "en": " Answers with such a code have no counterpart: say in the map what becomes of it (recoded, kept or "
        "dropped).",
        "fr": " Les réponses qui ont un tel code n'ont pas d'équivalent : dites dans la table de passage ce qu'il "
        "devient (recoded, kept ou dropped).",
    },
    "choices-recoded": {
        "en": " One code or one label would mean two things: say in the map what becomes of the old code (recoded), "
        "or that it means the same (same-meaning).",
        "fr": " Un même code ou un même libellé voudrait dire deux choses : dites dans la table de passage ce que "
        "devient l'ancien code (recoded), ou qu'il a le même sens (same-meaning).",
    },
    "label-meaning": {
        "en": " Say in the map: same-meaning, recomputed or not-comparable.",
        "fr": " Dites dans la table de passage : same-meaning, recomputed ou not-comparable.",
    },
}
"""What is added while no map settles it."""

EFFECTS: Final[Mapping[str, Mapping[str, str]]] = {
    "exact": {"en": "every answer converts exactly.", "fr": "chaque réponse se convertit exactement."},
    "partial": {
        "en": "answers that convert exactly do, the others are kept raw; the map must say so (retyped).",
        "fr": "les réponses qui se convertissent exactement le sont, les autres sont gardées brutes ; la table de "
        "passage doit le dire (retyped).",
    },
    "suggestion": {
        "en": " It looks like {new}, which is new: if it is the same question, the map should have the row "
        "“{new},renamed,{name}”.",
        "fr": " Elle ressemble à {new}, qui est nouvelle : si c'est la même question, ajoutez à la table de passage la "
        "ligne « {new},renamed,{name} ».",
    },
    "number": {"en": "A number", "fr": "Un nombre a changé"},
    "unit": {"en": "A unit", "fr": "Une unité a changé"},
    "currency": {"en": "A currency", "fr": "Une monnaie a changé"},
    "negation": {"en": "A negation", "fr": "Une négation a changé"},
    "breaks": {"en": " This breaks {indicators}.", "fr": " Cela casse {indicators}."},
    "feeds": {"en": " It feeds {indicators}.", "fr": " Elle alimente {indicators}."},
    "settled": {"en": " Settled by the map: {by}.", "fr": " Réglé par la table de passage : {by}."},
    "relabelled": {
        "en": "{code} “{old}” is now “{new}”",
        "fr": "{code} « {old} » est désormais « {new} »",
    },
    "renumbered": {
        "en": "“{old}” had code {code} and now has {new}",
        "fr": "« {old} » avait le code {code} et a désormais {new}",
    },
    "choice": {"en": "{code} “{old}”", "fr": "{code} « {old} »"},
    "form": {"en": "the whole interview", "fr": "l'entretien entier"},
    "none": {"en": "none", "fr": "aucune"},
}

KINDS_OF_ANSWER: Final[Mapping[str, Mapping[str, str]]] = {
    "string": {"en": "a text", "fr": "un texte"},
    "integer": {"en": "a whole number", "fr": "un nombre entier"},
    "decimal": {"en": "a decimal number", "fr": "un nombre décimal"},
    "date": {"en": "a date", "fr": "une date"},
    "one": {"en": "one choice", "fr": "un choix unique"},
    "many": {"en": "several choices", "fr": "un choix multiple"},
    "rank": {"en": "a ranking", "fr": "un classement"},
}

_OUTPUT: Final = re.compile(r"\$?\{(?:[^{}]*/)?([^{}/]*)\}")
"""A reference inside a label: an answer that is read out."""

Words = Mapping[str, str] | str
"""A text in both languages, or one that is the same in both: a name, a code."""


def text_in(texts: Texts, language: str) -> str:
    """Return a text of a form in a language of the reader, or in whichever language there is.

    Forms name their languages as they like: ``fr``, ``French (fr)``, ``Français``.
    """
    names = {"en": ("english", "anglais"), "fr": ("french", "français")}[language]
    for name, text in texts.items():
        lowered = name.casefold()
        if lowered == language or f"({language})" in lowered or lowered.startswith(names):
            return shown(text)
    return shown(next(iter(texts.values()), ""))


def shown(text: str, longest: int = 140) -> str:
    """Return a text on one line, shortened where it is long."""
    line = " ".join(_OUTPUT.sub(lambda match: f"[{match.group(1)}]", text).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def both(texts: Texts) -> Mapping[str, str]:
    """Return a text of a form for both readers."""
    return {language: text_in(texts, language) for language in LANGUAGES}


def phrase(effect: str, /, **words: Words) -> Mapping[str, str]:
    """Return one of ``EFFECTS``, filled in."""
    return _filled(EFFECTS[effect], words)


def joined(parts: list[Mapping[str, str]], separator: str = "; ") -> Mapping[str, str]:
    """Return several phrases as one."""
    return {language: separator.join(part[language] for part in parts) for language in LANGUAGES}


def sentence(
    kind: str, verdict: Verdict, words: Mapping[str, Words], indicators: tuple[str, ...], settled_by: str
) -> Texts:
    """Return what is said of a change."""
    parts = [_filled(SENTENCES[kind], words)]
    if "suggestion" in words:
        parts.append(_filled(dict.fromkeys(LANGUAGES, "{suggestion}"), words))
    if indicators and verdict != "safe":
        parts.append(phrase("breaks" if verdict == "breaks" else "feeds", indicators=", ".join(indicators)))
    if verdict != "safe" and not settled_by:
        parts.append(OPEN.get(kind, dict.fromkeys(LANGUAGES, "")))
    if settled_by:
        parts.append(phrase("settled", by=settled_by))
    return joined(parts, "")


def _filled(templates: Mapping[str, str], words: Mapping[str, Words]) -> Mapping[str, str]:
    return {
        language: templates[language].format_map(
            {name: word if isinstance(word, str) else word[language] for name, word in words.items()}
        )
        for language in LANGUAGES
    }
