"""Entity lists for managers and their programs: set them up, import, change, settle, export."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from flask import Blueprint, Response, request

from server.api import entity_schemas as schemas
from server.api.bodies import if_changed, read_body
from server.api.entity_schemas import loaded
from server.clock import utc_now
from server.context import caller, current, roles
from server.db.queries.entity_lists import StoredList
from server.errors import BadRequest
from server.export.entity_file import AskedEntity
from server.services import change_entities, list_entities, set_up_entity_list
from server.services.change_entities import Office
from server.services.set_up_entity_list import ListSettings
from sync_protocol.entities import LABEL

READERS: Final = ("supervisor", "manager", "statistician")
FILE_BYTES: Final = 16 << 20
PAGE: Final = 1000

blueprint = Blueprint("entities", __name__, url_prefix="/api/v1/entity-lists")


@blueprint.get("")
@roles(*READERS)
def list_all() -> Response:
    """List the entity lists of the caller's projects, with how many entities they have."""
    with current().database.read() as session:
        found = list_entities.list_lists(session, caller().scope)
    return _json({"entity_lists": [one.members() for one in found]})


@blueprint.post("")
@roles("manager")
def create_list() -> Response:
    """Make a list: `{"name": …, "project": 1, "properties": […]}`."""
    asked = loaded(schemas.NewListSchema(), _body())
    with current().database.transaction() as session:
        made = set_up_entity_list.create_list(
            session, project_id=asked["project"], name=asked["name"], properties=asked["properties"],
            user=caller().name, now=utc_now(), scope=caller().scope,
        )  # fmt: skip
        shown = list_entities.find(session, made.list_id)
    return _json(shown.members(), 201)


@blueprint.get("/<int:list_id>")
@roles(*READERS)
def show_list(list_id: int) -> Response:
    """Return a list with its properties and counts."""
    with current().database.read() as session:
        return _json(list_entities.find(session, list_id, caller().scope).members())


@blueprint.patch("/<int:list_id>")
@roles("manager")
def set_list(list_id: int) -> Response:
    """Say how a list works: `needs_approval`, `mode`, `assigned_property` with `assigned_to`."""
    asked = ListSettings(**loaded(schemas.ListSettingsSchema(), _body()))
    context, who = current(), caller()
    with context.database.transaction() as session:
        list_entities.find(session, list_id, who.scope)
        set_up_entity_list.set_list(session, list_id, asked, keystore=context.keystore, user=who.name, now=utc_now())
        return _json(list_entities.find(session, list_id).members())


@blueprint.get("/<int:list_id>/entities")
@roles(*READERS)
def list_of_entities(list_id: int) -> Response:
    """List entities by id: `?state= &conflict=true &offset= &limit=`."""
    offset, limit = _number("offset", 0), min(_number("limit", PAGE), PAGE)
    context, wants = current(), request.args.get("conflict") in ("1", "true")
    _note_look(list_id)
    with context.database.read() as session:
        found = list_entities.list_entities(
            session, list_id, keystore=context.keystore, scope=caller().scope,
            state=request.args.get("state", ""), in_conflict=wants,
        )  # fmt: skip
    page = [asdict(one) for one in found[offset : offset + limit]]
    return _json({"total": len(found), "entities": page})


@blueprint.post("/<int:list_id>/entities")
@roles("manager")
def create_entities(list_id: int) -> Response:
    """Create entities: `{"entities": [{"label": …, "properties": {…}}]}`."""
    asked = loaded(schemas.NewEntitiesSchema(), _body())
    wanted = [_asked(number, one) for number, one in enumerate(asked["entities"], start=1)]
    with current().database.transaction() as session:
        list_entities.find(session, list_id, caller().scope)
        made = change_entities.create(session, list_id, wanted, office=_office(asked["note"]))
    return _json({"ids": list(made)}, 201)


