"""The native door's media: sealed photographs and recordings, in parts, by the SHA-256 of their ciphertext."""

from typing import Final

from flask import Blueprint, Response, request

from server.api.bodies import read_prefix
from server.api.device_requests import answer_to, sign, verify_part_claim, verify_question
from server.clock import utc_now
from server.context import current, own_auth
from server.errors import Malformed, NotFound
from server.services import receive_medium
from server.services.receive_medium import Part
from sync_protocol import messages
from sync_protocol.constants import HASH_BYTES, MEDIUM_BYTES, PART_BYTES
from sync_protocol.messages import (
    COMPLETE,
    HEADER_COMPLETE,
    HEADER_LENGTH,
    HEADER_LIMIT,
    HEADER_OFFSET,
    INCOMPLETE,
    MEDIA_TYPE_JSON,
)

LIMIT: Final = f"max-size={MEDIUM_BYTES}, max-append-size={PART_BYTES}"

blueprint = Blueprint("sync_media", __name__, url_prefix="/sync/v1/media")
blueprint.after_request(sign)


@blueprint.post("/<digest>")
@own_auth
def part(digest: str) -> Response:
    """Put a part of a medium on disk; the prefix of one that was cut, too."""
    sha256 = _named(digest)
    carrier, place, content_sha256 = verify_part_claim()
    receive_medium.check_place(place, _length())
    content, is_cut = read_prefix(at_most=PART_BYTES)
    answer_to(content_sha256)
    if not is_cut:
        receive_medium.check_content(content, content_sha256)
    arrived = Part(sha256=sha256, place=place, content=content, carrier=carrier)
    answer = receive_medium.receive(current().media, arrived, now=utc_now())
    response = Response(messages.encode_part_answer(answer), 201 if answer.complete else 200, mimetype=MEDIA_TYPE_JSON)
    return _described(response, answer.offset, place.length_bytes, is_whole=answer.complete)


@blueprint.route("/<digest>", methods=["HEAD"])
@own_auth
def standing(digest: str) -> Response:
    """Say how much of a medium is here for a device. Unsigned, so advice; the answer of an exchange says it signed."""
    sha256 = _named(digest)
    known = receive_medium.standing(current().media, sha256, carrier=verify_question())
    if known is None:
        return _described(Response(), 0, None, is_whole=False)
    return _described(Response(), known.received_bytes, known.length_bytes, is_whole=known.is_whole)


def _named(digest: str) -> bytes:
    try:
        sha256 = bytes.fromhex(digest)
    except ValueError:
        sha256 = b""
    if len(sha256) != HASH_BYTES or sha256.hex() != digest:
        raise NotFound("a medium is named by the 64 hexadecimal digits of its SHA-256, in lower case")
    return sha256


def _length() -> int:
    """Return how long the part says it is.

    Raises:
        Malformed: it does not say.
    """
    length = request.content_length
    if length is None:
        raise Malformed("a part of a medium needs a Content-Length")
    return length


def _described(response: Response, offset: int, length_bytes: int | None, *, is_whole: bool) -> Response:
    response.headers[HEADER_OFFSET] = str(offset)
    response.headers[HEADER_COMPLETE] = COMPLETE if is_whole else INCOMPLETE
    response.headers[HEADER_LIMIT] = LIMIT
    if length_bytes is not None:
        response.headers[HEADER_LENGTH] = str(length_bytes)
    return response
