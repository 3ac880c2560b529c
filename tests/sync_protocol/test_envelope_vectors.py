"""The frozen vectors of the envelope, as any implementation would run them."""

import json
from pathlib import Path
from typing import Any

import pytest

from sync_protocol import envelope, epoch, hpke, ratchet
from sync_protocol.constants import SUITE_X_WING, Kind
from sync_protocol.documents import document_hash, read_document
from sync_protocol.epoch import Epoch
from sync_protocol.errors import EnvelopeError, LocalError
from sync_protocol.keyring import SurveyKey
from sync_protocol.media import open_medium, verify_medium
from sync_protocol.plaintext import Manifest, Medium
from tests.vectors import make_envelope_vectors

FOLDER = Path(__file__).parents[1] / "vectors" / "envelope"


def _vector(name: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return members


def _names(prefix: str) -> list[str]:
    found = sorted(path.stem for path in FOLDER.glob(f"{prefix}*.json"))
    assert found
    return found


def _open_epoch(vector: dict[str, Any]) -> tuple[Epoch, bytes]:
    """Do with an epoch what a reader does, in a reader's order."""
    seed = bytes.fromhex(vector["seed"])
    public_key = hpke.public_key(vector["suite"], seed)
    survey_key = SurveyKey(suite=vector["suite"], public_key=public_key, mode=vector["mode"])
    assert survey_key.certificate_hash.hex() == vector["survey_key_hash"]
    found = envelope.peek(bytes.fromhex(vector["envelope"]))
    assert isinstance(found, Epoch)
    epoch.verify_epoch(found, bytes.fromhex(vector["signing_public_key"]))
    return found, epoch.open_epoch(found, seed, survey_key)


def _open_interview(vector: dict[str, Any]) -> tuple[str, str]:
    """Do with an interview what a reader does, in a reader's order."""
    body = bytes.fromhex(vector["envelope"])
    envelope.peek(body)
    envelope.verify(body, bytes.fromhex(vector["signing_public_key"]))
    dictionary = bytes.fromhex(vector["dictionary"]) if "dictionary" in vector else None
    manifest, document = envelope.open_interview(body, bytes.fromhex(vector["content_key"]), dictionary=dictionary)
    return manifest.encode().decode(), document.decode()


def _open_medium(vector: dict[str, Any]) -> bytes:
    """Do with a medium what a reader does: its digest first, over all of it."""
    stream = bytes.fromhex(vector["stream"])
    verify_medium([stream], bytes.fromhex(vector["sha256"]))
    return b"".join(open_medium([stream], bytes.fromhex(vector["key"])))


def _open_attachment(vector: dict[str, Any]) -> tuple[Manifest, Medium]:
    body = bytes.fromhex(vector["envelope"])
    assert envelope.peek(body).kind in (Kind.ATTACHMENT, Kind.INTERVIEW)
    envelope.verify(body, bytes.fromhex(vector["signing_public_key"]))
    return envelope.open_attachment(body, bytes.fromhex(vector["content_key"]))


def _read_document(vector: dict[str, Any]) -> dict[str, Any]:
    trusted = (bytes.fromhex(vector["trusted_public_key"]),)
    return read_document(vector["document"].encode(), trusted, vector["label"])


def _run_failing(vector: dict[str, Any]) -> None:
    if "document" in vector:
        _read_document(vector)
    elif "seed" in vector:
        _open_epoch(vector)
    elif "stream" in vector:
        _open_medium(vector)
    elif "kind" in vector:
        _open_attachment(vector)
    else:
        _open_interview(vector)


@pytest.mark.parametrize("name", _names("x_wing_seed"))
def test_an_x_wing_seed_expands_as_the_vector_says(name: str) -> None:
    vector = _vector(name)
    seed = bytes.fromhex(vector["seed"])
    assert hpke.expand_seed(seed).hex() == vector["expanded"]
    assert hpke.public_key(SUITE_X_WING, seed).hex() == vector["public_key"]


def test_the_ratchet_steps_as_the_vector_says() -> None:
    vector = _vector("ratchet")
    keys = ratchet.EpochKeys(bytes.fromhex(vector["epoch_key"]), bytes.fromhex(vector["epoch_hash"]))
    assert [keys.content_key(index).hex() for index in vector["indices"]] == vector["content_keys"]


@pytest.mark.parametrize("name", _names("epoch_"))
def test_an_epoch_opens_as_the_vector_says(name: str) -> None:
    vector = _vector(name)
    found, epoch_key = _open_epoch(vector)
    assert found.hash.hex() == vector["envelope_id"]
    assert found.certificate_hash.hex() == vector["certificate_hash"]
    assert found.nonce.hex() == vector["nonce"]
    assert epoch_key.hex() == vector["epoch_key"]


@pytest.mark.parametrize("name", _names("interview_"))
def test_an_interview_opens_as_the_vector_says(name: str) -> None:
    vector = _vector(name)
    assert _open_interview(vector) == (vector["manifest"], vector["document"])
    assert envelope.envelope_id(bytes.fromhex(vector["envelope"])).hex() == vector["envelope_id"]


def test_a_draft_opens_as_the_vector_says() -> None:
    vector = _vector("draft")
    body = bytes.fromhex(vector["envelope"])
    envelope.verify(body, bytes.fromhex(vector["signing_public_key"]))
    key, dictionary = bytes.fromhex(vector["content_key"]), bytes.fromhex(vector["dictionary"])
    manifest, document = envelope.open_draft(body, key, dictionary=dictionary)
    assert (manifest.encode().decode(), document.decode()) == (vector["manifest"], vector["document"])


def test_a_decision_opens_as_the_vector_says() -> None:
    vector = _vector("decision")
    body = bytes.fromhex(vector["envelope"])
    found = envelope.peek(body)
    assert found.kind is Kind.DECISION
    envelope.verify(body, bytes.fromhex(vector["signing_public_key"]))
    manifest, decision = envelope.open_decision(body, bytes.fromhex(vector["content_key"]))
    assert (manifest.encode().decode(), decision) == (vector["manifest"], json.loads(vector["document"]))


@pytest.mark.parametrize("name", _names("medium_"))
def test_a_medium_opens_as_the_vector_says(name: str) -> None:
    assert _open_medium(_vector(name)).hex() == _vector(name)["plain"]


def test_an_attachment_opens_as_the_vector_says_and_its_medium_with_it() -> None:
    vector, stream = _vector("attachment"), _vector("medium_short")
    manifest, medium = _open_attachment(vector)
    assert manifest.encode().decode() == vector["manifest"]
    assert manifest.media == (medium,)
    assert (medium.sha256, medium.key) == (stream["sha256"], stream["key"])
    assert medium.length_bytes * 2 == len(stream["stream"])


@pytest.mark.parametrize("name", _names("document_"))
def test_a_document_reads_as_the_vector_says(name: str) -> None:
    vector = _vector(name)
    assert _read_document(vector) == json.loads(vector["document"])["payload"]
    assert document_hash(vector["document"].encode()).hex() == vector["document_hash"]


@pytest.mark.parametrize("name", _names("fails_"))
def test_a_failing_vector_fails_under_its_code(name: str) -> None:
    vector = _vector(name)
    with pytest.raises((EnvelopeError, LocalError)) as caught:
        _run_failing(vector)
    assert caught.value.code == vector["code"]


def test_the_files_are_the_vectors_that_are_made() -> None:
    made = dict(make_envelope_vectors.vectors())
    assert sorted(made) == _names("")
    for name in ("x_wing_seed", "x_wing_seed_draft", "ratchet", *_names("document_"), *_names("fails_document_")):
        assert made[name] == _vector(name)
