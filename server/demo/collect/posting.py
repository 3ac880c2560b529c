"""How the app cuts a filled form into POSTs: the XML in each, a marker in all but the last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Final

from server.demo.collect.tablet import Finalised, TabletFile

USUAL_LIMIT_BYTES: Final = 10_000_000
"""What one POST carries where the server has not said otherwise."""
MOST_FILES: Final = 100
INCOMPLETE: Final = "*isIncomplete*"
#: The app's own words first, then those of Android's table that forms meet.
_TYPES: Final = {
    "amr": "audio/amr", "oga": "audio/ogg", "ogv": "video/ogg", "webm": "video/webm",
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "svg": "image/svg+xml",
    "m4a": "audio/mp4", "mp3": "audio/mpeg", "wav": "audio/x-wav", "ogg": "audio/ogg",
    "mp4": "video/mp4", "3gp": "video/3gpp", "csv": "text/csv", "pdf": "application/pdf", "txt": "text/plain",
    "xml": "text/xml",
}  # fmt: skip


def media_type(name: str) -> str:
    """Return the type that the app writes for a file, by the end of its name."""
    return _TYPES.get(PurePath(name).suffix.removeprefix("."), "application/octet-stream")


def parts(finalised: Finalised, files: Sequence[TabletFile], *, limit: int) -> Iterator[tuple[list[TabletFile], bool]]:
    """Divide files over POSTs; yield those of each, and whether more follow.

    Args:
        finalised: its XML goes with each POST and counts.
        files: in the order of the folder.
        limit: bytes that one POST may carry; a single file may be longer, and is sent all the same.
    """
    waiting = list(files)
    while True:
        taken: list[TabletFile] = []
        size = len(finalised.xml)
        while waiting:
            taken.append(waiting.pop(0))
            size += len(taken[-1].content)
            if waiting and (len(taken) > MOST_FILES or size + len(waiting[0].content) > limit):
                break
        yield taken, bool(waiting)
        if not waiting:
            return


def body(finalised: Finalised, files: Sequence[TabletFile], *, is_incomplete: bool, boundary: str) -> bytes:
    """Write one POST as OkHttp does."""
    written = [_part("xml_submission_file", finalised.name, "text/xml", finalised.xml, boundary)]
    written += [_part(file.name, file.name, media_type(file.name), file.content, boundary) for file in files]
    if is_incomplete:
        written.append(_part(INCOMPLETE, None, None, b"yes", boundary))
    return b"".join(written) + f"--{boundary}--\r\n".encode()


def _part(name: str, filename: str | None, kind: str | None, content: bytes, boundary: str) -> bytes:
    shown = f"; filename={_quoted(filename)}" if filename is not None else ""
    typed = f"Content-Type: {kind}\r\n" if kind is not None else ""
    head = f"--{boundary}\r\nContent-Disposition: form-data; name={_quoted(name)}{shown}\r\n{typed}\r\n"
    return head.encode() + content + b"\r\n"


def _quoted(text: str) -> str:
    """Quote as browsers and OkHttp do: the three characters that would end the field, and UTF-8 for all others."""
    escaped = text.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22")
    return f'"{escaped}"'
