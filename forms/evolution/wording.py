"""Whether a changed text may have changed what is asked: its numbers, units, currencies, negations."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from forms.model import Texts

SIMILAR: Final = 0.6
"""From this ratio of equal characters on, two texts count as one text reworded: tried on the choices of hh_remit."""
SHORT: Final = 3
"""Words up to this length are mostly articles and prepositions, in which wordings differ and meanings do not."""

_WORD: Final = re.compile(r"\d+(?:[.,  ]\d+)*|[^\W\d_]+(?=['’]?)|[%$€£]")
_OUTPUT: Final = re.compile(r"\$?\{[^}]*\}")
_NUMBER_WORDS: Final[Mapping[str, str]] = {
    "two": "2", "deux": "2", "three": "3", "trois": "3", "four": "4", "quatre": "4", "five": "5",
    "cinq": "5", "six": "6", "seven": "7", "sept": "7", "eight": "8", "huit": "8", "nine": "9", "neuf": "9",
    "ten": "10", "dix": "10", "eleven": "11", "onze": "11", "twelve": "12", "douze": "12", "twice": "2",
    "half": "1/2", "moitié": "1/2", "demi": "1/2", "dozen": "12", "douzaine": "12", "fifteen": "15", "quinze": "15",
    "twenty": "20", "vingt": "20", "thirty": "30", "trente": "30", "hundred": "100", "cent": "100",
    "thousand": "1000", "mille": "1000", "million": "1000000", "millions": "1000000",
}  # fmt: skip
_UNITS: Final[Mapping[str, str]] = {
    name: names[0]
    for names in (
        ("second", "seconds", "seconde", "secondes"),
        ("minute", "minutes"),
        ("hour", "hours", "heure", "heures"),
        ("day", "days", "jour", "jours", "daily"),
        ("week", "weeks", "semaine", "semaines", "weekly"),
        ("month", "months", "mois", "monthly", "mensuel", "mensuelle"),
        ("quarter", "quarters", "trimestre", "trimestres"),
        ("year", "years", "ans", "année", "années", "yearly", "annual", "annuel", "annuelle"),
        ("metre", "metres", "meter", "meters", "mètre", "mètres"),
        ("kilometre", "kilometres", "kilometer", "kilometers", "km", "kilomètre", "kilomètres"),
        ("hectare", "hectares", "ha"),
        ("acre", "acres"),
        ("gram", "grams", "gramme", "grammes"),
        ("kilogram", "kilograms", "kg", "kilo", "kilos", "kilogramme", "kilogrammes"),
        ("tonne", "tonnes", "tons"),
        ("litre", "litres", "liter", "liters"),
        ("percent", "%", "percentage", "pourcent", "pourcentage"),
        ("unit", "units", "unité", "unités"),
        ("gross", "brut", "brute", "bruts", "brutes"),
        ("net", "nets", "nette", "nettes"),
    )
    for name in names
}  # fmt: skip
_CURRENCIES: Final[Mapping[str, str]] = {
    name: names[0]
    for names in (
        ("dollar", "dollars", "$", "usd"),
        ("euro", "euros", "€", "eur"),
        ("pound", "pounds", "£", "gbp", "livre", "livres"),
        ("franc", "francs", "xof", "xaf", "cfa", "fcfa"),
        ("rupee", "rupees", "roupie", "roupies", "inr", "npr", "pkr"),
        ("dirham", "dirhams", "aed", "mad"),
        ("riyal", "riyals", "sar", "qar"),
        ("dinar", "dinars", "tnd", "dzd", "kwd"),
        ("currency", "currencies", "monnaie", "monnaies", "devise", "devises"),
    )
    for name in names
}
_NEGATIONS: Final[Mapping[str, str]] = dict.fromkeys(
    ("not", "no", "never", "none", "without", "except", "excluding", "cannot",
     "pas", "non", "jamais", "aucun", "aucune", "sans", "sauf", "excepté", "hors"),
    "not",
)  # fmt: skip
_NEGATING: Final = ("in", "im", "ir", "il", "un", "non", "dis", "dés", "mal")
SIGNALS: Final[Mapping[str, Mapping[str, str]]] = {
    "number": _NUMBER_WORDS,
    "unit": _UNITS,
    "currency": _CURRENCIES,
    "negation": _NEGATIONS,
}
_NOT: Final = re.compile(r"n['’]t\b")
"""Of don’t and isn’t, but not the t of “a-t-il”."""


def signals(before: str, after: str) -> tuple[str, ...]:
    """Return what changed in a text beside its style: ``number``, ``unit``, ``currency``, ``negation``."""
    olds, news = _signals(before), _signals(after)
    return tuple(name for name in SIGNALS if olds[name] != news[name])


def _signals(text: str) -> Mapping[str, Counter[str]]:
    words = _WORD.findall(_NOT.sub(" not", _OUTPUT.sub(" ", text).casefold()))
    found: dict[str, Counter[str]] = {
        name: Counter(known[word] for word in words if word in known) for name, known in SIGNALS.items()
    }
    found["number"].update(re.sub(r"[,  ]", "", word) for word in words if word[0].isdigit())
    return found


def text_pairs(before: Texts, after: Texts) -> tuple[tuple[str, str], ...]:
    """Return what to compare with what: the texts of each language that both have.

    Where they share none, the two that are most alike: a column `label` that became `label::English (en)`.
    """
    shared = tuple((before[language], after[language]) for language in before if language in after)
    if shared or not (before and after):
        return shared
    return (max(((old, new) for old in before.values() for new in after.values()), key=lambda pair: likeness(*pair)),)


def changed_pairs(before: Texts, after: Texts) -> tuple[tuple[str, str], ...]:
    """Return the pairs of texts that differ by more than white space."""
    return tuple(pair for pair in text_pairs(before, after) if _plain(pair[0]) != _plain(pair[1]))


def text_signals(before: Texts, after: Texts) -> tuple[str, ...]:
    """Return the signals of a text in any language in which it changed."""
    return tuple(dict.fromkeys(name for old, new in changed_pairs(before, after) for name in signals(old, new)))


def is_same_label(before: Texts, after: Texts) -> bool:
    """Say whether two choices say the same: word for word in one language at least, or much alike in all."""
    pairs = text_pairs(before, after)
    if len(changed_pairs(before, after)) < len(pairs) or not pairs:
        return True
    return not text_signals(before, after) and all(
        likeness(old, new) >= SIMILAR and not _swaps_a_word(old, new) for old, new in pairs
    )


def _swaps_a_word(before: str, after: str) -> bool:
    """Say whether a word gave way to one unlike it (primary, nursery); more or fewer words are no swap."""
    olds, news = _bare(before).split(), _bare(after).split()
    gone = [word for word in olds if word not in news and len(word) > SHORT]
    come = [word for word in news if word not in olds and len(word) > SHORT]
    return bool(come) and any(all(_is_unlike(word, other) for other in come) for word in gone)


def _is_unlike(word: str, other: str) -> bool:
    long, short = (word, other) if len(word) > len(other) else (other, word)
    is_negated = any(long == prefix + short for prefix in _NEGATING)  # formal, informal
    return is_negated or likeness(word, other) < SIMILAR


def is_equal_label(before: Texts, after: Texts) -> bool:
    """Say whether two texts are the same but for case and punctuation, in every language that both have."""
    pairs = [(old, new) for old, new in text_pairs(before, after) if _bare(old)]
    return bool(pairs) and all(_bare(old) == _bare(new) for old, new in pairs)


def likeness(before: str, after: str) -> float:
    """Return how alike two texts are, from 0 to 1."""
    return difflib.SequenceMatcher(None, _bare(before), _bare(after), autojunk=False).ratio()


def _plain(text: str) -> str:
    return " ".join(text.split())


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
