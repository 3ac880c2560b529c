"""What a tablet said of itself, in words: what it still has to send, and how far its clock is off."""

from typing import Final

from sync_protocol.messages import Backlog

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "nothing_known": "–",
        "all_here": "nothing: all is here",
        "interviews_one": "1 interview",
        "interviews_many": "{n} interviews",
        "media_one": "1 file",
        "media_many": "{n} files",
        "others_one": "1 other envelope",
        "others_many": "{n} other envelopes",
        "to_go": "{what} to go",
        "unsealed_one": "1 finished, not sealed yet",
        "unsealed_many": "{n} finished, not sealed yet",
        "clock_right": "right",
        "clock_ahead": "{n} ahead",
        "clock_behind": "{n} behind",
        "minutes": "{n} min",
        "hours": "{n} h",
        "day_units": "{n} d",
    },
    "fr": {
        "nothing_known": "–",
        "all_here": "rien : tout est ici",
        "interviews_one": "1 entretien",
        "interviews_many": "{n} entretiens",
        "media_one": "1 fichier",
        "media_many": "{n} fichiers",
        "others_one": "1 autre enveloppe",
        "others_many": "{n} autres enveloppes",
        "to_go": "{what} à envoyer",
        "unsealed_one": "1 terminé, pas encore scellé",
        "unsealed_many": "{n} terminés, pas encore scellés",
        "clock_right": "juste",
        "clock_ahead": "{n} d'avance",
        "clock_behind": "{n} de retard",
        "minutes": "{n} min",
        "hours": "{n} h",
        "day_units": "{n} j",
    },
}
MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400


def backlog_words(language: str, backlog: Backlog | None) -> str:
    """Say what a tablet still has to send: ``3 interviews, 6 files to go``; a dash where nobody knows."""
    if backlog is None:
        return _word(language, "nothing_known")
    # Epochs and drafts go with the interviews; they are worth a word when nothing else is left.
    others = 0 if backlog.interviews or backlog.media else backlog.envelopes
    counts = (("interviews", backlog.interviews), ("media", backlog.media), ("others", others))
    parts = [_counted(language, name, count) for name, count in counts if count]
    said = [_word(language, "to_go", what=", ".join(parts))] if parts else []
    if backlog.unsealed:
        said.append(_counted(language, "unsealed", backlog.unsealed))
    return "; ".join(said) if said else _word(language, "all_here")


def clock_words(language: str, offset_seconds: int | None) -> str:
    """Say how far a tablet's clock is off: ``5 min ahead``; less than a minute is right."""
    if offset_seconds is None:
        return _word(language, "nothing_known")
    size = abs(offset_seconds)
    if size < MINUTE:
        return _word(language, "clock_right")
    unit, length = next(
        (name, seconds)
        for name, seconds in (("day_units", DAY), ("hours", HOUR), ("minutes", MINUTE))
        if size >= seconds
    )
    amount = _word(language, unit, n=size // length)
    return _word(language, "clock_ahead" if offset_seconds > 0 else "clock_behind", n=amount)


def _counted(language: str, name: str, count: int) -> str:
    return _word(language, f"{name}_one" if count == 1 else f"{name}_many", n=count)


def _word(language: str, key: str, **values: object) -> str:
    return WORDS[language][key].format(**values)
