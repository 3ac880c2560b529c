"""Dated exchange rates: local currency per unit of a currency, averages of months, in decimal arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from server.statistics.design import DesignError

LOCAL: Final = "XTS"
DOLLAR: Final = "USD"
_ROUNDED_BELOW: Final = Decimal(10) ** 15
"""Decimal arithmetic cannot write a larger sum to the millionth, nor does a float hold one."""


def month_of(day: date) -> str:
    """Return the month of a day, ``YYYY-MM``."""
    return f"{day.year:04d}-{day.month:02d}"


def last_occurrences(numbers: Sequence[int], day: date) -> tuple[str, ...]:
    """Return the months with these numbers among the twelve that end before the month of ``day``.

    The month of the interview is not over; its name on the calendar card means that of the year before.
    """
    return tuple(f"{day.year - (number >= day.month):04d}-{number:02d}" for number in numbers if 1 <= number <= 12)


class Rates:
    """A table of rates; months outside it take the nearest month that it has, and are counted.

    Args:
        lcu_per_unit: by currency and month ``YYYY-MM``.
        local: code of the local currency, whose rate is 1.

    Raises:
        DesignError: ``no-rates`` without any rate of the US dollar.
    """

    def __init__(self, lcu_per_unit: Mapping[tuple[str, str], Decimal], local: str = LOCAL) -> None:
        self.local = local
        self._rate = dict(lcu_per_unit)
        self._months: dict[str, list[str]] = {}
        for currency, month in sorted(self._rate):
            self._months.setdefault(currency, []).append(month)
        if DOLLAR not in self._months:
            raise DesignError("no-rates", "the table of exchange rates has no rate of the US dollar")
        self.outside = 0

    def knows(self, currency: str) -> bool:
        """Whether amounts in a currency can be converted."""
        return currency == self.local or currency in self._months

    def of(self, currency: str, month: str) -> Decimal:
        """Return local units per unit of a currency in a month."""
        if currency == self.local:
            return Decimal(1)
        found = self._rate.get((currency, month))
        if found is None:
            self.outside += 1
            known = self._months[currency]
            nearest = min(known, key=lambda one: (abs(_count(one) - _count(month)), one))
            found = self._rate[currency, nearest]
        return found

    def mean(self, currency: str, months: Sequence[str]) -> Decimal:
        """Return the plain mean of a currency's rates over months."""
        return sum((self.of(currency, month) for month in months), Decimal(0)) / len(months)

    def dollars(self, amount: Decimal, currency: str, months: Sequence[str]) -> float:
        """Convert an amount to USD by the mean rates of months; rounded to a millionth."""
        usd = amount * self.mean(currency, months) / self.mean(DOLLAR, months)
        return float(round(usd, 6)) if abs(usd) < _ROUNDED_BELOW else float(usd)


def _count(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:])
