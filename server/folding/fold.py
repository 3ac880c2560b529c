"""Folding a batch: revisions, the interviews they touch, and what devices are told, in one transaction.

The outcome depends on the set of envelopes, decisions and imported tables only. A batch touches whole interviews and
whole household groups, so folding it is folding everything.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from server.db.queries import interviews as queries
from server.db.queries.handovers import GivenBack
from server.db.queries.interviews import StoredInterview, StoredRevision
from server.folding import holds, returns
from server.folding.decisions import Decided
from server.folding.holds import Held
from server.folding.opener import OpenedDecision, OpenedInterview
from server.folding.profile import Summary
from server.folding.returns import ReturnedRevision
from server.keystore import KeyStore
from server.microdata import Standing
from sync_protocol import reconcile
from sync_protocol.reconcile import FoldedInterview, Revision

Key = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """An opened interview and the row of the part that holds its answers."""

    opened: OpenedInterview
    part_id: int
    row: int


@dataclass(frozen=True, slots=True)
class Refolded:
    """What folding wrote.

    Attributes:
        held: every interview that was written, by id.
        names: the interview of each instanceID that was folded.
        given_back: what the office gave back of them, or wants back no longer, that devices have not been told.
    """

    held: Mapping[bytes, Held]
    names: Mapping[bytes, bytes]
    given_back: Sequence[GivenBack] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One interview as it is about to be stored."""

    folded: FoldedInterview
    current: StoredRevision
    held: Held
    review: str


def store_revisions(session: Session, filed: Sequence[Filed], keystore: KeyStore) -> frozenset[bytes]:
    """Store the revisions of a batch; return the instanceIDs that they touch."""
    known = {
        (row.instance_id, row.answers_hash): row
        for row in queries.revisions_of_instances(session, (item.opened.revision.instance_id for item in filed))
    }
    wanted: dict[Key, dict[str, Any]] = {}
    for item in filed:
        key = item.opened.revision.key
        if key in wanted:
            wanted[key] = _merged(wanted[key], item, keystore)
        elif key in known:
            wanted[key] = _merged({name: getattr(known[key], name) for name in _COLUMNS}, item, keystore)
        else:
            wanted[key] = _row(item, keystore)
    queries.add_revisions(
        session, [{name: row[name] for name in _STORED} for key, row in wanted.items() if key not in known]
    )
    for key in wanted.keys() & known.keys():
        queries.merge_revision(session, known[key].revision_id, **{name: wanted[key][name] for name in _MERGED})
    queries.add_edges(
        session,
        ((item.opened.revision.instance_id, parent) for item in filed for parent in item.opened.revision.parents),
    )
    return frozenset(item.opened.revision.instance_id for item in filed)


def _row(item: Filed, keystore: KeyStore) -> dict[str, Any]:
    opened = item.opened
    revision = opened.revision
    return {
        "instance_id": revision.instance_id,
        "answers_hash": revision.answers_hash,
        "envelope_sequence": opened.envelope.sequence,
        "envelope_id": revision.envelope_id,
        "interview_id": revision.instance_id,
        "form_version_hash": revision.form_version_hash,
        "mode": revision.mode,
        "project": revision.project,
        "role": revision.role,
        "source": opened.source[:200],
        "device_time": opened.device_time[:64],
        "received_at": opened.envelope.received_at,
        "part_id": item.part_id,
        "row": item.row,
        "sealed": opened.summary.seal(revision.answers_hash, keystore),
    }


_OF_COPY = (
    *("envelope_id", "envelope_sequence", "form_version_hash", "mode"),
    *("part_id", "row", "sealed", "source", "device_time"),
)
_MERGED = (*_OF_COPY, "role", "received_at")
_COLUMNS = ("instance_id", "answers_hash", "project", *_MERGED)
_STORED = ("instance_id", "answers_hash", "interview_id", *_MERGED)


def _merged(known: Mapping[str, Any], item: Filed, keystore: KeyStore) -> dict[str, Any]:
    """Merge a further copy of a revision as `reconcile` merges them, so that arrival does not matter.

    What surrounds the answers is that of the copy whose envelope is kept; it came when the first of them came.
    """
    (merged,) = reconcile.unique((_revision(known, ()), item.opened.revision))
    row = _row(item, keystore)
    taken = dict(known) | {"role": merged.role, "received_at": min(known["received_at"], row["received_at"])}
    if merged.envelope_id != known["envelope_id"]:
        taken |= {name: row[name] for name in (*_OF_COPY, "project")}
    return taken


