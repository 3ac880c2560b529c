"""What may go wrong in the simulator, how often, and the draws of one seed."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """One thing that goes wrong."""

    NOT_CONNECTED = "not connected"
    REQUEST_LOST = "request lost"
    REQUEST_TORN = "request cut at a byte"
    REQUEST_ALTERED = "request altered at a byte"
    REQUEST_REPEATED = "request repeated"
    REQUEST_LATE = "request overtaken by later ones"
    ANSWER_LOST = "answer lost"
    ANSWER_TORN = "answer cut at a byte"
    ANSWER_ALTERED = "answer altered at a byte"
    ANSWER_LATE = "answer after the device had given up"
    ANSWER_OF_ANOTHER = "answer to another request"
    PROXY_PAGE = "a proxy's page for an answer"
    SERVER_DIED_BEFORE_COMMIT = "server died before its commit"
    SERVER_DIED_AFTER_COMMIT = "server died between commit and answer"
    SERVER_DISK_FULL = "server's disk full"
    SERVER_RESTARTED = "server restarted"
    SERVER_RESTORED = "server restored from a backup"
    TABLET_DIED = "tablet died between two writes"
    TABLET_DISK_FULL = "tablet's disk full"
    TABLET_RESTORED = "tablet put back to an older copy"
    CLOCK_JUMPED = "tablet's clock jumped"
    REVOKED = "device revoked"
    ERASED = "interview erased for ever"
    NEWER_TABLET = "request of a newer version"
    OLDER_TABLET = "request of an older version"
    NEWER_SERVER = "answer of a newer version"
    COURIER = "envelopes delivered by another device"
    FLIPPED = "envelope with a flipped byte"
    POISONED = "envelope that nobody can read"


ON_THE_WAY: Final = (
    (Fault.NOT_CONNECTED, 20),
    (Fault.REQUEST_LOST, 30),
    (Fault.REQUEST_TORN, 30),
    (Fault.REQUEST_ALTERED, 10),
    (Fault.REQUEST_REPEATED, 30),
    (Fault.REQUEST_LATE, 30),
    (Fault.ANSWER_LOST, 40),
    (Fault.ANSWER_TORN, 30),
    (Fault.ANSWER_ALTERED, 20),
    (Fault.ANSWER_LATE, 20),
    (Fault.ANSWER_OF_ANOTHER, 25),
    (Fault.PROXY_PAGE, 10),
    (Fault.SERVER_DIED_BEFORE_COMMIT, 8),
    (Fault.SERVER_DIED_AFTER_COMMIT, 8),
    (Fault.SERVER_DISK_FULL, 15),
)
"""What happens to one request, in thousandths; at most one of them."""


@dataclass(slots=True)
class Chance:
    """All draws of a seed, and how often each fault was made. A calm world draws no fault."""

    seed: int
    is_calm: bool = False
    made: Counter[Fault] = field(default_factory=Counter)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def on_the_way(self) -> Fault | None:
        """Draw what happens to a request."""
        drawn = self.rng.randrange(1000)
        for fault, weight in ON_THE_WAY:
            drawn -= weight
            if drawn < 0:
                return self.count(fault)
        return None

    def happens(self, fault: Fault, thousandths: float) -> bool:
        """Draw whether a fault happens."""
        if self.rng.random() * 1000 >= thousandths or self.is_calm:
            return False
        self.count(fault)
        return True

    def count(self, fault: Fault) -> Fault | None:
        """Count a fault that is made, unless the world is calm."""
        if self.is_calm:
            return None
        self.made[fault] += 1
        return fault

    def seconds(self, least: float, most: float) -> float:
        """Draw a time."""
        return self.rng.uniform(least, most)

    def place(self, length: int) -> int:
        """Draw a place in so many bytes, always by one draw: lengths differ by some bytes from run to run."""
        return int(self.rng.random() * length)


@dataclass(slots=True)
class Clock:
    """Virtual time, in seconds since the start."""

    start: datetime
    seconds: float = 0.0

    def now(self) -> datetime:
        """Return the time of the office, which is right."""
        return self.start + timedelta(seconds=self.seconds)
