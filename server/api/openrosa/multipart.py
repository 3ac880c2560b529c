"""Multipart bodies, read as they come: part after part, piece after piece, in the same memory whatever their size.

Written here because werkzeug's decoder compiles two expressions anew for the boundary of each request, a fifth of a
millisecond, and keeps whatever comes before the first boundary in memory. Delimiters are CRLF (RFC 7578, 4.1).
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from werkzeug.http import parse_options_header

from server.errors import Malformed, SubmissionUnreadable, TooLarge

PIECE_BYTES: Final = 1 << 18
HEADERS_BYTES: Final = 16 << 10
PREAMBLE_BYTES: Final = 16 << 10
PARTS: Final = 5000
BREAK: Final = b"\r\n"
PARAMETER: Final = re.compile(r';\s*(name|filename)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', re.IGNORECASE)

Read = Callable[[int], bytes]
"""Returns so many bytes or fewer, none at the end."""


class Part:
    """One part: what its headers say, and its content, to be read before the next part is asked for.

    Attributes:
        name: of the field; empty when it has none.
        filename: as it was sent, path and all; None when there was none.
        media_type: empty when none was sent.
    """

    def __init__(self, headers: bytes, body: "_Body") -> None:
        self.name = self.media_type = ""
        self.filename: str | None = None
        self._body = body
        for line in headers.split(BREAK):
            header, _, value = line.partition(b":")
            self._take(header.strip().lower(), _text(value.strip()))

    def _take(self, header: bytes, value: str) -> None:
        if header == b"content-disposition":
            said = {name: _unquoted(quoted) or bare for name, quoted, bare in PARAMETER.findall(value)}
            self.name, self.filename = said.get("name", ""), said.get("filename")
        elif header == b"content-type":
            self.media_type = value.partition(";")[0].strip().lower()

    def pieces(self) -> Iterator[bytes]:
        """Yield the content.

        Raises:
            Malformed: when the body ends inside it.
        """
        return self._body.content()


def _unquoted(value: str) -> str:
    """Undo what clients do to a quotation mark; a backslash is else a backslash, for Windows has them in its paths."""
    return value.replace('\\"', '"').replace("%22", '"')


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")  # so that an old client's name stays a name


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names.

    Raises:
        SubmissionUnreadable: when it is not of a multipart body.
    """
    media_type, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if media_type.lower() != "multipart/form-data" or not boundary:
        raise SubmissionUnreadable("a submission is multipart/form-data with a part xml_submission_file")
    return boundary.encode("utf-8", "replace")


def read_parts(read: Read, boundary: bytes) -> Iterator[Part]:
    """Yield the parts of a body, in its order.

    Raises:
        Malformed: when the body is cut, or no multipart body.
        TooLarge: when it has thousands of parts.
    """
    body = _Body(read, BREAK + b"--" + boundary)
    is_more = body.begin()
    for _ in range(PARTS):
        if not is_more:
            return
        part = Part(body.headers(), body)
        yield part
        for _piece in part.pieces():  # what nobody wanted to have
            pass
        is_more = body.is_more()
    if is_more:
        raise TooLarge(f"the body has more than {PARTS} parts")


class _Body:
    """What has been read and not yet given away; never much more than a piece."""

    def __init__(self, read: Read, delimiter: bytes) -> None:
        self._read = read
        self._delimiter = delimiter
        self._waiting = b""
        self._is_inside = False

    def begin(self) -> bool:
        """Go to the first delimiter; say whether a part follows."""
        self._waiting = BREAK  # the first delimiter may stand without a line break before it
        self._until(self._delimiter, PREAMBLE_BYTES)
        return self.is_more()

    def headers(self) -> bytes:
        """Return the headers of the part that begins here."""
        found = self._until(BREAK + BREAK, HEADERS_BYTES)
        self._is_inside = True
        if found and not found.startswith(BREAK):
            raise Malformed("a part does not begin on a line of its own")
        return found[len(BREAK) :]

    def content(self) -> Iterator[bytes]:
        """Yield the content of the part, up to its delimiter; nothing when it has been read."""
        while self._is_inside:
            end = self._waiting.find(self._delimiter)
            if end >= 0:
                content, self._waiting = self._waiting[:end], self._waiting[end + len(self._delimiter) :]
                self._is_inside = False
            else:
                keep = len(self._delimiter) - 1  # the delimiter may have begun
                content, self._waiting = self._waiting[:-keep], self._waiting[-keep:] + self._more()
            if content:
                yield content

    def is_more(self) -> bool:
        """Behind a delimiter: say whether a part follows, or the body ends."""
        while len(self._waiting) < 2:
            self._waiting += self._more()
        if self._waiting.startswith(b"--"):
            return False
        self._waiting = self._waiting.lstrip(b" \t")
        return True

    def _until(self, mark: bytes, at_most: int) -> bytes:
        """Take everything up to a mark and the mark itself; return what was before it."""
        while (end := self._waiting.find(mark)) < 0:
            if len(self._waiting) > at_most:
                raise Malformed("the body is not multipart/form-data as its Content-Type says")
            self._waiting += self._more()
        found, self._waiting = self._waiting[:end], self._waiting[end + len(mark) :]
        return found

    def _more(self) -> bytes:
        more = self._read(PIECE_BYTES)
        if not more:
            raise Malformed("the body was cut")
        return more
