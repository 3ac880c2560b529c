"""How fast a device may ask for nothing, in this process: a bucket of tokens for each device.

Only exchanges that bring nothing and ask after nothing take a token. A device that has something to deliver is never
turned away here: what it may bring in a day is its quota's to say.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

BURST: Final = 60.0
"""As many exchanges a new device may need to be told everything."""
SECONDS_EACH: Final = 2.0
REMEMBERED: Final = 10_000


class Pace:
    """Who asked how often lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._asked: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, device_id: str) -> int:
        """Take a token of a device; return 0, or how long to wait when there is none."""
        now = self._clock()
        with self._guard:
            tokens, at = self._asked.get(device_id, (BURST, now))
            tokens = min(BURST, tokens + (now - at) / SECONDS_EACH)
            if tokens < 1:
                return math.ceil((1 - tokens) * SECONDS_EACH)
            self._asked[device_id] = (tokens - 1, now)
            self._asked.move_to_end(device_id)
            if len(self._asked) > REMEMBERED:
                self._asked.popitem(last=False)
            return 0
