"""Forty interviews with ten photos over GPRS, 20 kbit/s up and cut every minute: does it finish? Time is scaled."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from benchmarks._link import GPRS
from benchmarks._sync40 import PHOTOS, scale_for
from benchmarks._sync40 import run as send

JOURNEYS: Final = 3
EXPECTED_SECONDS: Final = 900


def run() -> Iterator[dict[str, Any]]:
    """Yield the figures, without photos and with them."""
    for photos, expected in ((0, 30), (PHOTOS, EXPECTED_SECONDS)):
        link = replace(GPRS, scale=scale_for(expected))
        sent = send(link, photos=photos)
        least = sent.payload / link.up + JOURNEYS * link.rtt
        yield {
            "what": "sync40_gprs",
            "photos": photos,
            "value": round(sent.seconds, 1),
            "unit": "s of link time",
            "finished": sent.is_finished,
            "compared_with": "the least possible airtime of these bytes",
            "least": round(least, 1),
            "ratio": round(sent.seconds / least, 3),
            "exchanges": sent.exchanges,
            "cuts": sent.cuts,
            "sealed_bytes": sent.payload,
            "bytes_up": sent.written,
            "scale": link.scale,
        }
