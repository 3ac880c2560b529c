"""Write the envelope vectors: ``python -m tests.vectors.make_envelope_vectors``. They freeze with the byte layout.

Sealing is randomised, so a vector is what one sealing gave; opening it is what every implementation must agree on.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sync_protocol import envelope, hpke, ratchet
from sync_protocol.constants import SUITE_X25519, SUITE_X_WING
from tests.sync_protocol.sealed import CERTIFICATE, DEVICE_PUBLIC, EPOCH_KEY, FORM, MANIFEST, NONCE, SEED, XML, sealed

FOLDER = Path(__file__).parent / "envelope"


def vectors() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and members of each vector; all bytes are hexadecimal."""
    yield (
        "x_wing_seed",
        {
            "seed": SEED.hex(),
            "expanded": hpke.expand_seed(SEED).hex(),
            "public_key": hpke.public_key(SUITE_X_WING, SEED).hex(),
        },
    )
    yield (
        "ratchet",
        {
            "epoch_key": EPOCH_KEY.hex(),
            "epoch_hash": FORM.hex(),
            "content_keys": [ratchet.EpochKeys(EPOCH_KEY, FORM).content_key(index).hex() for index in (0, 1, 2, 4095)],
            "indices": [0, 1, 2, 4095],
        },
    )
    for name, suite in (("x_wing", SUITE_X_WING), ("x25519", SUITE_X25519)):
        told = sealed(suite)
        yield (
            f"epoch_{name}",
            {
                "suite": suite,
                "seed": SEED.hex(),
                "mode": told.survey_key.mode,
                "survey_key_hash": told.survey_key.certificate_hash.hex(),
                "signing_public_key": DEVICE_PUBLIC.hex(),
                "certificate_hash": CERTIFICATE.hex(),
                "nonce": NONCE.hex(),
                "envelope": told.epoch.hex(),
                "envelope_id": envelope.envelope_id(told.epoch).hex(),
                "epoch_key": EPOCH_KEY.hex(),
            },
        )
        yield (
            f"interview_{name}",
            {
                "signing_public_key": DEVICE_PUBLIC.hex(),
                "content_key": told.content_key.hex(),
                "envelope": told.interview.hex(),
                "envelope_id": envelope.envelope_id(told.interview).hex(),
                "manifest": MANIFEST.encode().decode(),
                "instance_xml": XML.decode(),
            },
        )
    yield from failing()


def failing() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield vectors of which each has one failure, and the code that names it."""
    told = sealed()
    whole = told.interview
    start = told.header.length_bytes
    places = {"header": 60, "body_first": start, "body_last": len(whole) - 65, "signature": len(whole) - 1}
    for name, position in places.items():
        altered = bytearray(whole)
        altered[position] ^= 1
        yield f"fails_flipped_{name}", _failing(bytes(altered), "signature-invalid")
    yield "fails_truncated", _failing(whole[:200], "truncated")
    yield "fails_one_byte_more", _failing(whole + b"\x00", "signature-invalid")
    for name, position, value, code in (
        ("magic", 0, 0, "malformed"),
        ("version", 4, 2, "unknown-version"),
        ("suite", 5, 9, "unknown-suite"),
        ("kind", 6, 9, "unknown-kind"),
        ("index", 40, 255, "index-too-high"),
    ):
        altered = bytearray(whole)
        altered[position] = value
        yield f"fails_{name}", _failing(bytes(altered), code)


def _failing(body: bytes, code: str) -> dict[str, Any]:
    return {"signing_public_key": DEVICE_PUBLIC.hex(), "envelope": body.hex(), "code": code}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for title, members in vectors():
        (FOLDER / f"{title}.json").write_text(json.dumps(members, indent=1) + "\n", encoding="utf-8")
