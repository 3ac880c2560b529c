"""What the headers of a sheet mean.

``bind::relevant`` and ``relevance`` are one column, ``label::Français (fr)`` has a language.

The converter's rule: ``::`` parts a column from its language; a single ``:`` does so only in sheets without ``::``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from forms.workbook.lint.vocabulary import BIND_COLUMNS, GROUPED, TRANSLATED

_CONTROL_COLUMNS: Final = {
    "appearance": "appearance",
    "jr:count": "repeat_count",
    "autoplay": "autoplay",
    "rows": "rows",
}


@dataclass(frozen=True, slots=True)
class Header:
    """A header as written and what it means; ``group`` is bind, instance, body or media where it says so."""

    text: str
    column: str
    language: str = ""
    group: str = ""
    is_known: bool = True


def read_headers(header: tuple[str, ...], aliases: Mapping[str, str], known: frozenset[str]) -> tuple[Header, ...]:
    """Return what each header of a sheet means; those without a text are left out."""
    is_double = any("::" in text for text in header)
    return tuple(_read(text, aliases, known, is_double=is_double) for text in dict.fromkeys(header) if text)


def _read(text: str, aliases: Mapping[str, str], known: frozenset[str], *, is_double: bool) -> Header:
    whole = _meant(text, aliases)
    if whole in known:
        return Header(text, whole)
    first, *others = _parts(text, is_double=is_double)
    name = _meant(first, aliases)
    if name in GROUPED and others:
        return _grouped(text, "body" if name == "control" else name, others)
    if name not in known:
        return Header(text, first if others else text, "::".join(others), is_known=False)
    return Header(text, name, others[0] if others and name in TRANSLATED else "")


def _meant(text: str, aliases: Mapping[str, str]) -> str:
    words = text.split()
    snake = "_".join(words).lower()
    return aliases.get(snake, aliases.get(" ".join(words).lower(), snake))


def _parts(text: str, is_double: bool) -> list[str]:
    if is_double or "::" in text:
        return [part.strip() for part in text.split("::")]
    parts = [part.strip() for part in text.split(":")]
    if "jr" in parts[:-1]:
        at = parts.index("jr")
        parts[at : at + 2] = [f"jr:{parts[at + 1]}"]
    return parts


def _grouped(text: str, group: str, others: list[str]) -> Header:
    inner = others[0].lower()
    if group == "bind":
        column = BIND_COLUMNS.get(inner, "")
    elif group == "body":
        column = _CONTROL_COLUMNS.get(inner, "")
    else:
        column = inner if group == "media" and inner in TRANSLATED else ""
    language = others[1] if len(others) > 1 and column in TRANSLATED else ""
    return Header(text, column or f"{group}::{others[0]}", language, group)
