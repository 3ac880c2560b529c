"""Figures for Prometheus: counters of what the processes of one machine did, and gauges of what the database says.

Counters live in files that all processes of one `passerelle serve` share (PROMETHEUS_MULTIPROC_DIR, set before this is
imported), so that any of them gives the sum. Whatever must agree between machines is asked of the database.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

EXCHANGES: Final = Counter("passerelle_exchanges", "Exchanges answered, by code: ok or a problem.", ["code"])
RECEIPTS: Final = Counter("passerelle_receipts", "Receipts given to devices, by code.", ["code"])
RECEIVED_BYTES: Final = Counter("passerelle_exchange_received_bytes", "Bytes of exchanges that came.")
JOBS: Final = Counter("passerelle_jobs", "Scheduled jobs run, by job and outcome: done or failed.", ["job", "outcome"])


@dataclass(frozen=True, slots=True)
class Gauge:
    """One gauge: its values by the value of its one label, or one value under the empty text."""

    name: str
    text: str
    values: Mapping[str, float]
    label: str = ""


class _Gauges(Collector):
    def __init__(self, gauges: Iterable[Gauge]) -> None:
        self._gauges = tuple(gauges)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for gauge in self._gauges:
            family = GaugeMetricFamily(gauge.name, gauge.text, labels=[gauge.label] if gauge.label else None)
            for value_of_label, value in gauge.values.items():
                family.add_metric([value_of_label] if gauge.label else [], value)
            yield family


def render(gauges: Iterable[Gauge]) -> bytes:
    """Return the counters of this machine and these gauges, as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Gauges(gauges))
    return generate_latest(registry) + _counters()


def _counters() -> bytes:
    if os.environ.get(DIRECTORY):
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)
    own = CollectorRegistry()
    for collector in (EXCHANGES, RECEIPTS, RECEIVED_BYTES, JOBS):
        own.register(collector)
    return generate_latest(own)