def _revision(row: Any, parents: Iterable[bytes]) -> Revision:
    members = row if isinstance(row, Mapping) else {name: getattr(row, name) for name in _REVISION}
    return Revision(**{name: members[name] for name in _REVISION}, parents=tuple(parents))


_REVISION = ("instance_id", "answers_hash", "envelope_id", "form_version_hash", "role", "mode", "project")


def refold(
    session: Session, touched: Iterable[bytes], *, keystore: KeyStore, now: datetime, filed: Sequence[Filed] = ()
) -> Refolded:
    """Fold again every interview that holds one of these instanceIDs.

    Args:
        session: of the transaction.
        touched: (16,) instanceIDs.
        keystore: opens and seals what is stored of them.
        now: when this is done.
        filed: what was opened just now, so that its summaries need not be unsealed again.
    """
    fresh = {item.opened.envelope.envelope_id: item.opened.summary for item in filed}
    nodes, edges = queries.connected(session, touched)
    rows = queries.revisions_of_instances(session, nodes)
    if not rows:
        return Refolded({}, {})
    parents: dict[bytes, list[bytes]] = {}
    for child, parent in edges:
        parents.setdefault(child, []).append(parent)
    by_key = {(row.instance_id, row.answers_hash): row for row in rows}
    decided = Decided.load(session, nodes, keystore)
    revisions = (_revision(row, parents.get(row.instance_id, ())) for row in rows)
    folded = reconcile.fold(revisions, decided.resolutions)
    before = _name_revisions(session, folded, by_key, rows)
    places = _places(session, folded, by_key, decided, keystore, fresh)
    held = _write(session, places, before, keystore=keystore, now=now)
    given = returns.given_back(session, _returned(folded, by_key, decided, keystore))
    return Refolded(held, _names(folded), returns.changed(session, given))


def _returned(
    folded: Iterable[FoldedInterview], by_key: Mapping[Key, StoredRevision], decided: Decided, keystore: KeyStore
) -> Iterator[ReturnedRevision]:
    for interview in folded:
        for given in decided.returns(members_of(interview), interview.current):
            row = by_key.get(given.revision)
            if row is not None:
                yield ReturnedRevision(
                    interview_id=interview.interview_id,
                    given=given,
                    form_version_hash=row.form_version_hash,
                    project=row.project,
                    summary=Summary.open(row.sealed, row.answers_hash, keystore),
                    source=row.source,
                )


def _names(folded: Iterable[FoldedInterview]) -> dict[bytes, bytes]:
    return {
        key[0]: interview.interview_id
        for interview in folded
        for key in (interview.current, *interview.conflicts, *interview.superseded)
    }


def heads_of(session: Session, interview_id: bytes) -> tuple[Key, ...]:
    """Return the revisions of an interview that no other supersedes, whatever was decided about them; sorted."""
    nodes, edges = queries.connected(session, [interview_id])
    parents: dict[bytes, list[bytes]] = {}
    for child, parent in edges:
        parents.setdefault(child, []).append(parent)
    rows = queries.revisions_of_instances(session, nodes)
    if not rows:
        return ()
    folded = reconcile.fold_component(_revision(row, parents.get(row.instance_id, ())) for row in rows)
    return tuple(sorted((folded.current, *folded.conflicts)))


def _name_revisions(
    session: Session,
    folded: Sequence[FoldedInterview],
    by_key: Mapping[tuple[bytes, bytes], StoredRevision],
    rows: Sequence[StoredRevision],
) -> tuple[StoredInterview, ...]:
    """Give revisions the name of their interview; return the interviews that there were before."""
    names: dict[int, bytes] = {}
    for interview in folded:
        for key in (interview.current, *interview.conflicts, *interview.superseded):
            if by_key[key].interview_id != interview.interview_id:
                names[by_key[key].revision_id] = interview.interview_id
    queries.name_interviews(session, names)
    # Any member may have lent its name while its root was missing.
    former = {row.interview_id for row in rows} | {row.instance_id for row in rows}
    current = {interview.interview_id for interview in folded}
    before = queries.interviews_by_id(session, former | current)
    queries.remove_interviews(session, {row.interview_id for row in before} - current)
    return before


def members_of(interview: FoldedInterview) -> frozenset[bytes]:
    """Return the instanceIDs of an interview, its root among them though it may not have come."""
    keys = (interview.current, *interview.conflicts, *interview.superseded)
    return frozenset((interview.interview_id, *(key[0] for key in keys)))


