"""First names of Lamaria: made of syllables, so that they belong to nobody."""

from __future__ import annotations

import random

_STARTS = ("Ba", "Do", "Fe", "Ga", "Hi", "Jo", "Ka", "Le", "Ma", "No", "Pe", "Ri", "Sa", "Ti", "Vo", "Ze")
_MIDDLES = ("la", "mi", "no", "ru", "se", "ta", "ve", "zu")
_MALE_ENDS = ("k", "n", "r", "s", "to")
_FEMALE_ENDS = ("a", "e", "ia", "na", "ya")


def first_name(seed: str, *, female: bool) -> str:
    """Make a first name; the same seed gives the same name."""
    rng = random.Random(seed)  # noqa: S311 - made data, not a secret
    return rng.choice(_STARTS) + rng.choice(_MIDDLES) + rng.choice(_FEMALE_ENDS if female else _MALE_ENDS)
