"""What an interview counts as: its household, whether it weighs, and why not. Sealed with the interview."""

import json
from dataclasses import dataclass
from typing import Any, Final, Self

from server.keystore import KeyStore
from sync_protocol.documents import canonical_json

CONTEXT: Final = b"interview:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The standing of an interview.

    Attributes:
        household_key: after decisions; None where the form asks for none.
        weighs: it enters estimates: not excluded, not held (K1, K3), and of a K2 pair the provisional primary.
        is_primary: False for the other interviews under one household key.
        outcome: the final result code of the interview, None where the form asks for none.
        decided: keep | reassign | exclude, None where nobody has decided.
        enumerator: the code in the answers.
        findings: codes and places of structural findings, never values.
    """

    household_key: str | None
    weighs: bool
    is_primary: bool
    outcome: str | None
    decided: str | None
    enumerator: str | None
    findings: tuple[tuple[str, str], ...] = ()

    def seal(self, interview_id: bytes, keystore: KeyStore) -> bytes:
        """Seal the standing under the projection key; bound to the interview."""
        return keystore.seal_projection(canonical_json(self.members()), CONTEXT + interview_id)

    def members(self) -> dict[str, Any]:
        """Return the members as JSON knows them; `dataclasses.asdict` would copy each of them."""
        return {
            "household_key": self.household_key,
            "weighs": self.weighs,
            "is_primary": self.is_primary,
            "outcome": self.outcome,
            "decided": self.decided,
            "enumerator": self.enumerator,
            "findings": self.findings,
        }

    @classmethod
    def open(cls, sealed: bytes, interview_id: bytes, keystore: KeyStore) -> Self:
        """Open a sealed standing."""
        members = json.loads(keystore.open_projection(sealed, CONTEXT + interview_id))
        members["findings"] = tuple((code, path) for code, path in members["findings"])
        return cls(**members)
