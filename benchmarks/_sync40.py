"""Forty interviews of the made country, sent by the reference device to a real server over a bad link."""

import hashlib
import lzma
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks import _made
from benchmarks._link import Link, LinkProxy
from benchmarks._processes import serving
from forms.filling import Filled
from forms.instance import instance_id_bytes
from forms.library import workbook
from server.config import Config
from server.context import Context
from server.keystore import KeyStore
from server.migrations import upgrade
from server.services import enrol_device, publish_form
from sync_protocol.client.device import Device
from sync_protocol.client.report import SyncReport
from sync_protocol.client.transport import HttpTransport
from sync_protocol.enrolment import EnrolmentLink
from sync_protocol.messages import PATH_HELLO
from sync_protocol.plaintext import Medium

PHOTOS: Final = 10
PHOTO_BYTES: Final = 200_000
IN_INTERVIEWS: Final = 3
TRIES: Final = 60
UNLIMITED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one run showed; seconds are of link time.

    Attributes:
        reports: one for each time that the enumerator pressed the button.
        payload: bytes of sealed envelopes and media.
        written: what the device's socket took.
        carried: what the link carried up.
        xml_bytes, xz_bytes: of the forty instances; compressed by xz in one stream.
        checked: how many ODK Collect's engine found nothing wrong with; None where it is not here.
    """

    seconds: float
    reports: tuple[SyncReport, ...]
    payload: int
    written: int
    carried: int
    cuts: int
    xml_bytes: int
    xz_bytes: int
    checked: int | None
    stored: int

    @property
    def is_finished(self) -> bool:
        """Everything is receipted and whole."""
        return self.reports[-1].outcome == "synced" and self.reports[-1].waiting == 0

    @property
    def exchanges(self) -> int:
        """Of all synchronisations together."""
        return sum(report.exchanges for report in self.reports)


def run(link: Link, *, photos: int = 0, checks: bool = False) -> Sent:
    """Send the forty interviews, with some photos in the first three of them."""
    with TemporaryDirectory() as folder:
        config = Config.in_directory(Path(folder) / "office")
        context, link_to, xform = _office(config)
        environ = {"PASSERELLE_DATA": str(config.data_dir), "PASSERELLE_DATABASE_URL": config.database_url}
        with serving("server.cli", ["serve", "--no-worker"], environ, path=PATH_HELLO) as served:
            direct = HttpTransport(f"http://127.0.0.1:{served.port}")
            with Device.create(Path(folder) / "tablet") as device:
                device.enrol(EnrolmentLink(f"http://127.0.0.1:{served.port}", link_to, context.keystore.root_key))
                device.sync(direct, datetime.now(UTC))  # forms and files, as before any fieldwork
                filled = _seal(device, photos)
                payload = _payload(device)
                checked = _made.checked_by_collect(xform, filled, Path(folder)) if checks else None
                sent = _send(device, link, served.port)
        with context.database.read() as session:
            stored = _stored(session)
        context.close()
    xml = b"".join(one.xml for one in filled)
    return Sent(
        **sent,
        payload=payload,
        xml_bytes=len(xml),
        xz_bytes=len(lzma.compress(xml, preset=9 | lzma.PRESET_EXTREME)),
        checked=checked,
        stored=stored,
    )


def _send(device: Device, link: Link, port: int) -> dict[str, Any]:
    with LinkProxy(link, port) as proxy:

        def clock() -> float:
            return time.monotonic() * link.scale

        transport = HttpTransport(f"http://127.0.0.1:{proxy.port}", clock=clock)
        proxy.restart_clock()
        reports: list[SyncReport] = []

        def wait(seconds: float) -> None:
            time.sleep(seconds / link.scale)

        while len(reports) < TRIES and not (reports and reports[-1].outcome == "synced"):
            reports.append(
                device.sync(
                    transport,
                    datetime.now(UTC),
                    pauses=UNLIMITED,
                    wait=lambda seconds: time.sleep(seconds / link.scale),
                    clock=clock,
                )
            )
        return {
            "seconds": proxy.seconds,
            "reports": tuple(reports),
            "written": transport.bytes_written,
            "carried": proxy.carried.up,
            "cuts": proxy.carried.cuts,
        }


def _office(config: Config) -> tuple[Context, str, bytes]:
    config.data_dir.mkdir(parents=True)
    now = datetime.now(UTC)
    KeyStore.create(config.keys_dir, None, config.data_dir / "root.key", now=now)
    context = Context.open(config)
    upgrade(context.database)
    prepared = publish_form.prepare(workbook("hh_remit"), "hh_remit.xlsx")
    with context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="bench", now=now)
        token = enrol_device.issue_token(session, enumerator="0001", user="bench", now=now)
    return context, token, prepared.conversion.xform


def _seal(device: Device, photos: int) -> list[Filled]:
    from forms.definition import FormDefinition

    (version,) = device.form_versions()
    assert version.xform is not None
    filled = _made.forty(FormDefinition.parse(version.xform))
    with device.bulk():
        for number, one in enumerate(filled):
            own = range(number, photos, IN_INTERVIEWS) if number < IN_INTERVIEWS else ()
            device.seal_interview(
                one.xml,
                instance_id=instance_id_bytes(one.instance_id),
                form_version_hash=version.hash,
                now=datetime.now(UTC),
                media=tuple(_photo(device, photo) for photo in own),
            )
    return filled


def _photo(device: Device, number: int) -> Medium:
    noise = hashlib.shake_256(f"photo {number}".encode()).digest(PHOTO_BYTES)
    return device.media.add(BytesIO(noise), f"photo-{number}.jpg", "image/jpeg")


def _payload(device: Device) -> int:
    left = device.progress()
    return left.bytes_left


def _stored(session: Any) -> int:
    from server.db.queries import envelopes

    return sum(envelopes.count_by_state(session).values())


def scale_for(seconds: float) -> float:
    """Return how much faster than real time to run: BENCH_SCALE, or so that it lasts about half a minute."""
    return float(os.environ.get("BENCH_SCALE") or max(1.0, round(seconds / 30)))
