"""How long to wait after an interruption: exponentially longer, with jitter, and as long as the server asks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

BASE_SECONDS: Final = 2.0
CAP_SECONDS: Final = 900.0  # a quarter of an hour: a tablet in a pocket must still use a short window of coverage
LONGEST_ROW: Final = 20


class Backoff:
    """Counts interruptions in a row."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        """Take a source of numbers uniform in [0, 1): it spreads the returns of devices that one outage cut off."""
        self._jitter = jitter
        self._failures = 0

    def until(self, now: datetime, *, at_least_seconds: int = 0) -> datetime:
        """Return when to try again after one more interruption."""
        grown = min(CAP_SECONDS, BASE_SECONDS * 2**self._failures)
        self._failures = min(self._failures + 1, LONGEST_ROW)
        return now + timedelta(seconds=max(at_least_seconds, grown * (0.5 + 0.5 * self._jitter())))

    def reset(self) -> None:
        """Forget interruptions: something went well."""
        self._failures = 0
