"""What an instance must be to be that of its envelope: readable, of its form version, under its instanceID."""

from forms.definition import FormDefinition
from forms.instance import Instance, InstanceError, instance_id_bytes, parse_instance
from server.db.queries.opening import RELEASED, StoredEnvelope
from server.folding.reasons import NO_INSTANCE_ID, UNREADABLE_INSTANCE
from sync_protocol.envelope import Header
from sync_protocol.errors import EnvelopeError


def parsed(xml: bytes, *, is_from_door: bool) -> Instance:
    """Parse an instance; at the door, where anything is taken, one word says that nobody can.

    Raises:
        InstanceError: it is none.
        EnvelopeError: ``unreadable-instance`` at the door.
    """
    try:
        return parse_instance(xml)
    except InstanceError as error:
        if is_from_door:
            raise EnvelopeError(UNREADABLE_INSTANCE, error.message) from None
        raise


def check_form(instance: Instance, definition: FormDefinition) -> None:
    """Compare the form version that an instance names with that of its header.

    Raises:
        EnvelopeError: ``wrong-form``.
    """
    if (instance.form_id, instance.version) != (definition.form_id, definition.version):
        raise EnvelopeError("wrong-form", "the interview is not of the form version that its header names")


def check_instance_id(instance: Instance, stored: StoredEnvelope, header: Header, *, is_from_door: bool) -> None:
    """Compare the instanceID with the header's; one that names itself not has the door's, once a person let it in.

    Raises:
        EnvelopeError: ``no-instance-id`` at the door, ``wrong-instance-id``.
    """
    if instance.instance_id is None and is_from_door:
        if stored.reason != RELEASED:
            raise EnvelopeError(NO_INSTANCE_ID, "the submission has no instanceID")
    elif instance.instance_id is None or instance_id_bytes(instance.instance_id) != header.instance_id:
        raise EnvelopeError("wrong-instance-id", "the interview has another instanceID than its header")
