"""A device, an office and one sealed interview for the tests of envelopes; all keys are fixed."""

from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_protocol import envelope, hpke, ratchet
from sync_protocol.constants import SUITE_X_WING, Kind
from sync_protocol.envelope import Header
from sync_protocol.epoch import make_epoch
from sync_protocol.keyring import SurveyKey
from sync_protocol.plaintext import Manifest

SEED = bytes(range(32))
EPOCH_KEY = bytes(range(32, 64))
NONCE = bytes(range(64, 96))
CERTIFICATE = bytes(range(96, 128))
FORM = bytes(range(128, 160))
DEVICE = Ed25519PrivateKey.from_private_bytes(bytes(range(160, 192)))
DEVICE_PUBLIC = DEVICE.public_key().public_bytes_raw()
MANIFEST = Manifest(device_time="2026-11-24T08:00:00+00:00")
XML = b"<data id='f'><name>\xc3\x89lodie</name><meta><instanceID>uuid:1</instanceID></meta></data>"


@dataclass(frozen=True)
class Sealed:
    """An epoch and an interview sealed under it."""

    survey_key: SurveyKey
    epoch: bytes
    content_key: bytes
    header: Header
    interview: bytes


def header(epoch_hash: bytes, **changed: object) -> Header:
    """Make a header of the fixed device; any member may be changed."""
    members: dict[str, object] = {
        "kind": Kind.INTERVIEW,
        "suite": SUITE_X_WING,
        "epoch_hash": epoch_hash,
        "index": 3,
        "sequence": 5,
        "previous": epoch_hash,
        "instance_id": bytes(range(16)),
        "parents": (bytes(range(16, 32)),),
        "form_version_hash": FORM,
        "dictionary_hash": bytes(32),
        "certificate_hash": CERTIFICATE,
    }
    return Header(**(members | changed))  # type: ignore[arg-type]


@cache
def sealed(suite: int = SUITE_X_WING) -> Sealed:
    """Seal once and for all tests: sealing is randomised, opening is not."""
    survey_key = SurveyKey(suite=suite, public_key=hpke.public_key(suite, SEED), mode="survey")
    epoch = make_epoch(
        survey_key=survey_key,
        certificate_hash=CERTIFICATE,
        signer=DEVICE,
        sequence=4,
        previous=bytes(32),
        nonce=NONCE,
        epoch_key=EPOCH_KEY,
    )
    epoch_hash = envelope.envelope_id(epoch)
    head = header(epoch_hash, suite=suite)
    content_key = ratchet.content_key(ratchet.advance(EPOCH_KEY, 3), epoch_hash, 3)
    body = envelope.seal_interview(
        header=head, content_key=content_key, signer=DEVICE, manifest=MANIFEST, instance_xml=XML
    )
    return Sealed(survey_key, epoch, content_key, head, body)
