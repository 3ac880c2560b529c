"""Devices and a model office for the tests of the reference device."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_protocol.client.device import Device
from tests.client.model_transport import ModelTransport
from tests.sync_protocol.model_server import ModelServer


@pytest.fixture
def server() -> ModelServer:
    return ModelServer()


@pytest.fixture
def transport(server: ModelServer) -> ModelTransport:
    return ModelTransport(server)


@pytest.fixture
def device(tmp_path: Path, server: ModelServer, transport: ModelTransport) -> Iterator[Device]:
    """An enrolled device without a PIN."""
    with Device.create(tmp_path / "device") as made:
        made.enrol(server.link(), transport=transport)
        yield made
