"""Submissions with files for tests of the door: sent as Collect sends them, and opened again."""

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from flask.testing import FlaskClient
from lxml import etree
from sqlalchemy import select
from werkzeug.test import TestResponse

from server.context import Context
from server.db.tables import Envelope
from server.partials import LOCKS
from sync_protocol.constants import Kind
from sync_protocol.envelope import Header, open_attachment, open_interview, peek
from sync_protocol.epoch import parse_epoch
from sync_protocol.media import open_medium, verify_medium
from sync_protocol.plaintext import Medium
from sync_protocol.ratchet import EpochKeys
from tests.office import MULTIPART, multipart

UUID = "uuid:11111111-2222-4333-8444-555555555555"
COLLECT = {"X-OpenRosa-Version": "1.0", "User-Agent": "org.odk.collect.android/v2026.3 Dalvik"}
INCOMPLETE = ('name="*isIncomplete*"', b"yes")

Part = tuple[str, bytes]


def instance(name: str = "Amina", *, instance_id: str = UUID, version: str = "1") -> bytes:
    meta = f"<meta><instanceID>{instance_id}</instanceID></meta>"
    return f'<data id="visit" version="{version}"><name>{name}</name>{meta}</data>'.encode()


def xml_part(xml: bytes | None = None) -> Part:
    return 'name="xml_submission_file"; filename="visit.xml"\r\nContent-Type: text/xml', xml or instance()


def file_part(name: str, content: bytes, media_type: str = "image/jpeg") -> Part:
    return f'name="{name}"; filename="{name}"\r\nContent-Type: {media_type}', content


def post(client: FlaskClient, token: str, *parts: Part, url: str = "/key/{}/submission?deviceID=x") -> TestResponse:
    return client.post(url.format(token), data=multipart(parts), headers={**COLLECT, "Content-Type": MULTIPART})


def said(response: TestResponse) -> str:
    """Return the message that Collect shows."""
    root = etree.fromstring(response.get_data())
    assert root.tag == "{http://openrosa.org/http/response}OpenRosaResponse"
    return str(root[0].text)


@dataclass(frozen=True)
class Opened:
    """All that the door has stored: instances, and media with their plaintext."""

    instances: tuple[tuple[Header, bytes], ...]
    media: tuple[tuple[Header, Medium, bytes], ...]

    @property
    def files(self) -> Counter[tuple[str, bytes]]:
        """Names and contents of the media."""
        return Counter((medium.name, content) for _, medium, content in self.media)


def opened(context: Context) -> Opened:
    """Open everything, as only the office can."""
    with context.database.read() as session:
        bodies = list(session.scalars(select(Envelope.body).order_by(Envelope.sequence)))
    keys = {}
    for body in bodies:
        if body[6] == Kind.EPOCH:
            epoch = parse_epoch(body)
            keys[epoch.hash] = EpochKeys(context.keystore.open_epoch(epoch), epoch.hash)
    instances, media = [], []
    for body in bodies:
        header = peek(body)
        if not isinstance(header, Header):
            continue
        key = keys[header.epoch_hash].content_key(header.index)
        if header.kind == Kind.INTERVIEW:
            instances.append((header, open_interview(body, key)[1]))
        else:
            _, medium = open_attachment(body, key)
            media.append((header, medium, plain(context, medium)))
    return Opened(tuple(instances), tuple(media))


def plain(context: Context, medium: Medium) -> bytes:
    digest = bytes.fromhex(medium.sha256)
    verify_medium(context.blobs.chunks(digest), digest)
    return b"".join(open_medium(context.blobs.chunks(digest), bytes.fromhex(medium.key)))


def blobs_on_disk(context: Context) -> int:
    """Count all files of the blob store, finished or not; the empty ones that are only held as locks are none."""
    return sum(path.is_file() and path.parent.name != LOCKS for path in context.config.blobs_dir.rglob("*"))


class Stream(io.RawIOBase):
    """A body that comes in pieces, and can break."""

    def __init__(self, pieces: Iterable[bytes], error: type[OSError] | None = None) -> None:
        self._pieces = iter(pieces)
        self._waiting = b""
        self._error = error

    def read(self, size: int = -1) -> bytes:
        if not self._waiting:
            self._waiting = next(self._pieces, b"")
        if not self._waiting and self._error is not None:
            raise self._error
        found, self._waiting = self._waiting[:size], self._waiting[size:]
        return found


def stream_post(
    client: FlaskClient,
    token: str,
    pieces: Iterable[bytes],
    *,
    length: int | None,
    error: type[OSError] | None = None,
    is_chunked: bool = False,
) -> TestResponse:
    """Post a body of which the server is told one thing and given another."""
    overrides: dict[str, object] = {
        "wsgi.input": Stream(pieces, error),
        "CONTENT_LENGTH": "" if length is None else str(length),
    }
    if is_chunked:
        overrides |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    return client.post(
        f"/key/{token}/submission",
        data=b"replaced",
        content_type=MULTIPART,
        environ_overrides=overrides,
    )
