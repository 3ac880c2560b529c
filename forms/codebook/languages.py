"""Languages of a form and of the words around it.

A form names its languages as its author likes: ``English (en)``, ``fr``, ``Kiswahili``. Sentences of ours are English
or French.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

from forms.model import Texts

Language = Literal["en", "fr"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "fr")

_IN_BRACKETS: Final = re.compile(r"\(\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*)\s*\)\s*\Z")
_BARE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*\Z")
_NAMES: Final = {"english": "en", "french": "fr", "français": "fr", "francais": "fr", "spanish": "es", "arabic": "ar"}
_OUTPUT: Final = re.compile(r"\{([^{}]*)\}")
_MARKUP: Final = re.compile(r"</?[A-Za-z][^<>]*>|\*\*|__|^#+ ", re.MULTILINE)
_MISSING: Final = "-"
"""What pyxform writes where a translation is missing."""


def tag(name: str) -> str:
    """Return the BCP 47 tag of a language as a form names it; a private one (``x-…``) where the name gives none."""
    match = _IN_BRACKETS.search(name)
    if match is not None:
        return match.group(1)
    stripped = name.strip()
    if _BARE.fullmatch(stripped):
        return stripped
    if stripped.lower() in _NAMES:
        return _NAMES[stripped.lower()]
    parts = re.findall(r"[A-Za-z0-9]{1,8}", stripped)
    return "-".join(["x", *parts]) if parts else "und"


def form_language(languages: Sequence[str], default: str, wanted: str) -> str:
    """Return the language of a form that a person who reads ``wanted`` is shown; its default where it lacks it."""
    return next((name for name in languages if tag(name).partition("-")[0] == wanted), default)


def text_in(texts: Texts, language: str, default: str) -> str:
    """Return a text in a language, else in the default one, else in any."""
    found = present(texts)
    return found.get(language) or found.get(default) or next(iter(found.values()), "")


def present(texts: Texts) -> dict[str, str]:
    """Return the texts that are there, in readable form."""
    return {language: readable(text) for language, text in texts.items() if text.strip() not in ("", _MISSING)}


def readable(text: str) -> str:
    """Return a label on one line, without markup, an answer shown inside it as ``[name]``."""
    shown = _OUTPUT.sub(lambda match: f"[{_last_name(match.group(1))}]", text)
    return " ".join(_MARKUP.sub("", shown).split())


def shortened(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters, cut between words."""
    if len(text) <= most:
        return text
    return text[: most - 1].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"


def _last_name(expression: str) -> str:
    name = re.search(r"([\w.\-]+)\s*\Z", expression.strip())
    return name.group(1) if name else "…"
