"""The same household told to each version of the questionnaire: what is so does not change, only how it is asked.

Answers are made in the words of version 1 and put into those of the version on the tablet. What a later version asks
more closely (whose mobile money, which small spending) is drawn by generators of its own, so that no version moves
another answer of the household.
"""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from typing import Final

from server.demo.answers.values import Answers

VERSIONS: Final = (1, 2, 3)
NEWEST: Final = VERSIONS[-1]

#: Of members besides the head: whoever answers does not know the level. Version 3 offers no “does not know”: most are
#: probed to the level that is so, some refuse.
_DOUBTED: Final = 0.006
_REFUSE_WHEN_PROBED: Final = 0.3

_MOBILE: Final = "4"
_SAME_COUNTRY: Final = 0.4
#: Whoever came back so many days ago or earlier is no returnee of version 3 (three years and the month's slack).
_RETURN_DAYS: Final = 1130
_LOCAL_UNITS_A_HECTARE: Final = 4
_STEP: Final = 50


def told_in(version: int, answers: Answers, *, seed: str) -> Answers:
    """Put answers into the words of a version.

    Args:
        version: 1, 2 or 3.
        answers: of the whole interview, as version 1 asks.
        seed: of the household and the survey; what is drawn hangs on it alone.
    """
    told = dict(answers)
    if "member" in told:
        told["member"] = _educated(version, _rows(told, "member"), _generator(seed, "education"))
    if version >= 2:
        _split(told, seed)
    if version >= 3:
        _rename(told)
    return told


def _generator(seed: str, purpose: str) -> random.Random:
    return random.Random(f"{seed} {purpose}")  # noqa: S311 - made data, not a secret


def _rows(answers: Answers, name: str) -> list[Answers]:
    rows = answers.get(name, [])
    return [] if isinstance(rows, str) else rows


def _educated(version: int, members: list[Answers], rng: random.Random) -> list[Answers]:
    """Doubt some levels of education: “does not know” (97) up to version 2, afterwards some refuse (98)."""
    told = members[:1]
    for member in members[1:]:
        doubted, refuses = rng.random() < _DOUBTED, rng.random() < _REFUSE_WHEN_PROBED
        code = "" if not doubted else "97" if version < 3 else "98" if refuses else ""
        told.append(member | {"c_educ": code} if code and "c_educ" in member else member)
    return told


def _split(told: Answers, seed: str) -> None:
    """Say whose mobile money it was, and how much of the small spending was transport (version 2)."""
    rng = _generator(seed, "mobile money")
    if "sender" in told:
        told["sender"] = [_mobile(sender, rng) for sender in _rows(told, "sender")]
    other = told.pop("h_other", None)
    if isinstance(other, str):
        share = _generator(seed, "transport").uniform(0.3, 0.6)
        transport = Decimal(_STEP * int(Decimal(other) * Decimal(share) / _STEP))
        told |= {"h_transport": str(transport), "h_small": str(Decimal(other) - transport)}


def _mobile(sender: Answers, rng: random.Random) -> Answers:
    told = dict(sender)
    for name in ("f_chan1", "f_chan2"):
        code = "41" if rng.random() < _SAME_COUNTRY else "42"
        if told.get(name) == _MOBILE:
            told[name] = code
    return told


def _rename(told: Answers) -> None:
    """Use the names and units of version 3, and its three years of return."""
    if "worker" in told:
        told["worker"] = [
            {"e_found" if name == "e_path" else name: value for name, value in worker.items()}
            for worker in _rows(told, "worker")
        ]
    hectares = told.pop("g_land", None)
    if isinstance(hectares, str):
        told["g_land_lu"] = str(Decimal(hectares) * _LOCAL_UNITS_A_HECTARE)
    if "member" in told:
        interviewed = date.fromisoformat(str(told["int_date"]))
        told["member"] = [_returned(member, interviewed) for member in _rows(told, "member")]


def _returned(member: Answers, interviewed: date) -> Answers:
    back = member.get("c_ret_back")
    if not isinstance(back, str) or (interviewed - date.fromisoformat(back)).days < _RETURN_DAYS:
        return member
    return {name: value for name, value in member.items() if not name.startswith("c_ret_")} | {"c_ret": "2"}
