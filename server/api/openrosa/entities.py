"""Entity lists for tablets: their files, and what became of entities that were made offline.

Their entries in the manifest are in `serving`.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from flask import Response, request

from server.api.openrosa.answers import Body, conditional, is_known, xml
from server.api.openrosa.serving import known
from server.api.openrosa.visitors import Visitor, served
from server.context import current
from server.services import deliver_entities
from server.services.deliver_entities import TabletFile, read_list

ASKED: Final = 5_000
"""Entities in one question; the line of a request holds fewer."""


@served
def entity_list(visitor: Visitor, *, digest: str, name: str) -> Response:
    """Return a list as a CSV file; while the key store is locked, say so and leave the tablet what it has."""
    context, form = current(), known(visitor, digest).hash
    with context.database.read() as session:
        file = deliver_entities.find_list(session, form, name, tablet=visitor.app_user, keystore=context.keystore)
        if any(is_known(f'"{file.md5}{encoding}"') for encoding in ("", "-gzip")):  # told without opening anything
            return Response(status=304, headers={"ETag": f'"{file.md5}"', "Cache-Control": "private, no-cache"})
        return conditional(context.shelf.get(("entities", file.md5), lambda: _body(partial(read_list, session), file)))


@served
def integrity(visitor: Visitor, *, digest: str, name: str) -> Response:
    """Say which of the entities that a tablet has made offline are deleted: `?id=…,…`."""
    asked = request.args.get("id", "").split(",")[:ASKED]
    form = known(visitor, digest).hash
    with current().database.read() as session:
        states = deliver_entities.deleted_states(session, form, name, asked)
    found = "".join(f'<entity id="{one}"><deleted>{str(gone).lower()}</deleted></entity>' for one, gone in states)
    return xml(f"<data><entities>{found}</entities></data>")


def _body(read: Callable[..., bytes], file: TabletFile) -> Body:
    content = read(file, keystore=current().keystore)
    return Body.of(content, content_type="text/csv; charset=utf-8", tag=file.md5)
