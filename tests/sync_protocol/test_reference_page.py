"""The reference page says what the code does: offsets, labels, limits and codes are read from it and compared."""

import re
from pathlib import Path

import pytest

from sync_protocol import constants, documents, envelope, epoch, errors, keyring
from sync_protocol.plaintext import Manifest
from tests.sync_protocol.sealed import header, sealed

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "envelope.md").read_text(encoding="utf-8")


def _row(start: str) -> str:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {start} |")]
    return line


@pytest.mark.parametrize(
    "label",
    [
        constants.LABEL_CONTENT_KEY,
        constants.LABEL_NEXT_KEY,
        constants.LABEL_EPOCH,
        constants.LABEL_ENVELOPE,
        constants.LABEL_MEDIUM,
        constants.MAGIC,
        keyring.LABEL_KEYRING.encode(),
        documents.LABEL_CERTIFICATE.encode(),
    ],
)
def test_the_page_names_each_label(label: bytes) -> None:
    assert f"`{label.decode()}`" in PAGE


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("envelope", constants.ENVELOPE_BYTES),
        ("parents", constants.PARENTS),
        ("interviews in an epoch", constants.RATCHET_STEPS),
        ("plaintext, inflated", constants.PLAINTEXT_BYTES),
        ("padding", constants.BUCKET_BYTES - 1),
        ("dictionary", constants.DICTIONARY_BYTES),
    ],
)
def test_the_page_names_each_limit(what: str, limit: int) -> None:
    told = re.sub(r"[^0-9]", "", _row(what).split("|")[2])
    assert int(told) == limit


@pytest.mark.parametrize("kind", list(constants.Kind))
def test_the_page_names_each_kind(kind: constants.Kind) -> None:
    assert f"{kind.value} {kind.name.lower()}" in _row("6")


def test_the_page_names_each_code() -> None:
    for code in re.findall(r"``([a-z-]+)``", errors.EnvelopeError.__doc__ or ""):
        assert f"`{code}`" in PAGE


def test_the_offsets_of_the_page_are_those_of_the_header() -> None:
    fields = {
        "8 | 32 | epoch": header(bytes(32)).epoch_hash,
        "84 | 16": bytes(range(16)),
        "100 | 16 p": bytes(range(16, 32)),
    }
    front = header(bytes(32)).encode()
    for start, value in fields.items():
        assert f"| {start}" in PAGE
        offset = int(start.split()[0])
        assert front[offset : offset + len(value)] == value
    assert envelope.FRONT.size == 100
    assert envelope.FRONT.size + envelope.BACK.size == 196
    assert epoch.FRONT.size == 112
    assert epoch.FRONT.size + epoch.WRAP.size == 122
    for offset in ("| 112 | 8 |", "| 122 | n |", "| 196 + 16 p |", "| 40 | 4 | index", "| 44 | 8 |", "| 52 | 32 |"):
        assert offset in PAGE


def test_the_page_names_each_member_of_the_documents_and_the_manifest() -> None:
    members = documents.DeviceCertificate.__slots__ + keyring.Keyring.__slots__ + Manifest.__slots__
    for member in members:
        assert member == "root_key" or f"`{member}`" in PAGE


def test_an_epoch_is_as_long_as_the_page_says() -> None:
    for suite, encapsulated in ((constants.SUITE_X_WING, 1120), (constants.SUITE_X25519, 32)):
        assert len(sealed(suite).epoch) == 122 + encapsulated + 32 + 16 + 64
