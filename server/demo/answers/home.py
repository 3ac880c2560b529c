"""Modules G and H: housing, assets, and what the household spends."""

from __future__ import annotations

import math
import random

from server.demo.answers.values import Answers, amount, pick, rounded
from server.demo.cases import Case

#: Assets by code with the level of the logit: one in two of average wealth has an item of level 0.
_ASSETS = (
    (1, 1.5), (2, 0.3), (3, 0.2), (4, 2.0), (5, -0.8), (6, -2.0), (7, 0.4), (8, -0.9), (9, -3.0), (10, -0.6),
    (11, -1.8),
)  # fmt: skip

#: Weeks of food a month, as the questionnaire counts.
_WEEKS_A_MONTH = 30.4 / 7


def _has(rng: random.Random, level: float, wealth: float) -> bool:
    return rng.random() < 1 / (1 + math.exp(-(level + 1.1 * wealth)))


def home(case: Case, rng: random.Random) -> Answers:
    """Answer module G: every item goes with wealth."""
    wealth = case.wealth
    owned = [str(code) for code, level in _ASSETS if _has(rng, level, wealth)]
    return {
        "g_tenure": pick(rng, (("1", 55.0), ("2", 38.0), ("3", 7.0)) if case.is_urban else (("1", 85.0), ("3", 15.0))),
        "g_wall": "1" if _has(rng, 0.2, wealth) else rng.choice("23345"),
        "g_roof": "1" if _has(rng, -0.8, wealth) else rng.choice("2224"),
        "g_water": "1" if _has(rng, -0.3, wealth) else rng.choice("22334"),
        "g_toilet": "1" if _has(rng, -0.6, wealth) else rng.choice("2234"),
        "g_assets": " ".join(owned) or "0",
        "g_land": "0" if case.is_urban else amount(max(rng.lognormvariate(-0.3, 0.9), 0.05)),
        "g_account": "1" if _has(rng, 0.1, wealth) else "2",
    }


def spending(case: Case, rng: random.Random) -> Answers:
    """Answer module H so that the month comes to the reported consumption; food takes Beta(8, 7) of it."""
    food = rng.betavariate(8, 7)
    own = rng.uniform(0.0, 0.15) if case.is_urban else rng.uniform(0.1, 0.5)
    parts = [rng.gammavariate(weight, 1.0) for weight in (4.0, 3.0, 4.0, 3.0, 2.0)]
    rent, utilities, other, school, health = (
        case.consumption * (1 - food) * part / sum(parts) for part in parts
    )  # fmt: skip
    week = case.consumption * food / _WEEKS_A_MONTH
    return {
        "h_food7": amount(rounded(week * (1 - own), 10)),
        "h_own7": amount(rounded(week * own, 10)),
        "h_rent": amount(rounded(rent, 50)),
        "h_util": amount(rounded(utilities, 50)),
        "h_other": amount(rounded(other, 50)),
        "h_educ": amount(rounded(12 * school, 100)),
        "h_health": amount(rounded(12 * health, 100)),
        "h_ok": "1",
    }
