"""The app's HTTP: its headers, its cache, its answer to a challenge, redirects, and a line that may be cut."""

from __future__ import annotations

import gzip
import http.client
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from server.demo.collect.cache import Cached, may_store
from server.demo.collect.credentials import Credentials

USER_AGENT: Final = "org.odk.collect.android/v2026.3.1 Dalvik/2.1.0 (Linux; U; Android 14)"
TIMEOUT_SECONDS: Final = 60.0
REDIRECTS: Final = 20


class CollectError(Exception):
    """What the app would show instead of success; ``status`` is None when no answer came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: names of headers in small letters; ``reason`` is the phrase after the status."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reason: str = ""
    challenges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request before its headers."""

    method: str
    url: str
    body: bytes = b""
    content_type: str = ""
    conditions: Mapping[str, str] | None = None


class Connection:
    """One line to servers, kept open between requests; ``counts`` says what went over it."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        credentials: Credentials | None = None,
        cache: dict[str, Cached] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._now = now
        self._credentials = credentials
        self._cache = {} if cache is None else cache
        self._tls = tls
        self._open: tuple[tuple[str, str], http.client.HTTPConnection] | None = None
        self.counts: Counter[str] = Counter()

    def get(self, url: str) -> Reply:
        """Get an address, from the cache where the server says that it still holds."""
        cached = self._cache.get(url)
        if cached is not None and cached.is_fresh(self._now()):
            self.counts["answers from the cache"] += 1
            return Reply(200, cached.headers, cached.body)
        reply = self._follow(_Asked("GET", url, conditions=cached.conditions() if cached else None))
        if reply.status == 304 and cached is not None:
            self.counts["not modified"] += 1
            headers = {**cached.headers, **reply.headers}
            self._cache[url] = Cached(headers, cached.body, self._now())
            return Reply(200, headers, cached.body)
        if reply.status == 200 and may_store(reply.headers):
            self._cache[url] = Cached(reply.headers, reply.body, self._now())
        return reply

    def head(self, url: str) -> Reply:
        """Ask for the headers of an address."""
        return self._follow(_Asked("HEAD", url))

    def post(self, url: str, body: bytes, content_type: str) -> Reply:
        """Post to an address."""
        return self._follow(_Asked("POST", url, body, content_type))

    def cut(self, url: str, body: bytes, content_type: str) -> None:
        """Begin a POST, and lose the line when half of it is sent."""
        parts = _parts(url)
        self.close()
        line = self._line(parts)
        try:
            line.putrequest("POST", _target(parts), skip_accept_encoding=True)
            for name, value in self._headers(_Asked("POST", url, body, content_type), parts).items():
                line.putheader(name, value)
            line.putheader("Content-Length", str(len(body)))
            line.endheaders()
            line.send(body[: len(body) // 2])
        except OSError:
            pass  # lost even earlier
        finally:
            self.close()

    def close(self) -> None:
        """Hang up."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _follow(self, asked: _Asked) -> Reply:
        """Follow redirects as OkHttp does: a POST becomes a GET, unless the status keeps its method (307, 308)."""
        for _ in range(REDIRECTS):
            reply = self._answered(asked)
            if reply.status not in (300, 301, 302, 303, 307, 308) or "location" not in reply.headers:
                return reply
            keeps = reply.status in (307, 308) or asked.method != "POST"
            target = urljoin(asked.url, reply.headers["location"])
            asked = (
                _Asked(asked.method, target, asked.body, asked.content_type, asked.conditions)
                if keeps
                else _Asked("GET", target)
            )
        raise CollectError("Too many follow-up requests")

    def _answered(self, asked: _Asked) -> Reply:
        """Ask, and once more with a proof where the server wants one."""
        parts = _parts(asked.url)
        headers = self._headers(asked, parts)
        reply = self._once(asked, parts, headers)
        if reply.status == 401 and self._credentials is not None:
            sent = headers.get("Authorization", "")
            if self._credentials.take(list(reply.challenges), scheme=parts.scheme, sent=sent):
                return self._once(asked, parts, self._headers(asked, parts))
        return reply

    def _headers(self, asked: _Asked, parts: SplitResult) -> dict[str, str]:
        headers = {
            "X-OpenRosa-Version": "1.0",
            "User-Agent": USER_AGENT,
            # The app's pattern has hh, hours of 1 to 12: servers must not read it.
            "Date": self._now().strftime("%a, %d %b %Y %I:%M:%S GMT"),
            "Connection": "Keep-Alive",
            "Accept-Encoding": "gzip",
            **(asked.conditions or {}),
        }
        if asked.content_type:
            headers["Content-Type"] = asked.content_type
        proof = "" if self._credentials is None else self._credentials.header(asked.method, _target(parts))
        return {**headers, "Authorization": proof} if proof else headers

    def _once(self, asked: _Asked, parts: SplitResult, headers: Mapping[str, str]) -> Reply:
        """Send one request; a line that the server had closed meanwhile is opened again, as OkHttp does."""
        for is_last in (self._open is None, True):
            line = self._line(parts)
            try:
                line.request(asked.method, _target(parts), body=asked.body or None, headers=dict(headers))
                reply = _read(line.getresponse())
                self.counts[f"{asked.method} requests"] += 1
                self.counts["bytes up"] += len(asked.body)
                return reply
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if is_last:
                    raise CollectError("the server cannot be reached") from error
        raise AssertionError("a request is sent or fails")

    def _line(self, parts: SplitResult) -> http.client.HTTPConnection:
        place = (parts.scheme, parts.netloc)
        if self._open is None or self._open[0] != place:
            self.close()
            name, port = str(parts.hostname), parts.port
            line = (
                http.client.HTTPSConnection(name, port, timeout=TIMEOUT_SECONDS, context=self._tls)
                if parts.scheme == "https"
                else http.client.HTTPConnection(name, port, timeout=TIMEOUT_SECONDS)
            )
            self._open = (place, line)
        return self._open[1]


def _parts(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CollectError("the server's address is not an http URL")
    return parts


def _target(parts: SplitResult) -> str:
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _read(response: http.client.HTTPResponse) -> Reply:
    """Read an answer, unpacked where it came compressed."""
    body = response.read()
    headers = {key.lower(): value for key, value in response.getheaders()}
    if headers.get("content-encoding", "").lower() == "gzip":
        del headers["content-encoding"]
        body = gzip.decompress(body) if body else body
    challenges = tuple(response.headers.get_all("WWW-Authenticate") or ())
    return Reply(response.status, headers, body, response.reason, challenges)
