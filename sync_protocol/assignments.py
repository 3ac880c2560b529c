"""The drawn households of a PSU, sealed to the receiving key of the one device that visits them.

The names of heads and their positions are direct identifiers: they leave the server sealed and stay so on the tablet.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sync_protocol import hpke
from sync_protocol.constants import SUITE_X25519
from sync_protocol.errors import RemoteError
from sync_protocol.pull_items import AssignmentsPull

INFO_LABEL = b"passerelle/1 assignments\x00"


@dataclass(frozen=True, slots=True)
class Household:
    """One drawn household: its key, the name of its head, and where it lives (free text or coordinates)."""

    household_key: str
    head: str
    position: str


def seal_assignments(
    households: Sequence[Household], *, psu: str, device_id: str, receiving_key: bytes
) -> AssignmentsPull:
    """Seal the households of one PSU to a device.

    Args:
        households: all of them: what the device held for this PSU before is replaced.
        psu: the primary sampling unit.
        device_id: of the device; bound into the seal.
        receiving_key: (32,) raw X25519 public key of the device's certificate.
    """
    members = [
        {"household_key": household.household_key, "head": household.head, "position": household.position}
        for household in households
    ]
    plaintext = json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    return AssignmentsPull(
        psu=psu,
        households=tuple(household.household_key for household in households),
        sealed=hpke.seal(SUITE_X25519, receiving_key, plaintext, _info(psu, device_id)),
    )


def open_assignments(sealed: bytes, *, psu: str, device_id: str, receiving_seed: bytes) -> tuple[Household, ...]:
    """Open the households of one PSU.

    Raises:
        RemoteError: ``undecryptable`` when it was sealed to another key, device or PSU; ``malformed``.
    """
    plaintext = hpke.open_(SUITE_X25519, receiving_seed, sealed, _info(psu, device_id))
    try:
        return tuple(_household(members) for members in json.loads(plaintext))
    except (ValueError, TypeError, KeyError):
        raise RemoteError("malformed", "the sealed assignments are not a list of households") from None


def _household(members: Any) -> Household:
    return Household(
        household_key=str(members["household_key"]),
        head=str(members.get("head", "")),
        position=str(members.get("position", "")),
    )


def _info(psu: str, device_id: str) -> bytes:
    """Bind the seal to device and PSU; device ids hold no zero byte, so the parts cannot run into each other."""
    return INFO_LABEL + device_id.encode("utf-8") + b"\x00" + psu.encode("utf-8")
