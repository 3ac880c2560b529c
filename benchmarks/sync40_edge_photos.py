"""Forty interviews with ten photos of 200 kB in three of them over EDGE, cut every minute; time is scaled.

Compared with the least possible airtime: the sealed bytes at the rate of the link, and one journey for each of three
requests that even a perfect protocol needs.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from benchmarks._link import EDGE
from benchmarks._sync40 import PHOTOS, scale_for
from benchmarks._sync40 import run as send

JOURNEYS: Final = 3
EXPECTED_SECONDS: Final = 300


def run() -> Iterator[dict[str, Any]]:
    """Yield the figure."""
    link = replace(EDGE, scale=scale_for(EXPECTED_SECONDS))
    sent = send(link, photos=PHOTOS)
    least = sent.payload / link.up + JOURNEYS * link.rtt
    yield {
        "what": "sync40_edge_photos",
        "value": round(sent.seconds, 1),
        "unit": "s of link time",
        "finished": sent.is_finished,
        "compared_with": "the least possible airtime of these bytes",
        "least": round(least, 1),
        "ratio": round(sent.seconds / least, 3),
        "goal_ratio": 1.2,
        "exchanges": sent.exchanges,
        "parts": sum(report.parts for report in sent.reports),
        "media": sum(report.media for report in sent.reports),
        "cuts": sent.cuts,
        "sealed_bytes": sent.payload,
        "bytes_up": sent.written,
        "scale": link.scale,
    }
