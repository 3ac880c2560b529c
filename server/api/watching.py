"""How the state of the server is told to programs, and the line of each exchange."""

import time
from collections import Counter
from collections.abc import Sequence

from flask import Response, g, request

from server import logs, metrics
from server.metrics import Gauge
from server.services.alarms import WORDS, Status
from sync_protocol.messages import PATH_EXCHANGE, Receipt


def gauges(status: Status) -> list[Gauge]:
    """Return what the database says, as gauges."""
    figures = status.figures
    raised = {alarm.code for alarm in status.alarms}
    found = [
        Gauge("passerelle_envelopes", "Envelopes by state.", figures.envelopes, "state"),
        _one(
            "passerelle_backlog_age_seconds", "Age of the first unopened envelope.", status.backlog_age.total_seconds()
        ),
        _one("passerelle_media_bytes", "Bytes of sealed media that are here.", figures.media_bytes),
        _one("passerelle_devices", "Devices enrolled and in use.", figures.devices),
        _one("passerelle_devices_seen_today", "Of them, seen since midnight UTC.", figures.devices_seen),
        _one("passerelle_devices_silent", "Of them, not heard of for a week.", len(figures.silent)),
        _one("passerelle_disk_free_bytes", "Free on the disk of the data.", status.free_bytes),
        Gauge("passerelle_job_failures", "Failures in a row.", {j.name: j.failures for j in figures.jobs}, "job"),
        Gauge("passerelle_alarm", "1 where the alarm is raised.", {c: float(c in raised) for c in WORDS["en"]}, "code"),
    ]
    if status.backup_age is not None and figures.backup is not None:
        found.append(
            _one("passerelle_backup_age_seconds", "Age of the last backup.", status.backup_age.total_seconds())
        )
        found.append(_one("passerelle_backup_sequence", "It has every envelope up to this.", figures.backup.sequence))
    return found


def begin() -> None:
    """Note when an exchange began."""
    if request.path == PATH_EXCHANGE:
        g.exchange_began = time.monotonic()


def stored(receipts: Sequence[Receipt]) -> None:
    """Note what was committed."""
    g.exchange_receipts = Counter(receipt.code.name.lower() for receipt in receipts)


def told(response: Response) -> Response:
    """Count an exchange that is answered, and write its line: who, how much, which codes."""
    if request.path != PATH_EXCHANGE or request.method != "POST":
        return response
    code = g.get("problem", "ok" if response.status_code < 400 else "refused")
    receipts: Counter[str] = g.get("exchange_receipts", Counter())
    metrics.EXCHANGES.labels(code).inc()
    for name, number in receipts.items():
        metrics.RECEIPTS.labels(name).inc(number)
    received_bytes = len(g.body) if "body" in g else 0
    metrics.RECEIVED_BYTES.inc(received_bytes)
    logs.event(
        "exchange",
        device=_named(),
        code=code,
        receipts=receipts,
        received_bytes=received_bytes,
        answered_bytes=response.content_length or 0,
        seconds=time.monotonic() - g.get("exchange_began", time.monotonic()),
    )
    return response


def _named() -> str | None:
    """Return the device that has signed the request, None where none has: anybody can name one."""
    found: str | None = g.get("verified_device")
    return found


def _one(name: str, text: str, value: float) -> Gauge:
    return Gauge(name, text, {"": value})
