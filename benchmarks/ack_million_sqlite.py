"""The memory of a server over a million envelopes (BENCH_ENVELOPES for another number): is it flat?

The envelopes are one interview with other instanceIDs: a server that acknowledges does not verify them. No worker runs.
Compared with its own memory after the first tenth.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks._load import Office, frames_of, make_office, post, serving, signed
from benchmarks._processes import peak_rss_mb, rss_mb
from server.config import Config
from sync_protocol import messages

CONNECTIONS: Final = 4
BATCH: Final = 200
ENVELOPES: Final = 1_000_000
BODY: Final = b"PSRL\x01\x01\x02\x00" + bytes(32 + 4 + 8 + 32)
REST: Final = bytes(96) + os.urandom(650) + bytes(64)


@dataclass
class _Sender:
    port: int
    device: tuple[str, Ed25519PrivateKey, bytes]
    sent: int = 0
    error: str = ""

    def run(self, exchanges: int) -> None:
        """Send so many exchanges."""
        device_id, signer, _ = self.device
        connection, since = HTTPConnection("127.0.0.1", self.port, timeout=60), None
        for counter in range(1, exchanges + 1):
            frames = frames_of([BODY + os.urandom(16) + REST for _ in range(BATCH)])
            body, headers = signed(device_id, signer, counter=counter, since=since, frames=frames)
            try:
                told = post(connection, body, headers)
            except (OSError, RuntimeError) as error:
                self.error = str(error) or type(error).__name__
                return
            since = messages.decode_answer(told).cursor
            self.sent += BATCH


def run() -> Iterator[dict[str, Any]]:
    """Yield the figure."""
    total = int(os.environ.get("BENCH_ENVELOPES") or ENVELOPES)
    with tempfile.TemporaryDirectory() as folder:
        config = Config.in_directory(Path(folder))
        office = make_office(config, CONNECTIONS)
        with serving(config, has_worker=False) as served:
            begun = time.monotonic()
            senders, first_tenth = _send(served.port, served.pids, office, total)
            seconds = time.monotonic() - begun
            last, peak = rss_mb(served.pids), peak_rss_mb(served.pids)
    yield {
        "what": "ack_million_sqlite",
        "value": peak,
        "unit": "MB at the peak",
        "goal": 300,
        "envelopes": sum(sender.sent for sender in senders),
        "failed": [sender.error for sender in senders if sender.error],
        "compared_with": "its memory after a tenth of them",
        "after_a_tenth_mb": first_tenth,
        "at_the_end_mb": last,
        "ratio": round(last / first_tenth, 2),
        "per_second": round(total / seconds),
    }


def _send(port: int, pids: tuple[int, ...], office: Office, total: int) -> tuple[list[_Sender], int]:
    senders = [_Sender(port, device) for device in office.devices]
    threads = [Thread(target=sender.run, args=(total // BATCH // CONNECTIONS,)) for sender in senders]
    for thread in threads:
        thread.start()
    first_tenth = 0
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        if not first_tenth and sum(sender.sent for sender in senders) >= total // 10:
            first_tenth = rss_mb(pids)
    return senders, first_tenth or rss_mb(pids)
