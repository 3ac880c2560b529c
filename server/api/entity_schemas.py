"""The shape of what programs send about entities; unknown members are refused, so that a slip is not silently lost."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf

from forms.entities import is_value
from server.errors import BadRequest
from sync_protocol.constants import MODES


def storable(text: str) -> None:
    """Accept a text that forms can hold.

    Raises:
        ValidationError: another one.
    """
    if not is_value(text):
        raise ValidationError("Too long, or a character that cannot be stored.")


NAME: Final = (Length(min=1, max=100), storable)
NOTE: Final = (Length(max=2000), storable)


def _properties() -> fields.Dict:
    return fields.Dict(keys=fields.String(validate=NAME), values=fields.String(validate=storable), load_default=dict)


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

    label = fields.String(validate=storable)
    properties = fields.Dict(
        keys=fields.String(validate=NAME), values=fields.String(validate=storable), load_default=dict
    )
    note = fields.String(load_default="", validate=NOTE)


class NewEntitySchema(Schema):
    """One entity to be created; an id is made where none is given."""

    id = fields.UUID()
    label = fields.String(required=True, validate=storable)
    properties = fields.Dict(
        keys=fields.String(validate=NAME), values=fields.String(validate=storable), load_default=dict
    )


class NewEntitiesSchema(Schema):
    """`POST /api/v1/entity-lists/<list>/entities`."""

    entities = fields.List(fields.Nested(NewEntitySchema), required=True, validate=Length(min=1, max=5000))
    note = fields.String(load_default="", validate=NOTE)


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
