"""What a rehearsal over collected interviews says, in English and French."""

from collections.abc import Mapping
from typing import Final

from forms.model import Texts

_ONE_MANY: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "no-counterpart": {
        "en": ("{n} interview keeps {column} = {choice}, which has no counterpart",
               "{n} interviews keep {column} = {choice}, which has no counterpart"),
        "fr": ("{n} entretien garde {column} = {choice}, qui n'a pas d'équivalent",
               "{n} entretiens gardent {column} = {choice}, qui n'a pas d'équivalent"),
    },
    "no-counterpart-hidden": {
        "en": ("{n} interview keeps an answer to {column} that has no counterpart",
               "{n} interviews keep an answer to {column} that has no counterpart"),
        "fr": ("{n} entretien garde une réponse à {column} qui n'a pas d'équivalent",
               "{n} entretiens gardent une réponse à {column} qui n'a pas d'équivalent"),
    },
    "unconvertible": {
        "en": ("{n} interview has an answer to {column} that cannot be converted: it is kept raw",
               "{n} interviews have an answer to {column} that cannot be converted: it is kept raw"),
        "fr": ("{n} entretien a une réponse à {column} qui ne peut être convertie : elle est gardée brute",
               "{n} entretiens ont une réponse à {column} qui ne peut être convertie : elle est gardée brute"),
    },
    "dropped": {
        "en": ("{n} interview loses {column}, as the map says", "{n} interviews lose {column}, as the map says"),
        "fr": ("{n} entretien perd {column}, comme le dit la table de passage",
               "{n} entretiens perdent {column}, comme le dit la table de passage"),
    },
    "dropped-choice": {
        "en": ("{n} interview loses {column} = {choice}, as the map says",
               "{n} interviews lose {column} = {choice}, as the map says"),
        "fr": ("{n} entretien perd {column} = {choice}, comme le dit la table de passage",
               "{n} entretiens perdent {column} = {choice}, comme le dit la table de passage"),
    },
    "reclassified": {
        "en": ("{n} interview has an answer to {column} that identifies now: it is withheld from analysis",
               "{n} interviews have an answer to {column} that identifies now: it is withheld from analysis"),
        "fr": ("{n} entretien a une réponse à {column} désormais identifiante : elle est retirée de l'analyse",
               "{n} entretiens ont une réponse à {column} désormais identifiante : elle est retirée de l'analyse"),
    },
    "untouched": {
        "en": ("In {n} interview every answer has its place in the new version.",
               "In {n} interviews every answer has its place in the new version."),
        "fr": ("Dans {n} entretien, chaque réponse a sa place dans la nouvelle version.",
               "Dans {n} entretiens, chaque réponse a sa place dans la nouvelle version."),
    },
    "collected": {
        "en": ("{n} interview was collected so far ({modes}).", "{n} interviews were collected so far ({modes})."),
        "fr": ("{n} entretien a été collecté jusqu'ici ({modes}).",
               "{n} entretiens ont été collectés jusqu'ici ({modes})."),
    },
}  # fmt: skip
MODES: Final[Mapping[str, Mapping[str, str]]] = {
    "survey": {"en": "survey", "fr": "enquête"},
    "pilot": {"en": "pilot", "fr": "pilote"},
    "training": {"en": "training", "fr": "formation"},
}


def collected_sentence(collected: Mapping[str, int]) -> Texts:
    """Say how many interviews there are, all modes apart."""
    if not sum(collected.values()):
        return {
            "en": "No interview has been collected so far.",
            "fr": "Aucun entretien n'a encore été collecté.",
        }
    return {
        language: _said(
            "collected",
            language,
            sum(collected.values()),
            modes=", ".join(f"{mode_in(mode, language)} {number}" for mode, number in sorted(collected.items())),
        )
        for language in ("en", "fr")
    }


def outcome_sentence(code: str, column: str, choice: str, *, interviews: int, mode: str) -> Texts:
    """Say what becomes of some answers."""
    key = {("no-counterpart", False): "no-counterpart-hidden", ("dropped", True): "dropped-choice"}.get(
        (code, bool(choice)), code
    )
    return {
        language: _said(key, language, interviews, column=column, choice=choice) + f" ({mode_in(mode, language)})."
        for language in ("en", "fr")
    }


def untouched_sentence(interviews: int) -> Texts:
    """Say in how many interviews nothing stands out."""
    return {language: _said("untouched", language, interviews) for language in ("en", "fr")}


def mode_in(mode: str, language: str) -> str:
    """Return the name of a mode."""
    return MODES.get(mode, {}).get(language, mode)


def _said(key: str, language: str, number: int, **words: str) -> str:
    one, many = _ONE_MANY[key][language]
    is_one = number == 1 or (language == "fr" and number == 0)
    return (one if is_one else many).format(n=number, **words)
