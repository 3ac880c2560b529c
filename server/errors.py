"""The catalogue of problems (RFC 9457): one class each, its slug, and the page that its `type` leads to.

A detail says what, where and what to do, and never holds an answer. `retry` is for the sync door: what a device may do.
"""

from typing import Any, ClassVar, Final

from sync_protocol import messages
from sync_protocol.errors import ProtocolError


class Problem(Exception):
    """A refusal that a client can act on.

    Attributes:
        slug: last part of the `type` URI.
        status: HTTP status.
        title: the same for every occurrence.
        remedy: what its page tells people to do.
        retry: never | same | after | smaller; None outside the sync door.
        detail: this occurrence.
        members: named extension members, JSON values.
    """

    slug: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong here"
    remedy: ClassVar[str] = "Nothing was stored. Try again; if it stays, tell whoever runs this server."
    retry: ClassVar[str | None] = None

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.members = members


class Internal(Problem):
    """An error that nobody foresaw; its cause is in the log, without answers."""

    retry = "after"


class NotAuthenticated(Problem):
    """No account is named, or its secret is wrong."""

    slug, status, title = "not-authenticated", 401, "Log in first"
    remedy = "Log in at the console, or send `Authorization: Bearer` with a token that is still valid."


class Forbidden(Problem):
    """The account's role does not reach this far."""

    slug, status, title = "forbidden", 403, "This account may not do that"
    remedy = "Ask an administrator for an account with one of the roles that the detail names."


class NotFound(Problem):
    """There is nothing of this name."""

    slug, status, title = "not-found", 404, "There is nothing here"
    remedy = "Check the address: names are case-sensitive."


class MethodNotAllowed(Problem):
    """The address exists, the method does not."""

    slug, status, title = "method-not-allowed", 405, "This address does not take that method"
    remedy = "Use a method of the Allow header."


class BadRequest(Problem):
    """A parameter is missing or cannot be meant."""

    slug, status, title = "bad-request", 400, "The request cannot be understood"
    remedy = "Correct the parameter that the detail names."


class WorkbookInvalid(Problem):
    """A workbook does not make a form; `findings` lists what and where."""

    slug, status, title = "workbook-invalid", 422, "The workbook does not make a form"
    remedy = "Correct what the findings list, by sheet, row and column, and upload it again. Nothing was published."


class FormVersionExists(Problem):
    """The same form and version with other content; tablets would lose track of what they hold."""

    slug, status, title = "form-version-exists", 409, "This version is published already, with other content"
    remedy = "Raise `version` on the settings sheet and publish again: a published version never changes."


class FormChangeBreaks(Problem):
    """A version would take the meaning from answers that are there; `changes` lists which, `difference` has all."""

    slug, status, title = "form-change-breaks", 409, "This version would break what has been collected"
    remedy = (
        "Say in a migration map (a sheet `map`, or a CSV file) what becomes of the answers that the changes list, and"
        " publish again. Nothing was published."
    )


class EntitiesInvalid(Problem):
    """Entities cannot be changed so; `errors` lists what and where."""

    slug, status, title = "entities-invalid", 422, "The entities cannot be changed so"
    remedy = "Correct what the errors list, by line or by id, and send all of it again. Nothing was stored."


class Conflict(Problem):
    """What was asked for does not fit the present state."""

    slug, status, title = "conflict", 409, "That does not fit the present state"
    remedy = "Look at the present state and decide again."


class DesignIncomplete(Problem):
    """Estimates need a frame, a listing, a draw and totals."""

    slug, status, title = "design-incomplete", 409, "The survey design is not complete"
    remedy = "Import what the detail names with `passerelle frame import`, then run the estimates again."


class EstimatesImpossible(Problem):
    """The interviews that are here cannot carry estimates."""

    slug, status, title = "estimates-impossible", 409, "No estimates can be made from these interviews"
    remedy = "Read the detail; usually too few interviews have come in. Wait for more and run the estimates again."


class ReleaseNotReady(Problem):
    """A release is published only when fieldwork is over and nothing waits for a person; members say what does."""

    slug, status, title = "release-not-ready", 409, "The release cannot be published yet"
    remedy = "Settle the open holds, close or declare lost every unit, run the estimates again and publish that draft."


class FrameInvalid(Problem):
    """Frame files that contradict themselves or each other; `errors` lists file, line and column."""

    slug, status, title = "frame-invalid", 422, "The frame files cannot be imported"
    remedy = "Correct what the errors list, by file, line and column, and import again. Nothing was stored."


class FrameInUse(Problem):
    """A change of the design after interviews have arrived."""

    slug, status, title = "frame-in-use", 409, "Interviews have arrived under the stored design"
    remedy = "A changed frame, listing or draw changes their weights. Import with `--replace` if you mean it."


class LoginInvalid(Problem):
    """Name and password do not belong together."""

    slug, status, title = "login-invalid", 401, "Name or password is wrong"
    remedy = "Try again, or ask an administrator for a new password: `passerelle user password NAME`."


class KeyStoreLocked(Problem):
    """The key store waits for its passphrase; sync goes on, opening waits."""

    slug, status, title, retry = "key-store-locked", 503, "The key store is locked", "after"
    remedy = "Start the server with PASSERELLE_PASSPHRASE set. Nothing is lost: envelopes wait until then."


