"""What a device says of what it holds."""

from dataclasses import dataclass

from sync_protocol.transitions import Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class FormVersion:
    """A form version on the device."""

    hash: bytes
    form_id: str
    version: str
    title: str
    state: str
    xform: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the server found when it opened an envelope."""

    instance_id: bytes
    envelope_id: bytes
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class StoredEnvelope:
    """Where an envelope stands: its number in the device's chain, its fate, and the server's number for it."""

    envelope_id: bytes
    sequence: int
    fate: Fate
    code: int | None
    server_sequence: int | None
