"""Six hundred tablets at once, each with forty interviews and two photos of 200 kB, at link speed through the front.

Every tablet sends at 60 kbit/s from the same second on, fifty from one address: one exchange, then the photos in parts
that double from 16 KiB.
The opening worker runs beside the server. Compared with the airtime that one tablet alone would need.
"""

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256, shake_256
from pathlib import Path
from typing import Any, Final

from benchmarks._front import fronted
from benchmarks._load import BATCH, Office, make_office, prepare, serving, signed
from benchmarks._processes import peak_rss_mb
from server.blobs import Blobs
from server.config import Config
from server.context import Context
from server.db.queries import envelopes
from sync_protocol import messages, signatures
from sync_protocol.constants import FIRST_PART_BYTES
from sync_protocol.signatures import Place

TABLETS: Final = int(os.environ.get("BENCH_TABLETS") or 600)
A_SITE: Final = 50
PHOTOS: Final = 2
PHOTO_BYTES: Final = 200_000
BYTES_PER_SECOND: Final = 7_500
TICK_SECONDS: Final = 0.25
OPEN_FILES: Final = 16_384


@dataclass(slots=True)
class Tablet:
    """One tablet: what it sends, and what it was told."""

    number: int
    device_id: str
    signer: Any
    exchange: tuple[bytes, dict[str, str]]
    receipts: int = 0
    whole: int = 0
    waits: list[float] = field(default_factory=list)
    error: str = ""

    def photo(self, number: int) -> bytes:
        """Return the ciphertext of a photo, the same whenever it is asked for."""
        return shake_256(f"{self.number} {number}".encode()).digest(PHOTO_BYTES)


def run() -> Iterator[dict[str, Any]]:
    """Yield the figure."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, OPEN_FILES), hard), hard))
    with tempfile.TemporaryDirectory() as folder:
        config = Config.in_directory(Path(folder) / "office")
        config.data_dir.mkdir()
        office = make_office(config, TABLETS)
        with serving(config, has_worker=True) as served:
            tablets = _tablets(office, served.port)
            with fronted(served.port, Path(folder)) as port:
                begun = time.monotonic()
                asyncio.run(_all(tablets, port))
                seconds = time.monotonic() - begun
            rss = peak_rss_mb(served.pids)
        kept = _kept(config, tablets)
    least = (sum(len(tablet.exchange[0]) for tablet in tablets) / TABLETS + PHOTOS * PHOTO_BYTES) / BYTES_PER_SECOND
    waits = sorted(wait for tablet in tablets for wait in tablet.waits)
    yield {
        "what": "burst_600",
        "value": round(seconds, 1),
        "unit": "s until the last tablet was done",
        "tablets": TABLETS,
        "interviews": TABLETS * (BATCH - 1),
        "photos": TABLETS * PHOTOS,
        "receipts": sum(tablet.receipts for tablet in tablets),
        "whole_photos": sum(tablet.whole for tablet in tablets),
        "failed": sum(bool(tablet.error) for tablet in tablets),
        "first_failure": next((tablet.error for tablet in tablets if tablet.error), ""),
        **kept,
        "answer_p50_ms": round(waits[len(waits) // 2] * 1000),
        "answer_p99_ms": round(waits[len(waits) * 99 // 100] * 1000),
        "peak_rss_mb": rss,
        "compared_with": "the airtime of one tablet alone",
        "least": round(least, 1),
        "ratio": round(seconds / least, 2),
    }


def _tablets(office: Office, port: int) -> list[Tablet]:
    return [
        Tablet(
            number,
            share.device_id,
            share.signer,
            signed(share.device_id, share.signer, counter=2, since=share.cursor, frames=share.exchanges[0]),
        )
        for number, share in enumerate(prepare(port, office, 1))
    ]


async def _all(tablets: list[Tablet], port: int) -> None:
    await asyncio.gather(*(_sync(tablet, port) for tablet in tablets))


async def _sync(tablet: Tablet, port: int) -> None:
    try:
        site = f"127.0.0.{2 + tablet.number // A_SITE}"  # the front limits what one address has under way
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(site, 0))
        body, headers = tablet.exchange
        status, told = await _request(tablet, reader, writer, messages.PATH_EXCHANGE, headers, body)
        if status != 200:
            raise RuntimeError(f"exchange: {status} {told[:120]!r}")
        tablet.receipts = len(messages.decode_answer(told).receipts)
        for number in range(PHOTOS):
            await _send_photo(tablet, reader, writer, tablet.photo(number))
        writer.close()
    except (OSError, RuntimeError, asyncio.IncompleteReadError) as error:
        tablet.error = f"{type(error).__name__}: {error}"


async def _send_photo(tablet: Tablet, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, photo: bytes) -> None:
    path = messages.PATH_MEDIA + sha256(photo).hexdigest()
    offset, size = 0, FIRST_PART_BYTES
    while offset < len(photo):
        part = photo[offset : offset + size]
        headers = signatures.sign_request(
            "POST", path, part, device_id=tablet.device_id, key=tablet.signer, place=Place(offset, len(photo))
        )
        headers["Content-Type"] = messages.MEDIA_TYPE_PART
        status, told = await _request(tablet, reader, writer, path, headers, part)
        if status not in (200, 201):
            raise RuntimeError(f"part: {status} {told[:120]!r}")
        offset, size = offset + len(part), size * 2
    tablet.whole += 1


async def _request(
    tablet: Tablet,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    headers: dict[str, str],
    body: bytes,
) -> tuple[int, bytes]:
    """Send a request no faster than the link; return status and body, and note how long the answer took."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join((*lines, "", "")).encode())
    step = int(BYTES_PER_SECOND * TICK_SECONDS)
    due = time.monotonic()
    for start in range(0, len(body), step):
        writer.write(body[start : start + step])
        await writer.drain()
        due += TICK_SECONDS
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    begun = time.monotonic()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    lengths = [line.partition(":")[2] for line in head if line.lower().startswith("content-length:")]
    told = await reader.readexactly(int(lengths[0]))
    tablet.waits.append(time.monotonic() - begun)
    return int(head[0].split()[1]), told


def _kept(config: Config, tablets: list[Tablet]) -> dict[str, int]:
    """Count what is on the server's disk of what was receipted."""
    context = Context.open(config)
    with context.database.read() as session:
        stored = sum(envelopes.count_by_state(session).values())
    context.close()
    blobs = Blobs(config.blobs_dir)
    names = [sha256(tablet.photo(number)).digest() for tablet in tablets for number in range(PHOTOS)]
    return {"stored": stored, "blobs": sum(map(blobs.has, names))}
