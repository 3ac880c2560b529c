"""A transport whose other end is the model office, and interviews to send through it."""

import hashlib
from collections.abc import Mapping

from sync_protocol.client.device import Device
from sync_protocol.client.sealing import Finalised
from sync_protocol.client.transport import Answer
from tests.sync_protocol.model_server import NOW, ModelServer

FORM = hashlib.sha256(b"form").digest()


class ModelTransport:
    """Hands each request to the model office."""

    def __init__(self, server: ModelServer) -> None:
        self.server = server
        self.closed = 0

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return Answer(*self.server.handle(method, path, headers, body))

    def close(self) -> None:
        self.closed += 1


def instance_id(number: int) -> bytes:
    return hashlib.sha256(b"instance %d" % number).digest()[:16]


def finalise(device: Device, number: int, *, mode: str = "survey") -> Finalised:
    xml = b"<data><answer>%d</answer></data>" % number
    return device.finalise(xml, instance_id=instance_id(number), form_version_hash=FORM, now=NOW, mode=mode)


def no_wait(seconds: float) -> None:
    """Do not wait."""
