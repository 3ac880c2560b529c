"""Making the keys of a new office."""

import json
import os
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from server.keystore.files import (
    KEYRING_FILE,
    SERVICE_FILE,
    issuer_name,
    office_name,
    receipt_name,
    write_private,
)
from server.keystore.keys import DOOR_ID, OFFICE_ID, SigningKey
from server.keystore.vault import KEY_BYTES, wrap
from sync_protocol import hpke
from sync_protocol.constants import MODES, SUITE_X_WING
from sync_protocol.documents import DeviceCertificate, encode_bytes, key_id
from sync_protocol.keyring import Keyring, SurveyKey


def make_files(directory: Path, passphrase: str | None, root_key_path: Path, now: datetime) -> None:
    """Draw every key, and write each file whole or not at all; the service file, which makes a store, last."""
    root = Ed25519PrivateKey.generate()
    seeds = {name: os.urandom(KEY_BYTES) for name in ("issuer", "receipt", "door", "decision")}
    keys = {name: SigningKey(seed) for name, seed in seeds.items()}
    survey_seeds = {mode: hpke.generate_seed(os.urandom) for mode in MODES}
    survey_keys = tuple(
        SurveyKey(suite=SUITE_X_WING, public_key=hpke.public_key(SUITE_X_WING, seed), mode=mode)
        for mode, seed in survey_seeds.items()
    )
    keyring = Keyring(
        serial=1,
        root_key=root.public_key().public_bytes_raw(),
        issuer_keys=(keys["issuer"].public_bytes,),
        survey_keys=survey_keys,
        receipt_keys=(keys["receipt"].public_bytes,),
        decision_keys=(keys["decision"].public_bytes,),
    )
    service = {
        "root_public": keyring.root_key,
        issuer_name(keys["issuer"].public_bytes): seeds["issuer"],
        receipt_name(keys["receipt"].public_bytes): seeds["receipt"],
        "door": seeds["door"],
        "door_tag": os.urandom(KEY_BYTES),
        "session": os.urandom(KEY_BYTES),
        "door_certificate": own_certificate(DOOR_ID, "door", keys["door"], now).issue(keys["issuer"]),
        office_name(keys["decision"].public_bytes): own_certificate(OFFICE_ID, "manager", keys["decision"], now).issue(
            keys["issuer"]
        ),
    }
    vault = {
        "survey": {key.id: encode_bytes(survey_seeds[key.mode]) for key in survey_keys},
        "microdata": {store: encode_bytes(os.urandom(KEY_BYTES)) for store in ("analysis", "identifiers")},
        "projection": encode_bytes(os.urandom(KEY_BYTES)),
        "index": encode_bytes(os.urandom(KEY_BYTES)),
        "decision": {key_id(keys["decision"].public_bytes): encode_bytes(seeds["decision"])},
    }
    pem = root.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    root_key_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(root_key_path, pem)
    write_private(directory / KEYRING_FILE, keyring.sign(root))
    wrap(directory, vault, passphrase)
    encoded = {name: encode_bytes(value) for name, value in service.items()}
    write_private(directory / SERVICE_FILE, json.dumps(encoded).encode())


def own_certificate(device_id: str, role: str, key: SigningKey, now: datetime) -> DeviceCertificate:
    """Certify a key of the server itself; nothing is ever sealed to it, so its receiving key is thrown away."""
    return DeviceCertificate(
        device_id=device_id,
        signing_key=key.public_bytes,
        receiving_key=X25519PrivateKey.generate().public_key().public_bytes_raw(),
        role=role,
        enumerator="",
        team="",
        issued_at=now.isoformat(timespec="seconds"),
    )
