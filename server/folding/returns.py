"""Interviews that the office gives back: which revisions, to whom, and whether it still wants them back.

A projection of decisions and revisions, like an interview. A row is never removed: a device that was told of it must
hear that it is settled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from sqlalchemy.orm import Session

from server.db.queries import handovers
from server.db.queries.handovers import OPEN, SETTLED, GivenBack
from server.db.queries.interviews import StoredRevision
from server.folding.decisions import Return
from server.folding.profile import Summary
from server.keystore import KeyStore
from sync_protocol.documents import canonical_json

Lines = Mapping[bytes, bytes]
"""By the instanceID of what was given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedRevision:
    """A revision that the office ever gave back, with what names its enumerator: its answers, else who sent it.

    Attributes:
        source: device id or name of the app user.
    """

    interview_id: bytes
    given: Return
    form_version_hash: bytes
    project: int
    summary: Summary
    source: str


@dataclass(frozen=True, slots=True)
class Addressee:
    """An enumerator, empty where nobody can be named, and how many enrolled tablets of the project are in use there."""

    enumerator: str
    tablets: int


def given_back(session: Session, returned: Iterable[ReturnedRevision]) -> list[GivenBack]:
    """Return the rows of these; the session is asked for the enumerators of senders only."""
    known = list(returned)
    senders = handovers.sender_enumerators(session, (one.source for one in known if not one.summary.enumerator))
    return [
        GivenBack(
            instance_id=one.given.revision[0],
            interview_id=one.interview_id,
            form_version_hash=one.form_version_hash,
            project_id=one.project,
            enumerator=(one.summary.enumerator or senders.get(one.source, ""))[:200],
            state=OPEN if one.given.is_open else SETTLED,
            decision_id=one.given.decision_id,
        )
        for one in known
    ]


def addressee(session: Session, revision: StoredRevision, keystore: KeyStore) -> Addressee:
    """Return to whom a revision would be given back.

    Raises:
        KeyStoreLocked: without the vault.
    """
    summary = Summary.open(revision.sealed, revision.answers_hash, keystore)
    enumerator = summary.enumerator or handovers.sender_enumerators(session, [revision.source]).get(revision.source, "")
    tablets = handovers.count_tablets(session, project_id=revision.project, enumerator=enumerator)
    return Addressee(enumerator, tablets)


def changed(session: Session, rows: Iterable[GivenBack]) -> list[GivenBack]:
    """Return the rows that are stored otherwise."""
    wanted = list(rows)
    stored = handovers.given_back(session, (one.instance_id for one in wanted))
    return [one for one in wanted if stored.get(one.instance_id) != one]


def lines(rows: Iterable[GivenBack]) -> Lines:
    """Return the canonical lines of what was given back."""
    return {row.instance_id: canonical_json(["returned", *_plain(asdict(row))]) for row in rows}


def stored_lines(session: Session) -> Lines:
    """Return the lines of everything that is stored as given back."""
    return lines(handovers.all_given_back(session))


def _plain(members: Mapping[str, object]) -> list[object]:
    return [value.hex() if isinstance(value, bytes) else value for value in members.values()]
