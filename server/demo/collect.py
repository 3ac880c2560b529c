"""A scripted ODK Collect: what the app sends to an OpenRosa server, request by request.

Form list, form, then for each finalised form one HEAD and one multipart POST; a failed one is sent again later, whole.
Like the app, it takes 201 and 202 alone for success, checks the MD5 of what it downloads, puts ``deviceID`` on every
request, and writes its Date header with a clock of twelve hours.
"""

from __future__ import annotations

import hashlib
import http.client
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

from lxml import etree

USER_AGENT: Final = "org.odk.collect.android/v2026.3.1 Dalvik/2.1.0 (Linux; U; Android 14)"
TIMEOUT_SECONDS: Final = 60.0
_LIST_SPACE: Final = "{http://openrosa.org/xforms/xformsList}"
_RESPONSE_SPACE: Final = "{http://openrosa.org/http/response}"


class CollectError(Exception):
    """What the app would show instead of success; ``status`` is None when no answer came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class ListedForm:
    """One entry of the server's form list."""

    form_id: str
    version: str
    hash: str
    download_url: str


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class ScriptedCollect:
    """One installation of the app, configured with a server URL that holds an app user's token."""

    def __init__(
        self,
        server_url: str,
        device_id: str,
        *,
        now: Callable[[], datetime],
        loses_answer: Callable[[], bool] = lambda: False,
    ) -> None:
        """Configure the app; ``loses_answer`` says of each POST whether its answer is lost on the way back."""
        self._url = server_url.rstrip("/")
        self._device_id = device_id
        self._now = now
        self._loses_answer = loses_answer
        self._knocked = False
        self.lost_answers = 0

    def forms(self) -> tuple[ListedForm, ...]:
        """Fetch the form list.

        Raises:
            CollectError: the server cannot be reached, or its list would be rejected by the app.
        """
        reply = self._request("GET", f"{self._url}/formList")
        if reply.status != 200 or "x-openrosa-version" not in reply.headers:
            raise CollectError("the form list cannot be read", reply.status)
        root = etree.fromstring(reply.body, etree.XMLParser(resolve_entities=False, no_network=True))
        return tuple(_listed(form) for form in root.iter(f"{_LIST_SPACE}xform"))

    def download(self, form: ListedForm) -> bytes:
        """Download a form and compare its MD5 with the list's.

        Raises:
            CollectError: no answer, or other bytes than the list promises.
        """
        reply = self._request("GET", form.download_url)
        digest = hashlib.md5(reply.body, usedforsecurity=False).hexdigest()
        if reply.status != 200 or f"md5:{digest}" != form.hash:
            raise CollectError("the form does not have the hash of the list", reply.status)
        return reply.body

    def submit(self, instance_xml: bytes, *, name: str) -> None:
        """Send one finalised form.

        Raises:
            CollectError: the form stays on the tablet and is sent again later.
        """
        url = f"{self._url}/submission"
        if not self._knocked:
            reply = self._request("HEAD", url)
            if 200 <= reply.status < 300 and reply.status != 204:
                raise CollectError("a web proxy seems to answer in place of the server", reply.status)
            self._knocked = reply.status == 204
        boundary = secrets.token_hex(16)
        lost = self._loses_answer()
        reply = self._request(
            "POST",
            url,
            body=_multipart(instance_xml, name=name, boundary=boundary),
            content_type=f"multipart/form-data; boundary={boundary}",
        )
        if lost:
            self.lost_answers += 1
            raise CollectError("no answer")
        if reply.status not in (201, 202):
            raise CollectError(_message(reply), reply.status)

    def _request(self, method: str, url: str, *, body: bytes = b"", content_type: str = "") -> _Reply:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise CollectError("the server's address is not an http URL")
        query = "&".join(filter(None, (parts.query, f"deviceID={quote(self._device_id, safe='')}")))
        headers = {
            "X-OpenRosa-Version": "1.0",
            "User-Agent": USER_AGENT,
            # The app's pattern has hh, hours of 1 to 12: servers must not read it.
            "Date": self._now().strftime("%a, %d %b %Y %I:%M:%S GMT"),
            "Accept-Encoding": "identity",
        }
        if content_type:
            headers["Content-Type"] = content_type
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, f"{parts.path}?{query}", body=body or None, headers=headers)
            response = connection.getresponse()
            return _Reply(
                response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
            )
        except (OSError, http.client.HTTPException) as error:
            raise CollectError("the server cannot be reached") from error
        finally:
            connection.close()


def _listed(form: etree._Element) -> ListedForm:
    def text(name: str) -> str:
        return (form.findtext(f"{_LIST_SPACE}{name}") or "").strip()

    listed = ListedForm(text("formID"), text("version"), text("hash"), text("downloadUrl"))
    if not (listed.form_id and text("name") and listed.download_url):
        raise CollectError("one entry without id, name or address spoils the whole list")
    return listed


def _multipart(instance_xml: bytes, *, name: str, boundary: str) -> bytes:
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="xml_submission_file"; filename="{name}"\r\n'
        "Content-Type: text/xml; charset=utf-8\r\n\r\n"
    )
    return head.encode() + instance_xml + f"\r\n--{boundary}--\r\n".encode()


def _message(reply: _Reply) -> str:
    """Return the first message of an OpenRosa response, as the app shows it."""
    try:
        root = etree.fromstring(reply.body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return "the server answered without a message"
    return (root.findtext(f"{_RESPONSE_SPACE}message") or root.findtext("message") or "no message").strip()
