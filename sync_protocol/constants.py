"""Numbers, labels and limits of the protocol. They freeze on first use: changing one makes another protocol.

Each label separates one use of a key or hash from every other; limits bound what a hostile sender can cost.
"""

from enum import IntEnum
from typing import Final

VERSION: Final = 1
"""Of the exchange; the server supports this one and the one before it."""

ENVELOPE_VERSION: Final = 1
MAGIC: Final = b"PSRL"

SUITE_X_WING: Final = 1
"""HPKE with X-Wing (MLKEM768_X25519), HKDF-SHA256, AES-256-GCM; Cobblestone256; Ed25519."""
SUITE_X25519: Final = 2
"""As 1, with X25519 in the place of X-Wing."""


class Kind(IntEnum):
    """What an envelope is."""

    EPOCH = 1
    INTERVIEW = 2
    DRAFT = 3
    ATTACHMENT = 4
    DECISION = 5


MODES: Final = ("survey", "training", "pilot")

HASH_BYTES: Final = 32
INSTANCE_ID_BYTES: Final = 16
SIGNATURE_BYTES: Final = 64
KEY_ID_BYTES: Final = 8
PARENTS: Final = 255
DEVICE_TIME_CHARACTERS: Final = 64
APP_USER_CHARACTERS: Final = 200
MEDIUM_CHARACTERS: Final = 255
"""Of a file name, as file systems have it; of a type, a hash and a key less would do."""

LABEL_CONTENT_KEY: Final = b"passerelle/1 cek"
LABEL_NEXT_KEY: Final = b"passerelle/1 next"
LABEL_EPOCH: Final = b"passerelle/1 epoch"
LABEL_ENVELOPE: Final = b"passerelle/1 envelope"
LABEL_MEDIUM: Final = b"passerelle/1 medium"
LABEL_STATE: Final = b"passerelle/1 state"
LABEL_HANDOVER: Final = b"passerelle/1 handover"
LABEL_ENTITIES: Final = b"passerelle/1 entities"

RATCHET_STEPS: Final = 4096
"""In an epoch: a hostile index must not cost seconds."""
BUCKET_BYTES: Final = 128
"""Sealed plaintexts are padded with zeros up to a multiple of this."""

ENVELOPE_BYTES: Final = 1 << 20
EXCHANGE_BYTES: Final = 4 << 20
EXCHANGE_ENVELOPES: Final = 500
CONTROL_BYTES: Final = 256 << 10
INFLATE_RATIO: Final = 200
DICTIONARY_BYTES: Final = 32 << 10
"""Of a form's dictionary: deflate looks back no further."""
MEDIUM_BYTES: Final = 256 << 20
PART_BYTES: Final = 4 << 20
"""Of one part of a medium."""
FIRST_PART_BYTES: Final = 16 << 10
"""Parts double when they arrive, and halve when they are cut."""
PLAINTEXT_BYTES: Final = 4 << 20
"""Inflated manifest and instance XML together; an instance itself has at most 1 MiB."""
