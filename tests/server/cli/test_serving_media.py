"""A line that is cut inside a part of a medium, against the real server: what came before the cut is kept."""

import hashlib
import http.client
import json
import os
import socket
import struct
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from server.config import Config
from server.context import Context
from sync_protocol import messages, signatures
from sync_protocol.enrolment import make_request
from sync_protocol.signatures import Place
from tests.office import enrolment_link
from tests.server.cli.conftest import Shell
from tests.server.cli.test_serving import Served, wait_until

MEDIUM = os.urandom(300_000)
SHA256 = hashlib.sha256(MEDIUM).digest()
PATH = messages.PATH_MEDIA + SHA256.hex()


class Line:
    """A tablet's line to a real server."""

    def __init__(self, served: Served, shell: Shell) -> None:
        self.port, self.key = served.port, Ed25519PrivateKey.generate()
        context = Context.open(Config.in_directory(shell.data))
        link = enrolment_link(context)
        context.close()
        asked = make_request(
            token=link.token,
            root_key=link.root_key,
            signer=self.key,
            signing_key=self.key.public_key().public_bytes_raw(),
            receiving_key=X25519PrivateKey.generate().public_key().public_bytes_raw(),
        )
        status, _, told = self.ask("POST", messages.PATH_ENROL, messages.encode_enrol_request(asked),
                                   {"Content-Type": "application/json"})  # fmt: skip
        assert status == 201
        self.device_id = messages.decode_enrol_answer(told).device_id

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def signed(self, content: bytes, place: Place) -> dict[str, str]:
        return signatures.sign_request("POST", PATH, content, device_id=self.device_id, key=self.key, place=place)

    def part(self, content: bytes, place: Place) -> int:
        """Send a part and return where the next one begins, also when the server says that this one does not fit."""
        status, _, told = self.ask("POST", PATH, content, self.signed(content, place))
        if status == 409:  # what came before the cut was still being written down
            offset = json.loads(told)["next_offset"]
            assert place.offset < offset < len(MEDIUM)
            return int(offset)
        assert status in (200, 201), told
        return messages.decode_part_answer(told).offset

    def cut(self, content: bytes, place: Place, at: int, *, hard: bool) -> None:
        """Send a part's head and its first bytes, then end the line, politely or not."""
        names = {"Host": "x", "Content-Length": str(len(content)), **self.signed(content, place)}
        head = "".join(f"{name}: {value}\r\n" for name, value in names.items())
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as line:
            line.sendall(f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + content[:at])
            if hard:
                assert wait_until(lambda: self.here() == place.offset, 5)  # the server has long begun to read
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def here(self) -> int:
        headers = signatures.sign_request("HEAD", PATH, b"", device_id=self.device_id, key=self.key)
        status, answered, _ = self.ask("HEAD", PATH, b"", headers)
        assert status == 200
        return int(answered["Upload-Offset"])


@pytest.fixture
def line(shell: Shell) -> Iterator[Line]:
    made = Served(shell.data)
    assert wait_until(made.answers)
    yield Line(made, shell)
    made.process.terminate()
    made.process.wait(30)


def test_what_came_before_a_cut_is_kept(line: Line) -> None:
    line.cut(MEDIUM[:200_000], Place(0, len(MEDIUM)), 120_000, hard=False)
    assert wait_until(lambda: line.here() == 120_000, 60)
    line.cut(MEDIUM[120_000:], Place(120_000, len(MEDIUM)), 50_000, hard=True)
    assert wait_until(lambda: line.here() >= 120_000, 60)  # a reset may take with it what was not read
    offset = line.here()
    while offset < len(MEDIUM):
        offset = line.part(MEDIUM[offset : offset + 100_000], Place(offset, len(MEDIUM)))
    assert line.here() == len(MEDIUM)