class KeyStoreSealed(KeyStoreLocked):
    """Interviews are opened on another machine of the office, which is on no network."""

    slug, status, title = "key-store-sealed", 503, "Interviews are not opened on this server"
    remedy = "The survey keys are kept elsewhere. Do this on the machine that has them: see “Seal a server”."


class Maintenance(Problem):
    """The database cannot be written right now."""

    slug, status, title, retry = "maintenance", 503, "The server cannot write right now", "after"
    remedy = "Nothing was stored. Wait and send the same again."


class StorageFull(Problem):
    """The disk is full."""

    slug, status, title, retry = "storage-full", 507, "The server's disk is full", "after"
    remedy = "Nothing was stored; devices keep what they have. Free space on the server, then send again."


class TooLarge(Problem):
    """More bytes, frames or members than the limits of hello."""

    slug, status, title, retry = "too-large", 413, "That is too large", "smaller"
    remedy = "Send less at once: the limits are in `GET /sync/v1/hello`."


class LengthRequired(Problem):
    """A body that says neither how long it is nor comes in chunks."""

    slug, status, title = "length-required", 411, "The request does not say how long it is"
    remedy = "Send a Content-Length, or chunks. Something on the way may have taken it off."


class UnsupportedMedia(Problem):
    """A body of another type than this address takes."""

    slug, status, title, retry = "unsupported-media", 415, "This type of body is not taken here", "never"
    remedy = "Send the Content-Type that the detail names."


class RateLimited(Problem):
    """Too many requests."""

    slug, status, title, retry = "rate-limited", 429, "Too many requests", "after"
    remedy = "Wait as long as the answer says."


class Malformed(Problem):
    """A body that is torn or has another shape."""

    slug, status, title, retry = "malformed", 400, "The body cannot be read", "never"
    remedy = "The client and the server do not agree on the format: update the client. Nothing was stored."


class VersionUnsupported(Problem):
    """A protocol version that this server does not speak."""

    slug, status, title, retry = "version-unsupported", 400, "This protocol version is not spoken here", "never"
    remedy = "Update the client to a version that `GET /sync/v1/hello` lists."


class DigestMismatch(Problem):
    """The body changed on its way."""

    slug, status, title, retry = "digest-mismatch", 400, "The body was altered on its way", "same"
    remedy = "Send the same again. If it stays, something between the tablet and the server rewrites bodies."


class SignatureInvalid(Problem):
    """The request is not signed by the device that it names."""

    slug, status, title, retry = "signature-invalid", 401, "The signature does not verify", "never"
    remedy = "Enrol the device again. Its sealed interviews stay good: any enrolled device may deliver them."


class TokenInvalid(Problem):
    """An enrolment token that is unknown, used or over its time."""

    slug, status, title, retry = "token-invalid", 403, "This enrolment code does not let anyone in", "never"
    remedy = "Make a new code with `passerelle device enrol`: each lets one device in, for a limited time."


class DeviceUnknown(Problem):
    """No such device here."""

    slug, status, title, retry = "device-unknown", 403, "This device is not known here", "never"
    remedy = "Enrol the device at this server, or check that it points to the right one."


class DeviceRevoked(Problem):
    """A revoked device asked for something; it may still deliver."""

    slug, status, title, retry = "device-revoked", 403, "This device has been revoked", "never"
    remedy = "A revoked device delivers what it holds and gets nothing. Ask the office."


class CounterReplayed(Problem):
    """The counter is that of the last exchange: the same request again."""

    slug, status, title, retry = "counter-replayed", 409, "This request was seen before", "same"
    remedy = "Send again with the counter that the answer names."


class CounterBehind(Problem):
    """The counter is behind the last exchange's."""

    slug, status, title, retry = "counter-behind", 409, "The device's counter is behind", "same"
    remedy = "Send again with the counter that the answer names. It happens after a tablet is restored from a backup."


class OffsetMismatch(Problem):
    """A part of a medium does not begin where the last one ended."""

    slug, status, title, retry = "offset-mismatch", 409, "The part does not fit the last one", "same"
    remedy = "Ask with HEAD where to go on."


class CursorExpired(Problem):
    """The cursor is of another life of the database."""

    slug, status, title, retry = "cursor-expired", 410, "The cursor is of a database before a restore", "same"
    remedy = "The device offers what it holds again, by hash, and starts from the beginning."


class SubmissionUnreadable(Problem):
    """A submission without the part that holds the form: nothing could be kept of it."""

    slug, status, title = "submission-unreadable", 400, "The submission holds no form"
    remedy = "The form stays on the tablet. Check the server's address in its settings, and send it once more."


def all_problems() -> tuple[type[Problem], ...]:
    """Return every class of the catalogue, by slug."""
    found: dict[str, type[Problem]] = {}
    waiting: list[type[Problem]] = [Problem]
    while waiting:
        made = waiting.pop()
        waiting.extend(made.__subclasses__())
        if made is not Problem:
            found[made.slug] = made
    return tuple(found[slug] for slug in sorted(found))


def from_protocol(error: ProtocolError) -> Problem:
    """Return the problem for an error of the protocol; what the protocol does not name to devices is malformed."""
    return _BY_CODE.get(error.code, Malformed)(error.detail)


_BY_CODE: Final = {made.slug: made for made in all_problems() if made.slug in messages.PROBLEMS}
