"""One run of the app: what it does when a person, or its own schedule, has it refresh, download or send."""

from __future__ import annotations

import hashlib
import secrets
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from server.demo.collect import posting, reading
from server.demo.collect.connection import CollectError, Connection, Reply
from server.demo.collect.credentials import Credentials
from server.demo.collect.faults import AppKilled, Fault
from server.demo.collect.reading import ListedForm, ListedMedium
from server.demo.collect.settings import Settings
from server.demo.collect.tablet import Finalised, KeptForm, Status, Tablet, TabletFile

RETRIES: Final = 13
FIRST_PAUSE_SECONDS: Final = 60.0
LONGEST_PAUSE_SECONDS: Final = 5 * 3600.0
TAKEN: Final = (201, 202)
Files = Sequence[TabletFile]


class ScriptedCollect:
    """The app on one tablet, from its start to its end or its death; the tablet is there before and after."""

    def __init__(
        self,
        settings: Settings,
        device_id: str,
        *,
        now: Callable[[], datetime],
        tablet: Tablet | None = None,
        fault: Callable[[], Fault] = lambda: Fault.NONE,
        order: Callable[[Files], Files] = lambda files: files,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Start the app.

        Args:
            settings: of the server.
            device_id: put on every request.
            now: the tablet's clock.
            tablet: what an earlier run has left.
            fault: says of each POST what happens to it.
            order: how the file system lists a folder this time.
            tls: whom to trust.
        """
        self.settings = settings
        self.tablet = Tablet() if tablet is None else tablet
        self._device_id = device_id
        self._now = now
        self._fault = fault
        self._order = order
        self._remapped: dict[str, str] = {}
        credentials = Credentials(settings.username, settings.password) if settings.username else None
        cache = self.tablet.caches.setdefault((settings.username, settings.password), {})
        self._line = Connection(now=now, credentials=credentials, cache=cache, tls=tls)

    @property
    def counts(self) -> Counter[str]:
        """What went over the line in this run, and what happened to it."""
        return self._line.counts

    def close(self) -> None:
        """End the app in order."""
        self._line.close()

    def forms(self) -> tuple[ListedForm, ...]:
        """Fetch the form list.

        Raises:
            CollectError: the server cannot be reached, or its list would be rejected by the app.
        """
        reply = self._line.get(self._marked(f"{self.settings.server_url.rstrip('/')}/formList"))
        if reply.status != 200:
            said = {401: "credentials are asked for", 404: "the server is unreachable"}
            raise CollectError(said.get(reply.status, "the server has an error"), reply.status)
        return reading.form_list(reply)

    def manifest(self, form: ListedForm) -> tuple[ListedMedium, ...]:
        """Fetch the manifest of a form.

        Raises:
            CollectError: the app would take the form for one without files, and tell nobody.
        """
        if not form.manifest_url:
            return ()
        reply = self._line.get(self._marked(form.manifest_url))
        if reply.status != 200:
            raise CollectError("the manifest cannot be read", reply.status)
        return reading.manifest(reply)

    def refresh(self) -> dict[ListedForm, tuple[ListedMedium, ...]]:
        """Fetch the list and, as the app does each time, the manifest of every form; drop what is no longer listed.

        Raises:
            CollectError: as `forms` and `manifest`.
        """
        found = {form: self.manifest(form) for form in self.forms()}
        if self.settings.matches_exactly:
            listed = {form.form_id for form in found}
            self.tablet.forms = [kept for kept in self.tablet.forms if kept.listed.form_id in listed]
        return found

    def updates(self) -> list[ListedForm]:
        """Refresh, and return the forms that are new, changed, or have files that are not on the tablet.

        Raises:
            CollectError: as `refresh`.
        """
        found = []
        for form, media in self.refresh().items():
            kept = next((one for one in self.tablet.forms if _md5(one.xform) == form.hash), None)
            hashes = set() if kept is None else {_md5(content) for content in kept.media.values()}
            newer = [one for one in media if not one.kind and not one.name.endswith(".zip") and one.hash not in hashes]
            if kept is None or newer:
                found.append(form)
        return found

    def download(self, form: ListedForm) -> KeptForm:
        """Download a form with its files; an older form of the same id and version is deleted.

        Raises:
            CollectError: no hash, no answer, or other bytes than the list promises.
        """
        if form.hash is None:
            raise CollectError("the form has no hash")
        xform = self._fetched(form.download_url, form.hash)
        before = [kept for kept in self.tablet.forms if kept.listed.form_id == form.form_id]
        had = {name: content for kept in before for name, content in kept.media.items()}
        media = {}
        for medium in self.manifest(form):
            mine = had.get(medium.name)
            is_here = mine is not None and _md5(mine) == medium.hash
            media[medium.name] = mine if is_here and mine else self.fetch(medium)
        same = [kept for kept in before if kept.listed.version == form.version]
        self.tablet.forms = [kept for kept in self.tablet.forms if kept not in same]
        self.tablet.forms.append(KeptForm(form, xform, media))
        return self.tablet.forms[-1]

    def fetch(self, medium: ListedMedium) -> bytes:
        """Download one file of a form.

        Raises:
            CollectError: no answer, or other bytes than the manifest promises.
        """
        return self._fetched(medium.download_url, medium.hash)

    def deleted_entities(self, medium: ListedMedium, entity_ids: Sequence[str]) -> dict[str, bool]:
        """Ask which of the entities made on this tablet the server has deleted since.

        Raises:
            CollectError: no answer that can be read.
        """
        joined = quote(",".join(entity_ids), safe="")
        separator = "&" if urlsplit(medium.integrity_url).query else "?"
        reply = self._line.get(self._marked(f"{medium.integrity_url}{separator}id={joined}"))
        if reply.status != 200:
            raise CollectError("the integrity answer cannot be read", reply.status)
        return reading.deleted_entities(reply)

    def finalise(self, xml: bytes, *, name: str, files: Files = (), action: str = "") -> Finalised:
        """Put a filled form on the tablet, ready to be sent."""
        self.tablet.finalised.append(Finalised(name, xml, tuple(files), action))
        return self.tablet.finalised[-1]

    def send(self, finalised: Finalised) -> str:
        """Send one filled form; return the message that the app shows.

        Raises:
            CollectError: it stays on the tablet as failed and is sent again later, whole.
            AppKilled: it stays as failed too.
        """
        finalised.status = Status.FAILED  # before anything is sent: an app that is killed sends again
        try:
            url, limit = self._knock(finalised)
            files = [file for file in self._order(finalised.files) if not file.name.startswith(".")]
            reply = None
            for taken, is_incomplete in posting.parts(finalised, files, limit=limit):
                reply = self._post(url, finalised, taken, is_incomplete=is_incomplete)
                if reply.status not in TAKEN:
                    raise CollectError(_refusal(reply), reply.status)
        except CollectError as error:
            finalised.shown = str(error)
            raise
        finalised.status = Status.SENT
        finalised.shown = (reading.message(reply.body) if reply is not None else None) or ""
        if self.settings.deletes_sent:
            self.tablet.finalised.remove(finalised)
        return finalised.shown

    def send_all(self, *, by_hand: bool = False) -> list[Finalised]:
        """Send all that waits, oldest first; one failure does not stop the rest; return what failed.

        Args:
            by_hand: a person has asked for it, who is asked for a password at the first 401: the rest waits.
        """
        failed = []
        for finalised in self.tablet.waiting():
            try:
                self.send(finalised)
            except CollectError as error:
                failed.append(finalised)
                if by_hand and error.status == 401:
                    break
        return failed

    def auto_send(self, *, wait: Callable[[float], None]) -> bool:
        """Send by the app's schedule: thirteen retries, each pause twice the last; return whether all is sent."""
        for attempt in range(RETRIES):
            if not self.send_all():
                return True
            self.counts["retries"] += 1
            wait(min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS))
        return not self.send_all()

    def _knock(self, finalised: Finalised) -> tuple[str, int]:
        """Find out where to post to and how much at once.

        An address that an earlier answer has named is used without asking again, and then by the usual limit: the app
        remembers the address and forgets what that answer said of lengths.
        """
        url = self._marked(finalised.action or f"{self.settings.server_url.removesuffix('/')}/submission")
        if url in self._remapped:
            return self._remapped[url], posting.USUAL_LIMIT_BYTES
        reply = self._line.head(url)
        if reply.status == 401:
            raise CollectError("credentials are asked for", 401)
        if 200 <= reply.status < 300 and reply.status != 204:
            raise CollectError(
                f"Failed to send to {url}. Is this an OpenRosa submission endpoint? "
                "If you have a web proxy you may need to log in to your network.",
                reply.status,
            )
        if reply.status != 204:
            return url, posting.USUAL_LIMIT_BYTES  # the POST will tell
        said = reply.headers.get("x-openrosa-accept-content-length", "")
        limit = int(said) if said.isdecimal() else posting.USUAL_LIMIT_BYTES
        if "location" in reply.headers:
            self._remapped[url] = _same_host(url, unquote(reply.headers["location"]))
        return self._remapped.get(url, url), limit

    def _post(self, url: str, finalised: Finalised, files: Files, *, is_incomplete: bool) -> Reply:
        fault = self._fault()
        self.counts[f"POSTs: {fault}"] += 1
        if fault is Fault.KILLED_BEFORE:
            raise AppKilled
        boundary = secrets.token_hex(16)
        content = posting.body(finalised, files, is_incomplete=is_incomplete, boundary=boundary)
        kind = f"multipart/form-data; boundary={boundary}"
        if fault is Fault.CUT:
            self._line.cut(url, content, kind)
            raise CollectError("unexpected end of stream")
        if fault is Fault.REPEATED:
            self._line.post(url, content, kind)
        reply = self._line.post(url, content, kind)
        if fault is Fault.ANSWER_LOST:
            raise CollectError("timeout")
        if fault is Fault.KILLED_AFTER:
            raise AppKilled
        if reply.status == 204:
            raise CollectError("java.lang.Exception", 204)
        return reply

    def _fetched(self, url: str, md5: str) -> bytes:
        reply = self._line.get(self._marked(url))
        if reply.status != 200 or _md5(reply.body) != md5:
            raise CollectError("the download does not have the hash that was promised", reply.status)
        return reply.body

    def _marked(self, url: str) -> str:
        separator = "&" if urlsplit(url).query else "?"
        return f"{url}{separator}deviceID={quote(self._device_id, safe='')}"


def _same_host(url: str, location: str) -> str:
    """Take the address that a Location names, with the query of the first."""
    first, named = urlsplit(url), urlsplit(location)
    if (named.hostname or "").lower() != (first.hostname or "").lower():
        raise CollectError(f"Unexpected redirection attempt to a different host: {location}")
    return urlunsplit(named if named.query else named._replace(query=first.query))


def _refusal(reply: Reply) -> str:
    """Return what the app shows of an answer that is no success."""
    if reply.status == 200:
        return "Error: Network login failure? Again?"
    if reply.status == 401:
        return f"Error: {reply.reason} (401)"
    said = reading.message(reply.body)
    if said is not None:
        return f"Error: {said}"
    if reply.status == 400:
        return "Failed to upload. Please make sure the form is configured to accept submissions on the server"
    return f"Error: {reply.reason} ({reply.status})"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
