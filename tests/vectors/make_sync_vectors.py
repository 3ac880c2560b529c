"""Write the further vectors that are not there yet: ``python -m tests.vectors.make_sync_vectors``.

What is sealed to a device, signed orders, parcels, raw HPKE and raw streams, shortened frames, and parts of media. A
vector that was published never changes; `README.md` beside this file says how each is read.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_protocol import abbreviation, frames, hpke, messages, signatures
from sync_protocol.assignments import Household, seal_assignments
from sync_protocol.constants import LABEL_MEDIUM, SUITE_X25519, SUITE_X_WING
from sync_protocol.documents import document_hash, key_id
from sync_protocol.entity_rows import EntityRow, seal_rows
from sync_protocol.file_receipts import LABEL_RECEIPTS, FileReceipts
from sync_protocol.handover import Address, Handover, seal_handover
from sync_protocol.media import MediumSealer
from sync_protocol.messages import (
    Backlog,
    ExchangeAnswer,
    ExchangeRequest,
    MediumOffer,
    MediumOffset,
    Receipt,
    ReceiptCode,
)
from sync_protocol.orders import LABEL_ERASURE, LABEL_WIPE, ErasureOrder, WipeOrder
from sync_protocol.parcel import Label, SealedMedium, write_parcel
from sync_protocol.plaintext import Medium
from sync_protocol.pull_items import (
    AssignmentsPull,
    DraftPull,
    EntitiesPull,
    ErasurePull,
    FormFile,
    FormVersionPull,
    KeyringPull,
    ReturnedPull,
    RevocationPull,
    VerdictPull,
    WipePull,
)
from tests.sync_protocol.sealed import FORM, SEED, header, sealed

FOLDER = Path(__file__).parent
OFFICE = Ed25519PrivateKey.from_private_bytes(bytes(range(192, 224)))
OFFICE_PUBLIC = OFFICE.public_key().public_bytes_raw()
DEVICE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RECEIVING = hpke.public_key(SUITE_X25519, SEED)
DEVICE_ID = "device-1"
INSTANCE = bytes(range(16))
NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
XML = "<data id='f'><name>Élodie</name></data>".encode()
Vector = tuple[str, dict[str, Any]]


def vectors() -> Iterator[Vector]:
    """Yield folder/name and members of each vector; bytes are hexadecimal."""
    yield from hpke_vectors()
    yield from stream_vectors()
    yield from handovers()
    yield from rows_and_households()
    yield from signed_documents()
    yield from parcels()
    yield from bodies()
    yield from parts()


def hpke_vectors() -> Iterator[Vector]:
    """Yield what is sealed to a bare key of each suite, and the same with another context."""
    for name, suite in (("x_wing", SUITE_X_WING), ("x25519", SUITE_X25519)):
        public = hpke.public_key(suite, SEED)
        made = {
            "suite": suite,
            "seed": SEED.hex(),
            "public_key": public.hex(),
            "info": b"a context".hex(),
            "sealed": hpke.seal(suite, public, b"plain text", b"a context").hex(),
        }
        yield f"hpke/{name}", made | {"plain": b"plain text".hex()}
        yield f"hpke/fails_{name}_context", made | {"info": b"another".hex(), "code": "undecryptable"}


def stream_vectors() -> Iterator[Vector]:
    """Yield bare streams around the length of a chunk, and what must be refused of them."""
    for length in (0, 1, 16383, 16384, 16385):
        plain = (bytes(range(251)) * 66)[:length]
        yield f"stream/of_{length}", _stream(_sealed(plain)) | {"plain": plain.hex()}
    whole = _sealed(bytes(16384 + 10))
    chunk = 16384 + 16
    for name, stream in (
        ("cut_at_a_chunk", whole[: 56 + chunk]),
        ("without_a_chunk", whole[:56] + whole[56 + chunk :]),
        ("chunks_exchanged", whole[:56] + whole[56 + chunk :] + whole[56 : 56 + chunk]),
        ("commitment", whole[:24] + bytes([whole[24] ^ 1]) + whole[25:]),
        ("salt", bytes([whole[0] ^ 1]) + whole[1:]),
        ("empty", b""),
    ):
        yield f"stream/fails_{name}", _stream(stream) | {"code": "undecryptable"}


def _sealed(plain: bytes) -> bytes:
    sealer = MediumSealer(SEED)
    return sealer.update(plain) + sealer.finalize()


def _stream(stream: bytes) -> dict[str, Any]:
    return {"key": SEED.hex(), "context": LABEL_MEDIUM.hex(), "stream": stream.hex()}


def handovers() -> Iterator[Vector]:
    """Yield an interview that is given back, a draft, and frames that must be refused."""
    medium = Medium(name="photo é.jpg", type="image/jpeg", length_bytes=7, sha256="ab" * 32, key="cd" * 32)
    given = Handover(
        instance_xml=XML, mode="survey", note="Âge du chef ?", household_key="01101100545", media=(medium,)
    )
    address = Address("returned", DEVICE_ID, INSTANCE, FORM)
    frame = seal_handover(given, address, receiving_key=RECEIVING, signer=OFFICE)
    yield "handover/returned", _handover(frame, address) | _told(given)
    draft = Handover(instance_xml=XML[:18], mode="training")
    other = replace(address, kind="draft")
    yield (
        "handover/draft",
        _handover(seal_handover(draft, other, receiving_key=RECEIVING, signer=OFFICE), other) | (_told(draft)),
    )
    for name, changed, at in (
        ("altered", bytes([frame[0] ^ 1]) + frame[1:], address),
        ("signature", frame[:-1] + bytes([frame[-1] ^ 1]), address),
        ("another_device", frame, replace(address, device_id="device-2")),
        ("another_instance", frame, replace(address, instance_id=bytes(16))),
        ("another_kind", frame, other),
    ):
        yield f"handover/fails_{name}", _handover(changed, at) | {"code": "signature-invalid"}


def _handover(frame: bytes, address: Address) -> dict[str, Any]:
    return {
        "kind": address.kind,
        "device_id": address.device_id,
        "instance_id": address.instance_id.hex(),
        "form_version_hash": address.form_version_hash.hex(),
        "decision_key": OFFICE_PUBLIC.hex(),
        "receiving_seed": SEED.hex(),
        "sealed_to": key_id(RECEIVING),
        "frame": frame.hex(),
    }


def _told(handover: Handover) -> dict[str, Any]:
    members = asdict(handover)
    return members | {"instance_xml": handover.instance_xml.decode(), "media": [asdict(one) for one in handover.media]}


def rows_and_households() -> Iterator[Vector]:
    """Yield rows of an entity list and the households of a PSU, sealed to a device."""
    rows = (
        EntityRow(entity_id="6e2ddc1d-0c8f-4f5c-9a77-1f1a3c1d2b3c", version=3, label="Élodie", values={"age": "43"}),
        EntityRow(entity_id="aaaaaaaa-0c8f-4f5c-9a77-1f1a3c1d2b3c", is_gone=True),
    )
    frame = seal_rows(rows, list_name="households", device_id=DEVICE_ID, receiving_key=RECEIVING)
    told = {"device_id": DEVICE_ID, "receiving_seed": SEED.hex(), "frame": frame.hex()}
    made = told | {"list_name": "households", "rows": [asdict(row) for row in rows]}
    yield "entities/rows", made
    yield "entities/fails_another_list", told | {"list_name": "people", "code": "undecryptable"}
    households = [Household("01101100545", "Élodie", "-0.69 -28.9"), Household("01101100642", "", "")]
    pull = seal_assignments(households, psu="011011", device_id=DEVICE_ID, receiving_key=RECEIVING)
    told = told | {"frame": pull.sealed.hex()}
    made = told | {"psu": "011011", "households": [asdict(one) for one in households]}
    yield "assignments/households", made
    yield "assignments/fails_another_psu", told | {"psu": "011012", "code": "undecryptable"}


def signed_documents() -> Iterator[Vector]:
    """Yield an order to wipe and receipts for a parcel, each signed by a key of the keyring."""
    order = WipeOrder(device_id=DEVICE_ID, ordered_at="2026-11-24T08:00:00+00:00").sign(OFFICE)
    yield "document/wipe_order", _document(order, LABEL_WIPE)
    yield "document/erasure_order", _document(_erasure(), LABEL_ERASURE)
    yield "document/fails_erasure_as_wipe", _document(_erasure(), LABEL_WIPE) | {"code": "signature-invalid"}
    receipts = FileReceipts(
        server_id="ab" * 16,
        issued_at="2026-11-24T08:00:00+00:00",
        receipts=((bytes(32), ReceiptCode.STORED, 7), (bytes(range(32)), ReceiptCode.QUOTA, None)),
        media=(bytes(range(32, 64)),),
    ).sign(OFFICE)
    yield "document/receipts", _document(receipts, LABEL_RECEIPTS)
    altered = receipts.replace(b",0,7]", b",0,8]")
    yield "document/fails_receipts_altered", _document(altered, LABEL_RECEIPTS) | {"code": "signature-invalid"}
    yield "document/fails_receipts_as_order", _document(receipts, LABEL_WIPE) | {"code": "signature-invalid"}


def _erasure() -> bytes:
    return ErasureOrder(instance_ids=(INSTANCE, bytes(16)), ordered_at="2026-11-24T08:00:00+00:00").sign(OFFICE)


def _document(document: bytes, label: str) -> dict[str, Any]:
    return {
        "label": label,
        "trusted_public_key": OFFICE_PUBLIC.hex(),
        "document": document.decode(),
        "document_hash": document_hash(document).hex(),
    }


def parcels() -> Iterator[Vector]:
    """Yield a parcel whole, cut, altered and overwritten, and what is none."""
    envelopes = [b"first envelope", b"second envelope", b"third"]
    medium = b"a sealed medium" * 3
    file = io.BytesIO()
    label = Label(device_id=DEVICE_ID, written_at="2026-11-24T08:00:00+00:00", envelopes=3, media=1)
    write_parcel(file, label, envelopes, [SealedMedium(hashlib.sha256(medium).digest(), len(medium), [medium])])
    whole = file.getvalue()
    told = [one.hex() for one in envelopes]
    second = whole.index(envelopes[1])
    altered = whole[:second] + b"S" + whole[second + 1 :]
    yield "parcel/whole", _parcel(whole, told, [medium.hex()], is_whole=True) | {"label": asdict(label)}
    yield "parcel/cut", _parcel(whole[:-100], told, [], is_whole=False)
    yield "parcel/altered", _parcel(altered, [told[0], told[2]], [medium.hex()], is_whole=False)
    begun = whole[: second - 40] + b"overwritten" + whole[second - 20 :]
    yield "parcel/overwritten", _parcel(begun, [told[0], told[2]], [medium.hex()], is_whole=False)
    yield "parcel/without_its_front", _parcel(b"????" + whole[4:], told, [medium.hex()], is_whole=False)
    yield "parcel/fails_another_file", {"parcel": b"%PDF-1.7".hex(), "code": "malformed"}
    later = whole[:4] + b"\x02" + whole[5:]
    yield "parcel/fails_a_later_version", {"parcel": later.hex(), "code": "unknown-version"}


def _parcel(content: bytes, envelopes: list[str], media: list[str], *, is_whole: bool) -> dict[str, Any]:
    return {"parcel": content.hex(), "envelopes": envelopes, "media": media, "is_whole": is_whole}


def bodies() -> Iterator[Vector]:
    """Yield bodies with every member and kind, and shortened frames."""
    yield "exchange/request_every_member", _body(messages.encode_request(_request()))
    yield "exchange/answer_every_kind", _body(messages.encode_answer(_answer()))
    told = sealed()
    first = replace(told.header, previous=document_hash(told.epoch), parents=()).encode() + bytes(64)
    second = replace(told.header, previous=document_hash(first), index=4, sequence=6).encode() + b"\x01" * 64
    decision = header(bytes(32), previous=document_hash(second)).encode() + b"\x02" * 70
    body = frames.encode_body(b'{"version":1}', [told.epoch, first, second, decision], shortens=True)
    yield "exchange/request_shortened", _body(body)
    short = abbreviation.shorten(second, first) or b""
    control = frames.encode_body(b"{}", [])
    for name, parts_ in (
        ("first", [_short(short)]),
        ("unknown_field", [_plain(first), _short(b"\x20" + short[1:])]),
        ("unsaid", [_plain(told.epoch), _short(short)]),
        ("cut", [_plain(first), _short(short[:30])]),
    ):
        yield f"exchange/fails_shortened_{name}", {"body": (control + b"".join(parts_)).hex(), "code": "malformed"}


def _plain(frame: bytes) -> bytes:
    return len(frame).to_bytes(4, "big") + frame


def _short(frame: bytes) -> bytes:
    return (1 << 31 | len(frame)).to_bytes(4, "big") + frame


def _body(body: bytes) -> dict[str, Any]:
    found = frames.decode_body(body, frame_bytes=4 << 20)
    return {
        "body": body.hex(),
        "control": json.loads(found.control),
        "frames": [frame.hex() for frame in found.frames],
    }


def _request() -> ExchangeRequest:
    return ExchangeRequest(
        device_id=DEVICE_ID,
        counter=2**63 - 1,
        since="1.4",
        have=(bytes(range(16)), bytes(16)),
        envelopes=(b"first envelope",),
        device_time=NOW,
        capabilities=("media",),
        backlog=Backlog(envelopes=3, interviews=2, body_bytes=2000, media=1, media_bytes=200_000, unsealed=1),
        keyring_serial=3,
        receiving_key=RECEIVING,
        media=(MediumOffer(bytes(range(32)), 200_000),),
    )


def _answer() -> ExchangeAnswer:
    xform = b"<h:html/>"
    receipts = tuple(
        Receipt(number, code, 40 + number if code.is_kept else None) for number, code in enumerate(ReceiptCode)
    )
    dictionary = FormFile(
        name="dictionary", type=messages.MEDIA_TYPE_DICTIONARY, length_bytes=9, sha256=bytes(range(32))
    )
    order = WipeOrder(device_id=DEVICE_ID, ordered_at="2026-11-24T08:00:00+00:00").sign(OFFICE)
    to = key_id(RECEIVING)
    pull = (
        FormVersionPull(
            form_id="f",
            version="1",
            title="Form",
            hash=document_hash(xform),
            xform=xform,
            files=(dictionary,),
            dictionary=bytes(range(32)),
        ),
        FormVersionPull(form_id="f", version="0", title="Form", hash=bytes(32), state="withdrawn", xform=None),
        AssignmentsPull(psu="011011", households=("01101100545",), sealed=b"sealed", sealed_to=to),
        VerdictPull(instance_id=INSTANCE, envelope_id=bytes(range(32)), state="quarantined", reason="malformed"),
        VerdictPull(instance_id=INSTANCE, envelope_id=bytes(32), state="listed"),
        ReturnedPull(instance_id=INSTANCE, form_version_hash=FORM, sealed=b"handover", sealed_to=to),
        ReturnedPull(instance_id=INSTANCE, form_version_hash=FORM, state="settled", sealed=None),
        DraftPull(instance_id=INSTANCE, form_version_hash=FORM, sealed=b"draft", sealed_to=to),
        EntitiesPull(list_name="households", sealed=b"rows", sealed_to=to),
        RevocationPull(device_id=DEVICE_ID, revoked_at=NOW),
        ErasurePull(document=_erasure()),
        WipePull(document=order),
        KeyringPull(document=b"keyring"),
    )
    return ExchangeAnswer(
        server_time=NOW,
        receipts=receipts,
        cursor="1.5",
        pull=pull,
        more=True,
        backoff_seconds=60,
        backed_up_sequence=41,
        deletes_without_backup=True,
        media=(MediumOffset(0, 16384),),
    )


def parts() -> Iterator[Vector]:
    """Yield the signature of a part of a medium, which covers its place."""
    body = bytes(range(100))
    path = messages.PATH_MEDIA + hashlib.sha256(bytes(200) + body).hexdigest()
    place = signatures.Place(offset=200, length_bytes=300)
    yield (
        "exchange/part_signature",
        {
            "method": "POST",
            "path": path,
            "seed": bytes(range(32)).hex(),
            "public_key": DEVICE.public_key().public_bytes_raw().hex(),
            "device_id": DEVICE_ID,
            "upload_offset": place.offset,
            "upload_length": place.length_bytes,
            "body": body.hex(),
            "headers": signatures.sign_request("POST", path, body, device_id=DEVICE_ID, key=DEVICE, place=place),
        },
    )


if __name__ == "__main__":
    for title, told_members in vectors():
        path = FOLDER / f"{title}.json"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text(json.dumps(told_members, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
