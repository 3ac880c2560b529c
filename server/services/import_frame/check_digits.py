"""Check digits of household keys: ISO 7064 MOD 97-10 in its numeric form.

The last two digits make the whole number leave 1 when divided by 97: one wrong digit, or two swapped neighbours, never
pass.
"""

import re
from typing import Final

_KEY: Final = re.compile(r"[0-9]{4,20}", re.ASCII)


def has_valid_check_digits(household_key: str) -> bool:
    """Tell whether a key is digits whose number modulo 97 is 1."""
    return _KEY.fullmatch(household_key) is not None and int(household_key) % 97 == 1


def with_check_digits(number: str) -> str:
    """Append the check digits to a number, e.g. ``072031112`` → ``07203111264``.

    Raises:
        ValueError: when it is not 2 to 18 digits.
    """
    if not re.fullmatch(r"[0-9]{2,18}", number, re.ASCII):
        raise ValueError("a household number has 2 to 18 digits")
    return f"{number}{(1 - 100 * int(number)) % 97:02d}"
