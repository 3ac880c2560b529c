"""The nearest known word to one that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.75
_LENGTHS_APART = 4


def nearest(word: str, known: Iterable[str], alike: float = _ALIKE) -> str:
    """Return the nearest known word, empty where none is near."""
    length = len(word)
    by_folded = {one.casefold(): one for one in sorted(known) if abs(len(one) - length) <= _LENGTHS_APART}
    found = get_close_matches(word.casefold(), list(by_folded), n=1, cutoff=alike)
    return by_folded[found[0]] if found else ""


def hint(word: str, known: Iterable[str]) -> str:
    """Return “ (“nearest”?)” for a message of any language, empty where none is near."""
    near = nearest(word, known)
    return f" (“{near}”?)" if near else ""
