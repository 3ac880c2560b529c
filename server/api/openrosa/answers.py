"""What the door answers in: OpenRosa's XML, its headers, and messages that Collect shows to a person."""

import gzip
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape

from flask import Response, g, request
from werkzeug.http import http_date

from server.api.openrosa import texts
from server.api.problems import problem_for

ACCEPT_BYTES: Final = 250_000
"""Told to Collect, which then sends every photo in a POST of its own: a cut costs one photo. It is no limit."""
VERSION_HEADER: Final = "X-OpenRosa-Version"
ACCEPT_HEADER: Final = "X-OpenRosa-Accept-Content-Length"
RESPONSE_NAMESPACE: Final = "http://openrosa.org/http/response"
XML_TYPE: Final = "text/xml; charset=utf-8"
GZIP_FROM_BYTES: Final = 500
"""Less fits into one packet anyway."""


@dataclass(frozen=True, slots=True)
class Body:
    """Content made once for many answers: as it is and gzipped, each under a strong ETag of its own (RFC 9110, 8.8.3).

    Attributes:
        zipped: None where gzip saves nothing.
        tag: names the content; the ETags are made of it.
        changed_at: since when it is so, to the second; only where nothing else can have changed it later.
        last_modified: the same as an HTTP date.
    """

    content: bytes
    zipped: bytes | None
    tag: str
    content_type: str
    changed_at: datetime | None
    last_modified: str | None

    @classmethod
    def of(
        cls,
        content: bytes,
        *,
        content_type: str,
        changed_at: datetime | None = None,
        tag: str | None = None,
        may_shrink: bool = True,
    ) -> "Body":
        """Make the forms of a content.

        Args:
            content: the very bytes.
            content_type: with its charset.
            changed_at: since when it is so, where that is known.
            tag: names the content, where it has a name already; else its SHA-256.
            may_shrink: it is worth a try to compress it.
        """
        zipped = gzip.compress(content, 6, mtime=0) if may_shrink and len(content) >= GZIP_FROM_BYTES else content
        return cls(
            content=content,
            zipped=zipped if len(zipped) < len(content) else None,
            tag=tag or hashlib.sha256(content).hexdigest(),
            content_type=content_type,
            changed_at=None if changed_at is None else changed_at.replace(microsecond=0),
            last_modified=None if changed_at is None else http_date(changed_at),
        )

    @property
    def held_bytes(self) -> int:
        """What it takes in memory."""
        return len(self.content) + len(self.zipped or b"") + 500


def document(text: str) -> bytes:
    """Return an XML document."""
    return f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode("utf-8", "replace")


def xml(text: str, status: int = 200) -> Response:
    """Return an answer that is an XML document."""
    return Response(document(text), status, content_type=XML_TYPE)


def message(text: str, status: int) -> Response:
    """Return a message that Collect shows."""
    kind = "submit_success" if status < 400 else "error"
    content = f'<message nature="{kind}">{escape(text)}</message>'
    return xml(f'<OpenRosaResponse xmlns="{RESPONSE_NAMESPACE}">{content}</OpenRosaResponse>', status)


def conditional(body: Body) -> Response:
    """Return a content in the encoding that the tablet takes, or 304 when it has this very one."""
    zipped = body.zipped if _takes_gzip() else None
    tag = f'"{body.tag}"' if zipped is None else f'"{body.tag}-gzip"'
    headers = [
        ("ETag", tag),
        ("Cache-Control", "private, no-cache"),
        # Not Authorization: Digest never sends the same twice, and Collect's cache would never find anything again.
        ("Vary", "Accept-Encoding"),
    ]
    if body.last_modified is not None:
        headers.append(("Last-Modified", body.last_modified))
    if is_known(tag, body.changed_at):
        return Response(status=304, headers=headers)
    if zipped is not None:
        headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Type", body.content_type))
    return Response(body.content if zipped is None else zipped, headers=headers)


def problem(error: Exception) -> Response:
    """Say what went wrong in the XML that Collect shows."""
    known = problem_for(error)
    response = message(texts.refusal(known, g.get("language", "")), known.status)
    response.headers["Link"] = f'</problems/{known.slug}>; rel="type"'
    for challenge in known.members.get("challenges", ()):
        response.headers.add("WWW-Authenticate", challenge)
    if "allow" in known.members:
        response.headers["Allow"] = ", ".join(known.members["allow"])
    if "retry_after" in known.members:
        response.headers["Retry-After"] = str(known.members["retry_after"])
    return response


def mark(response: Response) -> Response:
    """Put the headers on that Collect looks for."""
    response.headers[VERSION_HEADER] = "1.0"
    response.headers[ACCEPT_HEADER] = str(ACCEPT_BYTES)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _takes_gzip() -> bool:
    accepted = request.environ.get("HTTP_ACCEPT_ENCODING", "")
    return accepted == "gzip" or ("gzip" in accepted and request.accept_encodings.quality("gzip") > 0)


def is_known(tag: str, changed_at: datetime | None = None) -> bool:
    """Say whether the tablet has what would be sent: by ETag, and by date only without one (RFC 9110, 13.2.2)."""
    tags = request.environ.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        return tags == tag or request.if_none_match.contains_weak(tag.strip('"'))
    if changed_at is None or "HTTP_IF_MODIFIED_SINCE" not in request.environ:
        return False
    since = request.if_modified_since
    return since is not None and since >= changed_at
