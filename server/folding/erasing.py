"""Erasure: withdrawal of consent, folded like any decision of the office, and for ever.

What is erased is what the decision lists (every instance of the interview's graph when the second person agreed) and
whatever descends from it, now or later: nothing that arrives can undo it, in any order. Rows of envelopes stay as
tombstones without bytes; revisions, media, entities' changes, checks, drafts, verdicts, and decisions about them go;
microdata files are written anew without their rows. Releases that are published stay as they are.

A late envelope falls by its instanceID or by a parent of it. One that falls by its parent alone is emptied by itself
and names no further instance: a tablet that writes somebody else's instanceID under an erased parent erases nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from server.blobs import Blobs
from server.db.engine import Database
from server.db.queries import erasures, feed, interviews, opening, schedule
from server.db.queries.erasures import ERASE, NewErasure
from server.db.sqlite_log import truncate_log
from server.db.tables.accounts import FIRST_PROJECT
from server.errors import KeyStoreSealed, Problem
from server.folding import reading
from server.folding.media import nameable
from server.folding.opener import OpenedDecision, OpenedDraft
from server.keystore import KeyStore
from server.microdata import Microdata
from server.partials import Partials
from server.persons import is_same_person
from sync_protocol.constants import INSTANCE_ID_BYTES
from sync_protocol.envelope import NO_HASH, Header, peek
from sync_protocol.errors import EnvelopeError

Came = Iterable[tuple[bytes, Sequence[bytes]]]
"""InstanceID and parents of what was opened just now."""
_UNKNOWN: Final = NO_HASH
"""In the place of a decision where only a tombstone says that a parent is erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What an erasure took in one transaction, and what is left to do.

    Attributes:
        instance_ids: erased now.
        sequences: numbers of drafts and unopened interviews that went for their parents alone.
        neighbours: instanceIDs of interviews to fold again: of the same household, or of the same graph.
        entities: list and entity id of those to fold again.
        blobs: to be removed after the commit.
        files: microdata files to be removed after the commit.
        erasures: to be kept in the feed.
    """

    instance_ids: frozenset[bytes] = frozenset()
    sequences: frozenset[int] = frozenset()
    neighbours: frozenset[bytes] = frozenset()
    entities: frozenset[tuple[int, bytes]] = frozenset()
    blobs: frozenset[bytes] = frozenset()
    files: tuple[str, ...] = ()
    erasures: tuple[NewErasure, ...] = field(default=())

    def took(self, instance_id: bytes | None, sequence: int) -> bool:
        """Say whether an envelope of the batch is erased now."""
        return instance_id in self.instance_ids or sequence in self.sequences


NOTHING: Final = Swept()


def erase_decision(
    instance_ids: Iterable[bytes], *, interview_id: bytes, project_id: int, proposed_by: str
) -> dict[str, Any]:
    """Return the members of a decision to erase, beside who agreed and why."""
    return {
        "action": ERASE,
        "interview": interview_id.hex(),
        "project": project_id,
        "instances": sorted(one.hex() for one in instance_ids),
        "proposed_by": proposed_by,
    }


def listed_instances(decision: Mapping[str, Any]) -> tuple[bytes, ...]:
    """Return the instances that a decision erases; none, when it erases nothing or was not made by two people."""
    people = (decision.get("proposed_by"), decision.get("user"))
    if decision.get("action") != ERASE or not all(isinstance(one, str) and one for one in people):
        return ()
    if is_same_person(*map(str, people)) or not isinstance(decision.get("instances"), list):
        return ()
    return tuple(found for one in decision["instances"] for found in _instance(one))


def _instance(written: object) -> tuple[bytes, ...]:
    try:
        found = bytes.fromhex(written)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ()
    return (found,) if len(found) == INSTANCE_ID_BYTES else ()


def sweep(
    session: Session,
    decisions: Sequence[OpenedDecision],
    came: Came,
    drafted: Sequence[OpenedDraft] = (),
    *,
    microdata: Microdata,
    keystore: KeyStore,
    now: datetime,
) -> Swept:
    """Erase what decisions of a batch erase, and what of the batch belongs to what is erased already.

    To be called when the batch is stored and before it is folded; an office without erasures pays one look.

    Args:
        session: of the fold, which holds its lock.
        decisions: those of the batch.
        came: what the batch opened, by instanceID and parents.
        drafted: the drafts of the batch.
        microdata: whose files are written anew.
        keystore: reads which media drafts and unopened interviews name. While it is locked, what descends from
            tombstones that came meanwhile is not looked for.
        now: goes into the tombstones.

    Raises:
        KeyStoreLocked: without the vault.
    """
    named = {one.instance_id: one for opened in decisions for one in _named(session, opened, now)}
    arrived = [(instance_id, tuple(parents)) for instance_id, parents in came]
    arrived += [(one.header.instance_id, ()) for one in drafted]
    if not named and not erasures.has_any(session):
        return NOTHING
    _forget_decisions(session, decisions, named)
    late = _late(session, arrived, named, now)
    if not keystore.is_locked:
        late |= _children_of_tombstones(session, now)
    wanted = _closed(session, named, late)
    fallen = _fallen(session, drafted, wanted)
    if not wanted and not fallen:
        return NOTHING
    return _take(session, wanted, fallen, microdata=microdata, keystore=keystore, now=now)


def take_listed(
    session: Session, listed: Iterable[NewErasure], *, microdata: Microdata, keystore: KeyStore, now: datetime
) -> Swept:
    """Erase what another machine of the office has erased, and what descends from it; the session holds the fold lock.

    Raises:
        KeyStoreLocked: without the vault.
    """
    wanted = {one.instance_id: one for one in listed}
    known, _ = erasures.known(session, wanted.keys())
    named = {instance_id: one for instance_id, one in wanted.items() if instance_id not in known}
    if not named:
        return NOTHING
    return _take(session, _closed(session, named, {}), (), microdata=microdata, keystore=keystore, now=now)


def _forget_decisions(session: Session, decisions: Sequence[OpenedDecision], named: Mapping[bytes, NewErasure]) -> None:
    """Empty the decisions of a batch about what is erased already, whichever of the two came first."""
    own, _ = erasures.known(session, {one for opened in decisions for one in opened.header.parents})
    erased = own | named.keys()
    about = [one for one in decisions if one.decision.get("action") != ERASE and erased & set(one.header.parents)]
    erasures.empty_decisions(session, (one.envelope.envelope_id for one in about))


def _named(session: Session, opened: OpenedDecision, now: datetime) -> list[NewErasure]:
    listed = listed_instances(opened.decision)
    root = next(iter(_instance(opened.decision.get("interview"))), listed[0] if listed else b"")
    project_id = _project(session, listed, opened.decision)
    return [
        NewErasure(
            instance_id=one,
            interview_id=root,
            project_id=project_id,
            decision_id=opened.envelope.envelope_id,
            erased_at=now,
        )
        for one in listed
    ]


def _project(session: Session, listed: Sequence[bytes], decision: Mapping[str, Any]) -> int:
    stated = decision.get("project")
    if isinstance(stated, int):
        return stated
    return erasures.project_of(session, listed[0], FIRST_PROJECT) if listed else FIRST_PROJECT


def _late(
    session: Session,
    arrived: Sequence[tuple[bytes, tuple[bytes, ...]]],
    named: Mapping[bytes, NewErasure],
    now: datetime,
) -> dict[bytes, NewErasure]:
    """Return what came in this batch and is erased by its own id or by a parent."""
    nodes = {node for instance_id, parents in arrived for node in (instance_id, *parents)}
    own, as_parent = erasures.known(session, nodes)
    former = {**erasures.decisions_of(session, nodes), **named}
    found: dict[bytes, NewErasure] = {}
    for instance_id, parents in arrived:
        cause = next((one for one in parents if one in as_parent or one in named), None)
        if instance_id in own or instance_id in named:
            found[instance_id] = former[instance_id]
        elif cause is not None:
            origin = former.get(cause) or NewErasure(
                instance_id=cause, interview_id=cause, project_id=FIRST_PROJECT, decision_id=_UNKNOWN, erased_at=now
            )
            found[instance_id] = replace(origin, instance_id=instance_id)
    return found


def _fallen(session: Session, drafted: Sequence[OpenedDraft], wanted: Mapping[bytes, NewErasure]) -> list[int]:
    """Return the numbers of drafts that edit what is erased. Each falls by itself: a draft stands in no graph."""
    _, as_parent = erasures.known(session, {parent for one in drafted for parent in one.header.parents})
    erased = as_parent | wanted.keys()
    return [one.envelope.sequence for one in drafted if erased.intersection(one.header.parents)]


def _children_of_tombstones(session: Session, now: datetime) -> dict[bytes, NewErasure]:
    """Return what edits an instance that came late and fell by its own parent: its edit may have come before it."""
    gone = erasures.settle_tombstones(session, erasures.late_tombstones(session))
    found: dict[bytes, NewErasure] = {}
    for child, parent in sorted(erasures.children_of(session, gone)):
        project_id = erasures.project_of(session, child, FIRST_PROJECT)
        found[child] = NewErasure(
            instance_id=child, interview_id=parent, project_id=project_id, decision_id=_UNKNOWN, erased_at=now
        )
    return found


def _closed(
    session: Session, named: Mapping[bytes, NewErasure], late: Mapping[bytes, NewErasure]
) -> dict[bytes, NewErasure]:
    """Return these and all that descends from them."""
    found = {**late, **named}
    frontier = set(found)
    while frontier:
        children = {
            child: replace(found[parent], instance_id=child)
            for child, parent in sorted(erasures.children_of(session, frontier))
            if child not in found
        }
        found |= children
        frontier = set(children)
    return found


def _take(
    session: Session,
    wanted: Mapping[bytes, NewErasure],
    fallen: Iterable[int],
    *,
    microdata: Microdata,
    keystore: KeyStore,
    now: datetime,
) -> Swept:
    part_ids = erasures.parts_with(session, wanted)
    erasures.empty_decisions(session, erasures.decisions_about(session, wanted))
    edits = {*fallen, *_loose(session, frozenset(wanted))}
    named = _named_by(session, {*edits, *erasures.unfolded(session, wanted)}, keystore)
    gone = erasures.remove_projections(session, wanted, media=named)
    loose = erasures.empty_by_sequence(session, edits)
    files: list[str] = []
    for part_id in part_ids:
        part = erasures.part_rows(session, part_id)
        written = microdata.blank_rows(part)
        for store, (path, digest) in written.items():
            erasures.set_part(session, part_id, **{f"{store}_path": path, f"{store}_sha256": digest})
            files.append(getattr(part, f"{store}_path"))
    schedule.make_due(session, name=schedule.SCORES, now=now)
    mates = interviews.interviews_by_tag(session, gone.tags)
    current = [row.current_revision_id for row in mates if row.current_revision_id is not None]
    households = {row.instance_id for row in interviews.revisions_by_id(session, current)}
    return Swept(
        instance_ids=frozenset(wanted),
        sequences=frozenset(edits),
        neighbours=(gone.neighbours | households) - wanted.keys(),
        entities=gone.entities,
        blobs=gone.blobs | loose,
        files=tuple(files),
        erasures=tuple(wanted[one] for one in sorted(wanted)),
    )


def _loose(session: Session, erased: frozenset[bytes]) -> list[int]:
    """Return the numbers of drafts and unopened interviews that edit what is erased."""
    return [
        sequence
        for sequence, _, body in erasures.loose_bodies(session)
        if any(parent in erased for parent in parents_of(body))
    ]


def _named_by(session: Session, sequences: Iterable[int], keystore: KeyStore) -> frozenset[bytes]:
    """Return the hashes of the media that drafts and unopened interviews name, of those that can be read now.

    What cannot be read takes the keys of its media with it.
    """
    found: set[bytes] = set()
    for stored in opening.envelopes_by_sequence(session, sorted(set(sequences))):
        try:
            manifest = reading.sealed_contents(session, stored, keystore=keystore).manifest
        except KeyStoreSealed:  # nothing on this server can read it: the keys of its media go with it
            continue
        except Problem:
            raise
        except Exception:  # noqa: BLE001, S112 -- no bad envelope keeps an interview from being erased
            continue
        found.update(bytes.fromhex(one.sha256) for one in nameable(manifest.media))
    return frozenset(found)


def parents_of(body: bytes) -> tuple[bytes, ...]:
    """Return the instanceIDs that an envelope shows as its parents; none of what nobody can read."""
    try:
        shown = peek(body)
    except EnvelopeError:
        return ()
    return shown.parents if isinstance(shown, Header) else ()


def publish(session: Session, swept: Swept) -> None:
    """Keep the erasures and tell tablets of them; called last, for writers of the feed wait from here."""
    known = erasures.decisions_of(session, swept.instance_ids)
    new = [one for one in swept.erasures if one.instance_id not in known]
    if new:
        erasures.add(session, new, feed_position=feed.next_position(session))


def has_late(session: Session) -> bool:
    """Say whether tombstones came whose descendants nobody has looked for yet."""
    return erasures.has_any(session) and bool(erasures.late_tombstones(session))


def clear(swept: Swept, *, database: Database, microdata: Microdata, blobs: Blobs | None) -> None:
    """Remove from the disk what the commit has let go of: files, blobs, and pages in the log of SQLite.

    When this is cut short, the jobs that sweep orphans and strays do the same within a day.
    """
    if swept == NOTHING:
        return
    microdata.remove(swept.files)
    if blobs is not None:
        for digest in sorted(swept.blobs):
            blobs.remove(digest)
        partials = Partials(blobs)
        for digest in sorted(swept.blobs):
            with partials.hold(digest, "") as part:  # behind a tablet that is sending it just now
                part.drop_others()
                blobs.remove(digest)
    truncate_log(database)
