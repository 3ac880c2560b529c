"""What checking found, for programs: codes and places, never an answer."""

from dataclasses import asdict
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, request

from server.context import caller, current, roles
from server.errors import BadRequest, NotFound
from server.services import list_findings
from server.services.list_findings import FindingFilter

PAGE: Final = 100
LONGEST_PAGE: Final = 1000
FILTERS: Final = ("psu", "enumerator", "severity", "code")
READERS: Final = ("supervisor", "manager")

blueprint = Blueprint("findings", __name__, url_prefix="/api/v1/findings")


@blueprint.get("")
@roles(*READERS)
def list_all() -> dict[str, Any]:
    """List findings, gravest first: ``?psu= &enumerator= &severity= &code= &offset= &limit=``."""
    wanted = {name: request.args[name] for name in FILTERS if name in request.args}
    offset, limit = _number("offset", 0), min(_number("limit", PAGE), LONGEST_PAGE)
    context = current()
    with context.database.read() as session:
        page = list_findings.list_findings(
            session, context.keystore, FindingFilter(**wanted), offset=offset, limit=limit, scope=caller().scope
        )
    members = asdict(page)
    rest = {"offset": offset + limit, "limit": limit}
    is_last = limit == 0 or offset + limit >= page.total
    return members | {"next": None if is_last else f"{blueprint.url_prefix}?{urlencode(wanted | rest)}"}


@blueprint.get("/<interview_id>")
@roles(*READERS)
def show(interview_id: str) -> dict[str, Any]:
    """Return all findings on one interview."""
    context = current()
    with context.database.read() as session:
        found = list_findings.show_findings(session, context.keystore, _id(interview_id), caller().scope)
    return asdict(found) | {"checked_at": found.checked_at.isoformat()}


def _number(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadRequest(f"?{name}= is a whole number of at most nine digits.")
    return int(text)


def _id(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 16:
        raise NotFound("an interview is named by 32 hexadecimal digits")
    return value
