"""The shape of what programs send about entities; unknown members are refused, so that a slip is not silently lost."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf

from server.errors import BadRequest
from server.export.entity_file import VALUE_CHARACTERS
from sync_protocol.constants import MODES

NAME: Final = Length(min=1, max=100)
VALUE: Final = Length(max=VALUE_CHARACTERS)


class NewListSchema(Schema):
    """`POST /api/v1/entity-lists`."""

    name = fields.String(required=True, validate=NAME)
    project = fields.Integer(load_default=1, strict=True)
    properties = fields.List(fields.String(validate=NAME), load_default=list, validate=Length(max=500))


class ListSettingsSchema(Schema):
    """`PATCH /api/v1/entity-lists/<list>`."""

    needs_approval = fields.Boolean(truthy={True}, falsy={False})
    mode = fields.String(validate=OneOf(MODES))
    assigned_property = fields.String(validate=Length(max=100))
    assigned_to = fields.String(validate=OneOf(["", "enumerator", "team"]))


class ChangeSchema(Schema):
    """What is written to one entity."""

    label = fields.String(validate=VALUE)
    properties = fields.Dict(keys=fields.String(validate=NAME), values=fields.String(validate=VALUE), load_default=dict)
    note = fields.String(load_default="", validate=Length(max=2000))


class NewEntitySchema(Schema):
    """One entity to be created; an id is made where none is given."""

    id = fields.UUID()
    label = fields.String(required=True, validate=VALUE)
    properties = fields.Dict(keys=fields.String(validate=NAME), values=fields.String(validate=VALUE), load_default=dict)


class NewEntitiesSchema(Schema):
    """`POST /api/v1/entity-lists/<list>/entities`."""

    entities = fields.List(fields.Nested(NewEntitySchema), required=True, validate=Length(min=1, max=5000))
    note = fields.String(load_default="", validate=Length(max=2000))


def loaded(schema: Schema, document: object) -> Mapping[str, Any]:
    """Return what a document says.

    Raises:
        BadRequest: it has another shape; the detail names members and never their values.
    """
    try:
        found: Mapping[str, Any] = schema.load(document)  # type: ignore[arg-type]
    except ValidationError as error:
        raise BadRequest(f"the body has another shape: {'; '.join(sorted(_said(error.messages)))}") from None
    return found


def _said(messages: Any, place: str = "") -> list[str]:
    if isinstance(messages, Mapping):
        return [said for name, inner in messages.items() for said in _said(inner, f"{place}.{name}".strip("."))]
    return [f"`{place}`: {' '.join(map(str, messages))}"]
