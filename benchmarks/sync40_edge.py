"""Forty interviews without photos over EDGE: 60 kbit/s up, 0.6 s there and back, cut every minute, in real time.

Compared with what the same link needs at the least: the sealed bytes at its rate, one journey to connect and one for
the answer; and with the forty instances in one stream of xz.
"""

from collections.abc import Iterator
from typing import Any, Final

from benchmarks._link import EDGE
from benchmarks._sync40 import run as send

JOURNEYS: Final = 2


def run() -> Iterator[dict[str, Any]]:
    """Yield the figure."""
    sent = send(EDGE, checks=True)
    least = sent.payload / EDGE.up + JOURNEYS * EDGE.rtt
    yield {
        "what": "sync40_edge",
        "value": round(sent.seconds, 1),
        "unit": "s of link time",
        "goal": 10,
        "finished": sent.is_finished,
        "exchanges": sent.exchanges,
        "bytes_up": sent.written,
        "goal_bytes_up": 40_000,
        "sealed_bytes": sent.payload,
        "compared_with": "the least possible airtime of these bytes",
        "least": round(least, 1),
        "ratio": round(sent.seconds / least, 2),
        "xml_bytes": sent.xml_bytes,
        "xz_bytes": sent.xz_bytes,
        "ratio_to_xz": round(sent.written / sent.xz_bytes, 2),
        "goal_ratio_to_xz": 3,
        "collect_finds_nothing_in": sent.checked,
        "stored": sent.stored,
    }
