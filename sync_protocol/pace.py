"""How much to send at once over a link that is cut now and then.

Sizes double while nothing is cut and each takes a moment: a good link is soon used in full. A size that takes longer,
or the first cut, shows what may be too much; from there a size doubles only after `PATIENCE` whole ones in a row. So
about one in `PATIENCE` is cut; doubling after every success would have half of them cut. Where the beginning of what
is cut is kept, a cut costs no more for a larger size, and a moment may be longer.
"""

from dataclasses import dataclass
from typing import Final

from sync_protocol.constants import FIRST_PART_BYTES, PART_BYTES

PATIENCE: Final = 8
MOMENT_SECONDS: Final = 3.0
PART_MOMENT_SECONDS: Final = 10.0  # on EDGE with a cut a minute that is 64 KiB, which measured best
KEPT_SECONDS: Final = 30.0
SMALLEST_PART_BYTES: Final = 4 << 10  # headers of a part take 0.7 kB


@dataclass(slots=True)
class Pace:
    """A size in bytes that grows when what was sent arrived, and shrinks when it was cut.

    Attributes:
        size: to send next.
        smallest, largest: its bounds.
        moment_seconds: what may double at once takes no longer.
    """

    size: int
    smallest: int
    largest: int
    moment_seconds: float = MOMENT_SECONDS
    _known: int | None = None
    _in_a_row: int = 0
    _is_kept: bool = False

    def whole(self, sent: int, seconds: float = 0.0) -> None:
        """Learn that so many bytes arrived at once in so many seconds; much less than `size` says nothing of more."""
        if sent * 2 < self.size:
            return
        if self._known is None and seconds > self.moment_seconds:
            self._known = self.size
        self._in_a_row += 1
        is_proven = self._known is None or self.size < self._known or self._in_a_row >= PATIENCE
        if is_proven:
            self._in_a_row = 0
            self.size = min(max(self.size, sent) * 2, self.largest)

    def cut(self, sent: int) -> None:
        """Learn that so many bytes were lost in a cut."""
        if self._is_kept:  # cut before it had begun; a second time in a row, beginnings are no longer kept
            self._is_kept = False
            return
        self._in_a_row = 0
        self.size = max(self.smallest, min(self.size, max(sent, self.smallest)) // 2)
        self._known = self.size

    def kept(self) -> None:
        """Learn that the beginning of what was cut is kept."""
        self._is_kept = True
        if self.moment_seconds < KEPT_SECONDS:
            self.moment_seconds, self._known = KEPT_SECONDS, None

    def limit(self, largest: int) -> None:
        """Keep below what the other side takes."""
        self.largest = max(self.smallest, min(self.largest, largest))
        self.size = min(self.size, self.largest)


def part_pace() -> Pace:
    """Return the pace of parts of media."""
    return Pace(
        size=FIRST_PART_BYTES, smallest=SMALLEST_PART_BYTES, largest=PART_BYTES, moment_seconds=PART_MOMENT_SECONDS
    )
