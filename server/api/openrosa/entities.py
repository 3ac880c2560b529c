"""Entity lists for tablets: their entries in a manifest, the files, and what became of entities made offline."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from flask import Response, request

from server.api.openrosa.answers import XML_TYPE, Body, conditional, document, is_known_body, not_modified
from server.api.openrosa.catalogue import known_version
from server.api.openrosa.visitors import Visitor, served
from server.context import current
from server.services import deliver_entities
from server.services.deliver_entities import OfferedList

ASKED: Final = 5_000
"""Entities in one question; the line of a request holds fewer."""


def entries(offered: Sequence[OfferedList], address: str) -> list[str]:
    """Return lists as entries of a manifest; Collect needs `type` and `integrityUrl` to know a list from a file.

    Args:
        offered: to this tablet.
        address: of the form, on the way that the tablet came.
    """
    base = f"{escape(address)}/entities"
    return [
        f'<mediaFile type="{"approvalEntityList" if one.needs_approval else "entityList"}">'
        f"<filename>{escape(one.name)}.csv</filename><hash>md5:{one.md5}</hash>"
        f"<downloadUrl>{base}/{quote(one.name)}.csv</downloadUrl>"
        f"<integrityUrl>{base}/{quote(one.name)}/integrity</integrityUrl></mediaFile>"
        for one in offered
    ]


@served
def entity_list(visitor: Visitor, *, digest: str, name: str) -> Response:
    """Return a list as a CSV file; while the key store is locked, say so and leave the tablet what it has."""
    context, form = current(), known_version(visitor, digest).hash
    with context.database.read() as session:
        file = deliver_entities.find_list(session, form, name, tablet=visitor.app_user, keystore=context.keystore)
        if is_known_body(file.md5):  # told without opening anything
            return not_modified(file.md5)
        content = deliver_entities.read_list(session, file, keystore=context.keystore)
    return conditional(Body.of(content, content_type="text/csv; charset=utf-8", tag=file.md5))


@served
def integrity(visitor: Visitor, *, digest: str, name: str) -> Response:
    """Say which of the entities that a tablet has made offline are deleted: `?id=…,…`."""
    asked = request.args.get("id", "").split(",")[:ASKED]
    form = known_version(visitor, digest).hash
    with current().database.read() as session:
        states = deliver_entities.deleted_states(session, form, name, asked)
    found = "".join(f'<entity id="{one}"><deleted>{str(gone).lower()}</deleted></entity>' for one, gone in states)
    content = document(f"<data><entities>{found}</entities></data>")
    return conditional(Body.of(content, content_type=XML_TYPE))
