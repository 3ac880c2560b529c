"""How many bytes go to the socket for each byte of payload, on a link that dies every 20 s and loses 30 % of answers.

Times between cuts are exponential; forty interviews with ten photos over EDGE, several seeds; time is scaled. Compared
with the payload: sealed envelopes and media.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from benchmarks._link import EDGE
from benchmarks._sync40 import PHOTOS, scale_for
from benchmarks._sync40 import run as send

SEEDS: Final = (1, 2, 3)
EXPECTED_SECONDS: Final = 500


def run() -> Iterator[dict[str, Any]]:
    """Yield the figure."""
    link = replace(EDGE, cut_every=20, is_random=True, drop_answers=0.3, scale=scale_for(EXPECTED_SECONDS))
    sent = [send(replace(link, seed=seed), photos=PHOTOS) for seed in SEEDS]
    ratios = [one.written / one.payload for one in sent]
    yield {
        "what": "sync_lossy_bytes",
        "value": round(sum(ratios) / len(ratios), 3),
        "unit": "bytes written to the socket for each byte of payload",
        "goal": 1.15,
        "worst": round(max(ratios), 3),
        "finished": all(one.is_finished for one in sent),
        "compared_with": "sealed envelopes and media",
        "payload": sent[0].payload,
        "carried_ratio": round(sum(one.carried / one.payload for one in sent) / len(sent), 3),
        "seconds": [round(one.seconds) for one in sent],
        "cuts": [one.cuts for one in sent],
        "scale": link.scale,
    }
