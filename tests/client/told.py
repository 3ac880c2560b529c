"""What the tests of a device's news, media and deletion share: what a server tells, and what a device then holds."""

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sync_protocol.assignments import Household, seal_assignments
from sync_protocol.client.device import Device
from sync_protocol.client.pulled import Reading
from sync_protocol.client.sealing import SealedInterview
from sync_protocol.documents import key_id
from sync_protocol.entity_rows import EntityRow, seal_rows
from sync_protocol.handover import Address, Handover, Kind, seal_handover
from sync_protocol.plaintext import Medium
from sync_protocol.pull_items import (
    AssignmentsPull,
    DraftPull,
    EntitiesPull,
    FormVersionPull,
    PullItem,
    ReturnedPull,
    VerdictPull,
)
from tests.client.model_transport import FORM, instance_id
from tests.sync_protocol.model_server import NOW, ModelServer, private_key

PIN = "481516"
HOUSEHOLDS = (Household("P1-07", "Maya Canary", "27.7, 85.3"),)
HANDED = Handover(instance_xml=b"<data>Canary</data>", mode="survey", note="Ask again")
WITHDRAWN = FormVersionPull(form_id="f", version="1", title="F", hash=FORM, state="withdrawn", xform=None)


def assigned(server: ModelServer, psu: str = "P1") -> Callable[[str], PullItem]:
    """Seal when asked, to the key that the device named last, as the office does."""

    def made(device_id: str) -> AssignmentsPull:
        key = server.receiving_keys[device_id]
        item = seal_assignments(HOUSEHOLDS, psu=psu, device_id=device_id, receiving_key=key)
        return AssignmentsPull(psu=psu, households=item.households, sealed=item.sealed, sealed_to=key_id(key))

    return made


def rows(server: ModelServer, *made: EntityRow) -> Callable[[str], PullItem]:
    def item(device_id: str) -> EntitiesPull:
        key = server.receiving_keys[device_id]
        sealed = seal_rows(made, list_name="villages", device_id=device_id, receiving_key=key)
        return EntitiesPull(list_name="villages", sealed=sealed, sealed_to=key_id(key))

    return item


def handed(server: ModelServer, kind: Kind, signer: str = "decision") -> Callable[[str], PullItem]:
    def made(device_id: str) -> PullItem:
        key = server.receiving_keys[device_id]
        address = Address(kind, device_id, instance_id(1), FORM)
        frame = seal_handover(HANDED, address, receiving_key=key, signer=private_key(signer))
        if kind == "draft":
            return DraftPull(instance_id=instance_id(1), form_version_hash=FORM, sealed=frame, sealed_to=key_id(key))
        return ReturnedPull(instance_id=instance_id(1), form_version_hash=FORM, sealed=frame, sealed_to=key_id(key))

    return made


def verdict_of(device: Device, number: int, state: str = "opened") -> VerdictPull:
    stored = device.envelope_of(instance_id(number))
    assert stored is not None
    return VerdictPull(instance_id=instance_id(number), envelope_id=stored.envelope_id, state=state)  # type: ignore[arg-type]


def photograph(device: Device, content: bytes = b"picture" * 9_000) -> Medium:
    return device.media.add(io.BytesIO(content), "dwelling.jpg", "image/jpeg")


def revise(device: Device, number: int, *parents: bytes, now: datetime = NOW) -> SealedInterview:
    return device.seal_interview(
        b"<data/>", instance_id=instance_id(number), form_version_hash=FORM, parents=parents, now=now
    )


def name_by(device: Device, number: int, *media: Medium) -> None:
    with device._database.transaction():
        device.media.name_by(instance_id(number), media)


def everything_on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


def reading(device: Device) -> Reading:
    return device._reading()
