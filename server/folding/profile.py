"""What folding knows of a survey: the questions that say which household, which mode, which outcome, who asked.

A form that has none of them folds all the same; nothing of it is ever held.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from server.keystore import KeyStore
from sync_protocol.documents import canonical_json

HOUSEHOLD_KEY: Final = "household_key"
MODE: Final = "a_mode"
OUTCOME: Final = "j_result"
ENUMERATOR: Final = "enumerator_id"
OUTCOME_ORDER: Final = ("110", "120")
"""Complete before partial (AAPOR 1.1, 1.2) before all else, where one of two interviews must count for now."""

CONTEXT: Final = b"revision:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What folding needs of one revision's answers again and again; sealed with the revision."""

    household_key: str | None
    mode: str | None
    outcome: str | None
    enumerator: str | None
    findings: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, answers: Mapping[str, Any], findings: tuple[tuple[str, str], ...]) -> Self:
        """Take the summary from analysis answers and the (code, path) of findings."""
        return cls(
            household_key=_text(answers, HOUSEHOLD_KEY),
            mode=_text(answers, MODE),
            outcome=_text(answers, OUTCOME),
            enumerator=_text(answers, ENUMERATOR),
            findings=findings,
        )

    def seal(self, answers_hash: bytes, keystore: KeyStore) -> bytes:
        """Seal the summary; bound to its answers."""
        return keystore.seal_projection(canonical_json(self.members()), CONTEXT + answers_hash)

    def members(self) -> dict[str, Any]:
        """Return the members as JSON knows them; `dataclasses.asdict` would copy each of them."""
        return {
            "household_key": self.household_key,
            "mode": self.mode,
            "outcome": self.outcome,
            "enumerator": self.enumerator,
            "findings": self.findings,
        }

    @classmethod
    def open(cls, sealed: bytes, answers_hash: bytes, keystore: KeyStore) -> Self:
        """Open a sealed summary."""
        members = json.loads(keystore.open_projection(sealed, CONTEXT + answers_hash))
        members["findings"] = tuple((code, path) for code, path in members["findings"])
        return cls(**members)


def _text(answers: Mapping[str, Any], name: str) -> str | None:
    value = answers.get(name)
    return value if isinstance(value, str) else None
