"""The second survey of the demonstration, in a project of its own: dwellings, with photographs and spoken remarks.

Teams with ODK Collect observe the dwelling at some of their households. Two photographs and a recording are more than
one POST carries, so that the app divides them.
"""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from forms.definition import FormDefinition
from forms.filling import Filled, fill
from forms.instance import instance_id_bytes
from server.context import Context
from server.demo.accidents import AccountLine, Job
from server.demo.collect import ScriptedCollect, TabletFile
from server.demo.fieldwork import COMPLETE
from server.demo.lasting import LastingCollect
from server.demo.problems import DemoError
from server.folding import media

PROJECT: Final = "Dwellings"
FORM_ID: Final = "dwelling"
EVERY: Final = 6
PIXELS: Final = 224
SOUND_BYTES: Final = 60_000


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that a Collect sent, by the instance it belongs to (32 hexadecimal digits); no content."""

    instance_id: str
    name: str
    sha256: str


def sent_files(instance_id: str, files: Sequence[TabletFile]) -> list[SentFile]:
    """Note what is sent with an instance."""
    owner = instance_id_bytes(instance_id).hex()
    return [SentFile(owner, file.name, hashlib.sha256(file.content).hexdigest()) for file in files]


def audit_of(ended_at: datetime) -> TabletFile:
    """Write the audit log that Collect keeps of an interview and sends with it."""
    end = int(ended_at.timestamp() * 1000)
    rows = ("event,node,start,end,old-value,new-value", f"form start,,{end - 1_800_000},,,", f"form exit,,{end},,,")
    return TabletFile("audit.csv", "\n".join((*rows, "")).encode())


def with_audit(xml: bytes) -> bytes:
    """Name the audit log in an interview, as Collect does when it is finalised."""
    return xml.replace(b"<audit/>", b"<audit>audit.csv</audit>")


def is_observed(place: int, job: Job) -> bool:
    """Say whether the dwelling of a tablet's job is observed: every sixth that was completed."""
    return place % EVERY == 0 and job.case.disposition == COMPLETE and job.mode == "survey"


class Observer:
    """Observes dwellings with the second project of a tablet's Collect; keeps what was sent."""

    def __init__(self, app: LastingCollect, *, rng: random.Random) -> None:
        self.app = app
        self.sent: list[SentFile] = []
        self.problems: list[str] = []
        self._rng = rng
        self._definition: FormDefinition | None = None
        self._count = 0

    def observe(self, *, new_uuid: str, now: datetime, device_id: str) -> None:
        """Observe one dwelling and deliver it."""
        if self._definition is None:
            self._definition = FormDefinition.parse(self.app.ask(_only_form))
        number = self._count
        self._count += 1
        files = [
            TabletFile(f"front_{number}.png", photograph(self._rng)),
            TabletFile(f"roof_{number}.png", photograph(self._rng)),
            TabletFile(f"remark_{number}.m4a", self._rng.randbytes(SOUND_BYTES)),
        ]
        filled = self._filled(files, new_uuid=new_uuid, now=now, device_id=device_id)
        self.app.deliver(filled.xml, name=f"{FORM_ID}_{number}.xml", files=files)
        self.sent += sent_files(filled.instance_id, files)
        self.problems += [f"{one.code} {one.path}" for one in filled.problems]

    def _filled(self, files: Sequence[TabletFile], *, new_uuid: str, now: datetime, device_id: str) -> Filled:
        if self._definition is None:
            raise DemoError("a form is downloaded before it is filled")
        answers = {
            "dwelling_no": str(self._rng.randint(1, 400)),
            "wall": str(self._rng.randint(1, 4)),
            "rooms": self._rng.randint(1, 6),
            **dict(zip(("front", "roof", "remark"), (file.name for file in files), strict=True)),
        }
        return fill(self._definition, answers, now=now, new_uuid=lambda: new_uuid, device_id=device_id)


def _only_form(app: ScriptedCollect) -> bytes:
    """Download the form of the second project, whose list has no other."""
    (listed,) = app.forms()
    return app.download(listed).xform


def photograph(rng: random.Random) -> bytes:
    """Draw a picture of noise (PNG), which no compression makes smaller, as none does a photograph."""
    rows = b"".join(b"\0" + rng.randbytes(3 * PIXELS) for _ in range(PIXELS))
    header = PIXELS.to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows, 1)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def read_files(context: Context, instance_ids: Collection[str]) -> frozenset[SentFile]:
    """Read every file of these instances back from the store: opened, and whole."""
    return frozenset(found for instance_id in instance_ids for found in _files_of(context, instance_id))


def _files_of(context: Context, instance_id: str) -> Iterator[SentFile]:
    with context.database.read() as session:
        found = media.media_of(session, bytes.fromhex(instance_id), keystore=context.keystore)
    for medium in found:
        digest = hashlib.sha256()
        for chunk in media.plain_chunks(medium, keystore=context.keystore, blobs=context.blobs):
            digest.update(chunk)
        yield SentFile(instance_id, medium.name, digest.hexdigest())


def account_line(sent: Collection[SentFile], read: frozenset[SentFile]) -> AccountLine:
    """Say how many of the files that were sent are in the store, whole, under their own instance, and no other is."""
    found = sum(one in read for one in sent) if len(read) == len(sent) else 0
    return AccountLine("photographs, recordings, audits of Collects", len(sent), found, "read back whole")
