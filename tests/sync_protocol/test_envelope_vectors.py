"""The frozen vectors of the envelope, as any implementation would run them."""

import json
from pathlib import Path
from typing import Any

import pytest

from sync_protocol import envelope, epoch, hpke, ratchet
from sync_protocol.constants import SUITE_X_WING
from sync_protocol.epoch import Epoch
from sync_protocol.errors import EnvelopeError
from sync_protocol.keyring import SurveyKey

FOLDER = Path(__file__).parents[1] / "vectors" / "envelope"


def _vector(name: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return members


def _names(prefix: str) -> list[str]:
    found = sorted(path.stem for path in FOLDER.glob(f"{prefix}*.json"))
    assert found
    return found


def test_the_x_wing_seed_expands_as_the_vector_says() -> None:
    vector = _vector("x_wing_seed")
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
    seed = bytes.fromhex(vector["seed"])
    survey_key = SurveyKey(
        suite=vector["suite"], public_key=hpke.public_key(vector["suite"], seed), mode=vector["mode"]
    )
    assert survey_key.certificate_hash.hex() == vector["survey_key_hash"]
    found = envelope.peek(bytes.fromhex(vector["envelope"]))
    assert isinstance(found, Epoch)
    assert found.hash.hex() == vector["envelope_id"]
    epoch.verify_epoch(found, bytes.fromhex(vector["signing_public_key"]))
    assert epoch.open_epoch(found, seed, survey_key).hex() == vector["epoch_key"]


@pytest.mark.parametrize("name", _names("interview_"))
def test_an_interview_opens_as_the_vector_says(name: str) -> None:
    vector = _vector(name)
    body = bytes.fromhex(vector["envelope"])
    envelope.verify(body, bytes.fromhex(vector["signing_public_key"]))
    manifest, xml = envelope.open_interview(body, bytes.fromhex(vector["content_key"]))
    assert (manifest.encode().decode(), xml.decode()) == (vector["manifest"], vector["instance_xml"])


@pytest.mark.parametrize("name", _names("fails_"))
def test_a_failing_vector_fails_under_its_code(name: str) -> None:
    vector = _vector(name)
    body = bytes.fromhex(vector["envelope"])
    with pytest.raises(EnvelopeError) as caught:
        envelope.peek(body)
        envelope.verify(body, bytes.fromhex(vector["signing_public_key"]))
    assert caught.value.code == vector["code"]
