"""A transport whose other end is the model office, and interviews to send through it."""

import hashlib
from collections.abc import Mapping
from uuid import UUID

from sync_protocol.client.device import Device
from sync_protocol.client.sealing import SealedInterview
from sync_protocol.client.transport import Answer
from sync_protocol.client.vault import PinCost
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


def seal(device: Device, number: int, *, mode: str = "survey") -> SealedInterview:
    xml = b"<data><answer>%d</answer></data>" % number
    return device.seal_interview(xml, instance_id=instance_id(number), form_version_hash=FORM, now=NOW, mode=mode)


def no_wait(seconds: float) -> None:
    """Do not wait."""


CHEAP = PinCost(memory_kib=8, passes=1)
"""A PIN that costs a test nothing; what a real one costs, `test_device.TestPin` shows."""


def uuid_of(number: int) -> bytes:
    """The instanceID of a numbered interview that names itself, a version 4 UUID."""
    return UUID(bytes=instance_id(number), version=4).bytes


def interview_xml(number: int, answer: str = "yes") -> bytes:
    """A numbered interview that names itself, as a form fills it."""
    return (
        f'<data id="visit" version="1"><answer>{answer}</answer><orx:meta xmlns:orx="http://openrosa.org/xforms">'
        f"<orx:instanceID>uuid:{UUID(bytes=uuid_of(number))}</orx:instanceID></orx:meta></data>"
    ).encode()
