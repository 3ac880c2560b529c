"""Which stored interviews weigh in an estimate, and what identifies exactly these inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.statistics.hh_remit.answers import Answers

#: Columns beside the answers that say how an interview stands.
STANDING: Final = ("_interview_id", "_household_key", "_answers_hash", "_weighs", "_holds")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The interviews of a computation.

    Args:
        answers: of those that weigh, by household key.
        provisional: weigh, but share their household key with another one that a person has not settled yet (K2).
        held: do not weigh because a person must decide first, or has excluded them.
        late: came after the cut-off and are left out, with all their revisions.
        fingerprint: SHA-256 of the sorted interviews, each with the hash of its answers and its household.
    """

    answers: Mapping[str, Answers]
    provisional: int
    held: int
    late: int
    fingerprint: bytes


def choose(rows: Iterable[Answers], first_received: Mapping[str, datetime], cut_off: datetime) -> Chosen:
    """Choose the interviews that weigh.

    An interview counts as received when its first revision was; what it says is its current revision.

    Args:
        rows: current answers with the columns of ``STANDING``.
        first_received: when the first revision came, by interview id in hexadecimal.
        cut_off: interviews that came later are left out.
    """
    answers: dict[str, Answers] = {}
    inputs: list[list[str]] = []
    provisional = held = late = 0
    for row in sorted(rows, key=lambda one: str(one["_interview_id"])):
        received = first_received.get(row["_interview_id"])
        if received is None or received > cut_off:
            late += 1
            continue
        key = row["_household_key"]
        if not row["_weighs"] or key is None or key in answers:
            held += 1
            continue
        provisional += bool(row["_holds"])
        answers[key] = row
        inputs.append([row["_interview_id"], row["_answers_hash"], key])
    fingerprint = hashlib.sha256(json.dumps(inputs, separators=(",", ":")).encode()).digest()
    return Chosen(answers, provisional, held, late, fingerprint)
