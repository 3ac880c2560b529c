"""The vectors of what is handed over, signed, carried by file and shortened, as any implementation would run them."""

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_protocol import frames, hpke, messages, pull_items, signatures
from sync_protocol.assignments import open_assignments
from sync_protocol.constants import EXCHANGE_BYTES
from sync_protocol.documents import document_hash, key_id, read_document
from sync_protocol.entity_rows import open_rows
from sync_protocol.errors import ProtocolError
from sync_protocol.file_receipts import FileReceipts
from sync_protocol.handover import Address, open_handover, verify_handover
from sync_protocol.media import open_medium
from sync_protocol.orders import ErasureOrder, WipeOrder
from sync_protocol.parcel import Reading, RecordKind, read_parcel
from tests.vectors import make_sync_vectors

FOLDER = Path(__file__).parents[1] / "vectors"
FOLDERS = ("hpke", "stream", "handover", "entities", "assignments", "document", "parcel")


def vector(name: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return members


def names(*folders: str, fails: bool) -> list[str]:
    found = sorted(f"{folder}/{path.stem}" for folder in folders for path in (FOLDER / folder).glob("*.json"))
    return [name for name in found if name.rpartition("/")[2].startswith("fails_") == fails]


def run(name: str, told: dict[str, Any]) -> Any:
    """Do with a vector what its reader does; return what must come out."""
    return {
        "hpke": _hpke,
        "stream": _stream,
        "handover": _handover,
        "entities": _entities,
        "assignments": _assignments,
        "document": _document,
        "parcel": _parcel,
    }[name.partition("/")[0]](told)


def _hpke(told: dict[str, Any]) -> Any:
    seed = bytes.fromhex(told["seed"])
    assert hpke.public_key(told["suite"], seed).hex() == told["public_key"]
    plain = hpke.open_(told["suite"], seed, bytes.fromhex(told["sealed"]), bytes.fromhex(told["info"]))
    return {"plain": plain.hex()}


def _stream(told: dict[str, Any]) -> Any:
    assert bytes.fromhex(told["context"]) == b"passerelle/1 medium"
    return {"plain": b"".join(open_medium([bytes.fromhex(told["stream"])], bytes.fromhex(told["key"]))).hex()}


def _handover(told: dict[str, Any]) -> Any:
    hashes = (bytes.fromhex(told["instance_id"]), bytes.fromhex(told["form_version_hash"]))
    address = Address(told["kind"], told["device_id"], *hashes)
    frame, seed = bytes.fromhex(told["frame"]), bytes.fromhex(told["receiving_seed"])
    verify_handover(frame, address, decision_keys=[bytes.fromhex(told["decision_key"])])
    assert key_id(hpke.public_key(2, seed)) == told["sealed_to"]
    opened = open_handover(frame, address, receiving_seed=seed)
    media = [asdict(medium) for medium in opened.media]
    return asdict(opened) | {"instance_xml": opened.instance_xml.decode(), "media": media}


def _entities(told: dict[str, Any]) -> Any:
    seed = bytes.fromhex(told["receiving_seed"])
    rows = open_rows(
        bytes.fromhex(told["frame"]), list_name=told["list_name"], device_id=told["device_id"], receiving_seed=seed
    )
    return {"rows": [asdict(row) for row in rows]}


def _assignments(told: dict[str, Any]) -> Any:
    seed = bytes.fromhex(told["receiving_seed"])
    found = open_assignments(
        bytes.fromhex(told["frame"]), psu=told["psu"], device_id=told["device_id"], receiving_seed=seed
    )
    return {"households": [asdict(one) for one in found]}


def _document(told: dict[str, Any]) -> Any:
    trusted = [bytes.fromhex(told["trusted_public_key"])]
    payload = read_document(told["document"].encode(), trusted, told["label"])
    reads: Any = FileReceipts.read
    if "ordered_at" in payload:
        reads = WipeOrder.read if "device_id" in payload else ErasureOrder.read
    reads(told["document"].encode(), trusted)
    return {"document_hash": document_hash(told["document"].encode()).hex()}


def _parcel(told: dict[str, Any]) -> Any:
    reading = Reading()
    found: dict[RecordKind, list[str]] = {RecordKind.ENVELOPE: [], RecordKind.MEDIUM: []}
    for record in read_parcel(io.BytesIO(bytes.fromhex(told["parcel"])), reading):
        found[record.kind].append(record.read().hex())
    assert reading.label is not None
    return {
        "envelopes": found[RecordKind.ENVELOPE],
        "media": found[RecordKind.MEDIUM],
        "is_whole": reading.is_whole,
        "label": asdict(reading.label),
    }


@pytest.mark.parametrize("name", names(*FOLDERS, fails=False))
def test_a_vector_comes_out_as_it_says(name: str) -> None:
    told = vector(name)
    found = run(name, told)
    assert found == {member: told.get(member, value) for member, value in found.items()}
    assert set(found) & set(told)


@pytest.mark.parametrize("name", names(*FOLDERS, fails=True))
def test_a_failing_vector_fails_under_its_code(name: str) -> None:
    told = vector(name)
    with pytest.raises(ProtocolError) as caught:
        run(name, told)
    assert caught.value.code == told["code"]


def test_every_folder_has_vectors_that_open_and_that_fail() -> None:
    for folder in FOLDERS:
        assert names(folder, fails=False), folder
        assert names(folder, fails=True), folder


@pytest.mark.parametrize("name", ["request_every_member", "answer_every_kind", "request_shortened"])
def test_a_body_decodes_to_its_control_and_whole_frames(name: str) -> None:
    told = vector(f"exchange/{name}")
    body = frames.decode_body(bytes.fromhex(told["body"]), frame_bytes=EXCHANGE_BYTES)
    assert json.loads(body.control) == told["control"]
    assert [frame.hex() for frame in body.frames] == told["frames"]


def test_every_member_and_kind_is_understood() -> None:
    request = messages.decode_request(bytes.fromhex(vector("exchange/request_every_member")["body"]))
    assert request == make_sync_vectors._request()
    answer = messages.decode_answer(bytes.fromhex(vector("exchange/answer_every_kind")["body"]))
    made = make_sync_vectors._answer()
    assert answer == made
    assert {type(item) for item in answer.pull} == set(pull_items._KINDS)


def test_the_signature_of_a_part_is_made_and_verified() -> None:
    told = vector("exchange/part_signature")
    body, key = bytes.fromhex(told["body"]), bytes.fromhex(told["public_key"])
    place = signatures.Place(told["upload_offset"], told["upload_length"])
    signer = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(told["seed"]))
    made = signatures.sign_request("POST", told["path"], body, device_id=told["device_id"], key=signer, place=place)
    assert made == told["headers"]
    found = signatures.verify_request("POST", told["path"], body, headers=told["headers"], public_key=key, is_part=True)
    assert found == place


def test_the_files_are_the_vectors_that_are_made() -> None:
    made = {name for name, _ in make_sync_vectors.vectors()}
    assert all((FOLDER / f"{name}.json").exists() for name in made)
    assert set(names(*FOLDERS, fails=True)) | set(names(*FOLDERS, fails=False)) == {
        name for name in made if not name.startswith("exchange/")
    }