@blueprint.get("/<int:list_id>/entities/<uuid:entity_id>")
@roles(*READERS)
def show_entity(list_id: int, entity_id: uuid.UUID) -> Response:
    """Return an entity, with who says what where values differ."""
    context = current()
    _note_look(list_id, str(entity_id))
    with context.database.read() as session:
        found = list_entities.show_entity(
            session, list_id, entity_id.bytes, keystore=context.keystore, scope=caller().scope
        )
    return _json(asdict(found))


@blueprint.patch("/<int:list_id>/entities/<uuid:entity_id>")
@roles("manager")
def update_entity(list_id: int, entity_id: uuid.UUID) -> Response:
    """Write label and properties; what was in conflict about them is settled."""
    asked = loaded(schemas.ChangeSchema(), _body())
    values = {**({LABEL: asked["label"]} if "label" in asked else {}), **asked["properties"]}
    context = current()
    with context.database.transaction() as session:
        list_entities.find(session, list_id, caller().scope)
        change_entities.update(session, list_id, entity_id.bytes, values, office=_office(asked["note"]))
        found = list_entities.show_entity(session, list_id, entity_id.bytes, keystore=context.keystore)
    return _json(asdict(found))


@blueprint.delete("/<int:list_id>/entities/<uuid:entity_id>")
@roles("manager")
def delete_entity(list_id: int, entity_id: uuid.UUID) -> Response:
    """Delete an entity: tablets forget it."""
    with current().database.transaction() as session:
        list_entities.find(session, list_id, caller().scope)
        change_entities.delete(session, list_id, entity_id.bytes, office=_office())
    return Response(status=204)


@blueprint.post("/<int:list_id>/entities/<uuid:entity_id>/restore")
@roles("manager")
def restore_entity(list_id: int, entity_id: uuid.UUID) -> Response:
    """Take back that an entity is deleted."""
    with current().database.transaction() as session:
        list_entities.find(session, list_id, caller().scope)
        change_entities.restore(session, list_id, entity_id.bytes, office=_office())
    return Response(status=204)


@blueprint.post("/<int:list_id>/import")
@roles("manager")
def import_file(list_id: int) -> Response:
    """Create and update from a CSV file (`text/csv`); the same file again changes nothing."""
    content = read_body(at_most=FILE_BYTES, media_type="text/csv")
    with current().database.transaction() as session:
        list_entities.find(session, list_id, caller().scope)
        report = change_entities.import_file(session, list_id, content, office=_office())
    return _json(asdict(report))


@blueprint.get("/<int:list_id>/export.csv")
@roles("manager")
def export_file(list_id: int) -> Response:
    """Return a list as a CSV file, as tablets get it."""
    context = current()
    found = _note_look(list_id, "export")
    with context.database.read() as session:
        content = list_entities.export_list(session, list_id, keystore=context.keystore, scope=caller().scope)
    response = Response(content, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="entities-{found.list_id}.csv"'
    return if_changed(response)


def _note_look(list_id: int, detail: str = "") -> StoredList:
    """Write down who looks at a list that the caller sees, before anything is shown."""
    who = caller()
    with current().database.transaction() as session:
        return list_entities.note_look(session, list_id, user=who.name, now=utc_now(), scope=who.scope, detail=detail)


def _office(note: str = "") -> Office:
    return Office(keystore=current().keystore, user=caller().name, now=utc_now(), note=note)


def _asked(number: int, one: Mapping[str, Any]) -> AskedEntity:
    named: uuid.UUID | None = one.get("id")
    if named is not None and named.version != 4:
        raise BadRequest(f"entity {number} is named by no version 4 UUID")
    entity_id = b"" if named is None else named.bytes
    return AskedEntity(place=f"entity {number}", entity_id=entity_id, values={LABEL: one["label"], **one["properties"]})


def _body() -> object:
    try:
        return json.loads(read_body(at_most=FILE_BYTES))
    except (ValueError, RecursionError):
        raise BadRequest("the body is a JSON object") from None


def _number(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadRequest(f"?{name}= is a whole number of at most nine digits.")
    return int(text)


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(document, ensure_ascii=False), status, mimetype="application/json")