def _places(
    session: Session,
    folded: Sequence[FoldedInterview],
    by_key: Mapping[tuple[bytes, bytes], StoredRevision],
    decided: Decided,
    keystore: KeyStore,
    fresh: Mapping[bytes, Summary],
) -> list[Place]:
    members = {interview.interview_id: members_of(interview) for interview in folded}
    settlements = {name: decided.settlement(members[name]) for name in members}
    summaries = {
        interview.interview_id: fresh.get(row.envelope_id) or Summary.open(row.sealed, row.answers_hash, keystore)
        for interview in folded
        for row in (by_key[interview.current],)
    }
    keys = {name: holds.household_key_of(summary, settlements[name]) for name, summary in summaries.items()}
    tags = {key: keystore.household_tag(key) for key in keys.values() if key is not None}
    draw = queries.drawn_places(session, tags.values())
    places: list[Place] = []
    for interview in folded:
        key, project = keys[interview.interview_id], by_key[interview.current].project
        held = holds.stand_alone(
            interview.interview_id,
            summaries[interview.interview_id],
            settlements[interview.interview_id],
            mode=interview.mode,
            place=None if key is None else draw.place(project, tags[key]),
            has_draw=project == draw.project,
        )
        review = decided.review(members[interview.interview_id], interview.current)
        places.append(Place(folded=interview, current=by_key[interview.current], held=held, review=review))
    return places


def _write(
    session: Session,
    places: Sequence[Place],
    before: Sequence[StoredInterview],
    *,
    keystore: KeyStore,
    now: datetime,
) -> dict[bytes, Held]:
    """Write interviews and everyone who shares a household with them, before or after.

    Households are of a project: in another one the same key is of somebody else.
    """
    form_ids = queries.form_ids(session, (place.current.form_version_hash for place in places))
    own = {place.folded.interview_id: place for place in places}
    tags = {
        name: None if (key := place.held.standing.household_key) is None else keystore.household_tag(key)
        for name, place in own.items()
    }
    shared = {tag for tag in (*tags.values(), *(row.household_tag for row in before)) if tag is not None}
    mates = [row for row in queries.interviews_by_tag(session, shared) if row.interview_id not in own]
    held = _together(own, tags, mates, keystore)
    stored = {row.interview_id: row for row in mates}
    lines = [
        _interview_row(held[name], own.get(name), tags.get(name), stored.get(name), form_ids, keystore, now)
        for name in sorted(held)
    ]
    queries.put_interviews(session, lines)
    return held


def _together(
    own: Mapping[bytes, Place], tags: Mapping[bytes, bytes | None], mates: Sequence[StoredInterview], keystore: KeyStore
) -> dict[bytes, Held]:
    groups: dict[tuple[int, str, bytes], list[Held]] = {}
    held: dict[bytes, Held] = {}
    for name, place in own.items():
        tag = tags[name]
        if tag is None:
            held[name] = place.held
        else:
            groups.setdefault((place.current.project, place.folded.mode, tag), []).append(place.held)
    for row in mates:
        standing = Standing.open(row.sealed, row.interview_id, keystore)
        mate = Held(
            interview_id=row.interview_id, standing=standing, holds=tuple(part for part in row.holds.split(",") if part)
        )
        groups.setdefault((row.project, row.mode, row.household_tag or b""), []).append(mate)
    for group in groups.values():
        held |= {item.interview_id: item for item in holds.stand_together(group)}
    return held


def _interview_row(
    held: Held,
    place: Place | None,
    tag: bytes | None,
    mate: StoredInterview | None,
    form_ids: Mapping[bytes, str],
    keystore: KeyStore,
    now: datetime,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "interview_id": held.interview_id,
        "holds": ",".join(held.holds),
        "sealed": held.standing.seal(held.interview_id, keystore),
        "updated_at": now,
    }
    if place is not None:
        return row | {
            "form_id": form_ids[place.current.form_version_hash],
            "mode": place.folded.mode,
            "state": place.folded.state.value,
            "current_revision_id": place.current.revision_id,
            "household_tag": tag,
            "review": place.review,
        }
    if mate is None:
        raise LookupError("an interview is neither folded now nor stored")
    return row | {
        "form_id": mate.form_id,
        "mode": mate.mode,
        "state": mate.state,
        "current_revision_id": mate.current_revision_id,
        "household_tag": mate.household_tag,
        "review": mate.review,
    }


def decided_instances(decisions: Iterable[OpenedDecision]) -> frozenset[bytes]:
    """Return the instanceIDs that decisions are about."""
    return frozenset(parent for item in decisions for parent in item.header.parents)
