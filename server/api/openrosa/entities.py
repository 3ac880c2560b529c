"""Entity lists for tablets: their entries in a manifest, the files, and what became of entities made offline."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from flask import Response, request

from server.api.openrosa.answers import conditional, xml
from server.api.openrosa.visitors import Visitor, served
from server.context import current
from server.errors import NotFound
from server.services import deliver_entities, deliver_forms
from server.services.deliver_entities import OfferedList

ASKED: Final = 5_000
"""Entities in one question; the line of a request holds fewer."""


def entries(offered: Sequence[OfferedList], address: str) -> str:
    """Return lists as entries of a manifest; Collect needs `type` and `integrityUrl` to know a list from a file.

    Args:
        offered: to this tablet.
        address: of the form, on the way that the tablet came.
    """
    base = f"{escape(address)}/entities"
    return "".join(
        f'<mediaFile type="{"approvalEntityList" if one.needs_approval else "entityList"}">'
        f"<filename>{escape(one.name)}.csv</filename><hash>md5:{one.md5}</hash>"
        f"<downloadUrl>{base}/{quote(one.name)}.csv</downloadUrl>"
        f"<integrityUrl>{base}/{quote(one.name)}/integrity</integrityUrl></mediaFile>"
        for one in offered
    )


@served
def entity_list(visitor: Visitor, *, digest: str, name: str) -> Response:
    """Return a list as a CSV file; while the key store is locked, say so and leave the tablet what it has."""
    context, form = current(), _hash(digest)
    with context.database.read() as session:
        deliver_forms.media_for_tablets(session, form)
        file = deliver_entities.find_list(session, form, name, tablet=visitor.app_user, keystore=context.keystore)
        is_there = request.if_none_match.contains(file.md5)  # told without opening anything
        content = b"" if is_there else deliver_entities.read_list(session, file, keystore=context.keystore)
    response = Response(content, 304 if is_there else 200, mimetype="text/csv")
    response.set_etag(file.md5)
    return conditional(response)


@served
def integrity(_visitor: Visitor, *, digest: str, name: str) -> Response:
    """Say which of the entities that a tablet has made offline are deleted: `?id=…,…`."""
    asked = request.args.get("id", "").split(",")[:ASKED]
    form = _hash(digest)
    with current().database.read() as session:
        deliver_forms.media_for_tablets(session, form)
        states = deliver_entities.deleted_states(session, form, name, asked)
    found = "".join(f'<entity id="{one}"><deleted>{str(gone).lower()}</deleted></entity>' for one, gone in states)
    return conditional(xml(f"<data><entities>{found}</entities></data>"))


def _hash(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest)
    except ValueError:
        raise NotFound("a form is named by the 64 hexadecimal digits of its SHA-256") from None
