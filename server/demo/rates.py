"""Exchange rates of Lamaria: units of local currency (XTS) per unit of a currency, monthly averages.

The US dollar goes from 114.0 to 125.5 XTS in the 24 months to the end of fieldwork, 0.5 a month; the same slope runs
backwards over the years before, because recruitment costs were paid up to five years ago. Three Gulf currencies are
pegged, the euro swings by 3 %, and the Lebanese pound loses half of its value in one month: only a dated table
converts it rightly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

#: Last month of the table; its dollar rate is 125.5.
LAST_YEAR, LAST_MONTH = 2026, 11
MONTHS: Final = 84

_PER_DOLLAR: Final = {
    "SAR": 3.75, "AED": 3.6725, "QAR": 3.64, "KWD": 0.3077, "MYR": 4.4444, "ZAR": 18.1818, "CAD": 1.3636,
}  # fmt: skip
_POUNDS_PER_DOLLAR: Final = 89_552.0
_POUND_FALLS: Final = "2025-11"


def month_name(day: date) -> str:
    """Return the key of a day's month, ``YYYY-MM``."""
    return f"{day.year:04d}-{day.month:02d}"


def months_back(day: date, back: int) -> str:
    """Return the key of the month that lies ``back`` months before the month of ``day``."""
    count = day.year * 12 + day.month - 1 - back
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


@dataclass(frozen=True, slots=True)
class Rates:
    """A dated table of exchange rates; ``lcu_per_unit`` by (currency, month)."""

    lcu_per_unit: Mapping[tuple[str, str], Decimal]

    def of(self, currency: str, month: str) -> float:
        """Return the rate of a currency in a month; 1 for the local currency."""
        return 1.0 if currency == "XTS" else float(self.lcu_per_unit[currency, month])

    def mean(self, currency: str, months: tuple[str, ...]) -> float:
        """Return the plain mean of a currency's rates over months."""
        return sum(self.of(currency, month) for month in months) / len(months)


def make_rates() -> Rates:
    """Make the table of rates; no chance is in it."""
    table: dict[tuple[str, str], Decimal] = {}
    last = date(LAST_YEAR, LAST_MONTH, 1)
    for back in range(MONTHS):
        month = months_back(last, back)
        dollar = 125.5 - 0.5 * back
        rates = {currency: dollar / per for currency, per in _PER_DOLLAR.items()}
        rates["USD"] = dollar
        rates["EUR"] = dollar * 1.10 * (1 + 0.03 * math.sin(2 * math.pi * back / 12))
        pound = dollar / _POUNDS_PER_DOLLAR
        rates["LBP"] = pound if month >= _POUND_FALLS else 2 * pound
        table.update({(currency, month): Decimal(f"{rate:.8f}") for currency, rate in rates.items()})
    return Rates(table)
