r"""Regular expressions of forms, bounded in time: one that goes back and forth for ever is a pattern nobody can judge.

Form authors write Java's patterns. ``regex`` reads nearly all of them (possessive quantifiers, ``\p{L}``) and, unlike
the standard library, can be told to stop.
"""

import re
from functools import lru_cache
from typing import Final

import regex

from forms.xpath.nodes import Tree, Unevaluable
from forms.xpath.values import Value, to_text

SECONDS: Final = 0.05
STEPS: Final = 200_000
"""What a match that was stopped counts in the budget of an interview: ten of them end it."""
MAX_PATTERN: Final = 2_000
MAX_COPIES: Final = 20_000
"""Counted repetitions inside one another multiply; each is a copy of its part in memory."""

_COUNTED: Final = re.compile(r"\{(\d*)(?:,(\d*))?\}").finditer
_OPEN_END: Final = re.compile(r"[*+]|,\}").findall
_REPEATED_PART: Final = re.compile(r"\)[*+{?]|\\\d").search
_SHORT: Final = 200


def matches(tree: Tree, text: Value, pattern: Value) -> bool:
    """Say whether a whole text matches a pattern; no text matches what is not a pattern.

    Raises:
        Unevaluable: ``pattern`` where that takes too long, or the pattern is too large.
    """
    written, subject = to_text(pattern), to_text(text)
    compiled, is_plain = _pattern(written)
    if compiled is None:
        return False
    if is_plain and len(subject) <= _SHORT:
        return compiled.fullmatch(subject) is not None
    try:
        return compiled.fullmatch(subject, timeout=SECONDS) is not None
    except TimeoutError:
        tree.spend(STEPS)
        raise Unevaluable("pattern") from None


@lru_cache(maxsize=512)
def _pattern(pattern: str) -> tuple[regex.Pattern[str] | None, bool]:
    """Compile a pattern; the flag says that a short text is soon done: two open ends, none in another."""
    copies = 1
    for counted in _COUNTED(pattern):
        copies *= max(int((counted.group(2) or counted.group(1) or "1")[:6]), 1)
    if len(pattern) > MAX_PATTERN or copies > MAX_COPIES:
        raise Unevaluable("pattern")
    try:
        # \d and \w mean ASCII in Java; \p{L} means all letters, for which the flag must be away.
        flags = 0 if "\\p" in pattern or "\\P" in pattern else regex.ASCII
        compiled = regex.compile(pattern, flags | regex.VERSION0)
    except (regex.error, RecursionError, OverflowError, ValueError, MemoryError):
        return None, True
    return compiled, _REPEATED_PART(pattern) is None and len(_OPEN_END(pattern)) <= 2
