"""Folding everything at once in memory, from opened envelopes to the lines of `server.folding.state`.

`server.folding.fold` folds batch by batch what each batch touches. This one knows no batches; that both give the same
lines is what `passerelle verify` checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy.orm import Session

from server.db.queries import interviews as queries
from server.db.queries import uploads
from server.db.queries.handovers import StoredDraft
from server.folding import drafts, holds, media, returns
from server.folding.decisions import Decided
from server.folding.entity_state import WholeEntities
from server.folding.fold import members_of
from server.folding.holds import Held
from server.folding.media import Wanted
from server.folding.opener import OpenedAttachment, OpenedDecision, OpenedDraft, OpenedInterview
from server.folding.profile import Summary
from server.folding.returns import ReturnedRevision
from server.folding.state import Key, Lines, interview_line, media_lines, revision_line
from server.keystore import KeyStore
from sync_protocol import reconcile
from sync_protocol.plaintext import Medium
from sync_protocol.reconcile import FoldedInterview, Revision


@dataclass(slots=True)
class WholeFold:
    """All revisions and decisions of a store, gathered in any order."""

    _revisions: dict[Key, Revision] = field(default_factory=dict)
    _summaries: dict[Key, Summary] = field(default_factory=dict)
    _sources: dict[Key, str] = field(default_factory=dict)
    _drafts: dict[tuple[bytes, str], StoredDraft] = field(default_factory=dict)
    _decided: Decided = field(default_factory=Decided)
    _attachments: list[OpenedAttachment] = field(default_factory=list)
    _sealed: list[tuple[OpenedInterview, Medium]] = field(default_factory=list)
    _wanted: dict[tuple[bytes, str], Wanted] = field(default_factory=dict)
    _entities: WholeEntities = field(default_factory=WholeEntities)

    def add_interview(self, opened: OpenedInterview) -> None:
        """Take one opened interview; the same revision may come often."""
        revision = opened.revision
        known = self._revisions.get(revision.key)
        copies = (revision,) if known is None else (known, revision)
        (self._revisions[revision.key],) = reconcile.unique(copies)
        if self._revisions[revision.key].envelope_id == revision.envelope_id:
            self._summaries[revision.key], self._sources[revision.key] = opened.summary, opened.source
        for one in opened.wanted:
            name = (revision.instance_id, one.name)
            self._wanted[name] = one.merged(self._wanted[name]) if name in self._wanted else one
        self._sealed.extend((opened, medium) for medium in opened.media)
        self._entities.add_interview(opened)

    def add_draft(self, opened: OpenedDraft) -> None:
        """Take one opened draft."""
        self._drafts |= drafts.merged((*self._drafts.values(), drafts.row_of(opened)))

    def add_attachment(self, opened: OpenedAttachment) -> None:
        """Take one opened attachment."""
        self._attachments.append(opened)

    def add_decision(self, opened: OpenedDecision) -> None:
        """Take one opened decision."""
        rank = (opened.header.sequence, opened.envelope.envelope_id)
        for instance_id in opened.header.parents[:1]:
            self._decided.add(instance_id, rank, opened.decision)

    def add_entity_decision(self, opened: OpenedDecision) -> None:
        """Take one decision about entities, which counts as soon as it is stored."""
        self._entities.add_decision(opened)

    def revision_lines(self) -> Lines:
        """Return the lines of all revisions; parents are those of the instanceID."""
        parents: dict[bytes, set[bytes]] = {}
        for revision in self._revisions.values():
            parents.setdefault(revision.instance_id, set()).update(revision.parents)
        return {
            key[0] + key[1]: revision_line(_with_parents(revision, parents[revision.instance_id]), self._summaries[key])
            for key, revision in self._revisions.items()
        }

    def media_lines(self, session: Session, keystore: KeyStore) -> Lines:
        """Return the lines of what has come and of what is wanted; the session is asked for whole uploads only.

        Raises:
            KeyStoreLocked: without the vault.
        """
        came = [one.row(keystore) for one in self._attachments]
        named = [
            media.attachment_row(
                opened.envelope.envelope_id,
                opened.revision.instance_id,
                medium,
                received_at=opened.envelope.received_at,
                keystore=keystore,
            )
            for opened, medium in self._sealed
        ]
        whole = uploads.settled(session, (row.blob_sha256 for row in named))
        sent = [row for row in named if row.blob_sha256 in whole]
        wanted = [one.seal(instance_id, keystore) for (instance_id, _), one in self._wanted.items()]
        edges = {(one.instance_id, parent) for one in self._revisions.values() for parent in one.parents}
        places = media.places_of(wanted, [*came, *sent], edges, keystore)
        beside = media.beside_ciphertext(wanted, came, keystore)
        return media_lines(
            [replace(row, is_beside_ciphertext=row.envelope_id in beside) for row in came],
            named,
            [replace(row, is_here=places[row.instance_id, row.name_tag] is not None) for row in wanted],
            keystore,
        )

    def handover_lines(self, session: Session) -> Lines:
        """Return the lines of what was given back and of drafts; the session is asked for who sent what only."""
        folded = reconcile.fold(self._revisions.values(), self._decided.resolutions)
        given = [
            ReturnedRevision(
                interview_id=interview.interview_id,
                given=one,
                form_version_hash=self._revisions[one.revision].form_version_hash,
                project=self._revisions[one.revision].project,
                summary=self._summaries[one.revision],
                source=self._sources[one.revision],
            )
            for interview in folded
            for one in self._decided.returns(members_of(interview), interview.current)
            if one.revision in self._revisions
        ]
        return {**returns.lines(returns.given_back(session, given)), **drafts.lines(self._drafts.values())}

    def entity_lines(self, session: Session) -> Lines:
        """Return the lines of entities; the session is asked for lists and recorded versions only."""
        folded = reconcile.fold(self._revisions.values(), self._decided.resolutions)
        reviews = {
            instance_id: self._decided.review(members_of(interview), interview.current)
            for interview in folded
            for instance_id in members_of(interview)
        }
        return self._entities.lines(session, self._revisions, reviews)

    def interview_lines(self, session: Session, keystore: KeyStore) -> Lines:
        """Fold all, and return the lines of the interviews; the session is asked for the draw only.

        Raises:
            KeyStoreLocked: without the vault.
        """
        folded = reconcile.fold(self._revisions.values(), self._decided.resolutions)
        alone = self._alone(folded, session, keystore)
        groups: dict[tuple[int, str, str], list[Held]] = {}
        settled: dict[bytes, Held] = {}
        for interview in folded:
            held = alone[interview.interview_id]
            if held.standing.household_key is None:
                settled[interview.interview_id] = held
            else:
                project = self._revisions[interview.current].project
                groups.setdefault((project, interview.mode, held.standing.household_key), []).append(held)
        for group in groups.values():
            settled |= {held.interview_id: held for held in holds.stand_together(group)}
        return {
            interview.interview_id: interview_line(
                settled[interview.interview_id],
                current=interview.current,
                mode=interview.mode,
                state=interview.state.value,
                review=self._decided.review(members_of(interview), interview.current),
            )
            for interview in folded
        }

    def _alone(self, folded: tuple[FoldedInterview, ...], session: Session, keystore: KeyStore) -> Mapping[bytes, Held]:
        summaries = {interview.interview_id: self._summaries[interview.current] for interview in folded}
        settlements = {interview.interview_id: self._decided.settlement(members_of(interview)) for interview in folded}
        keys = {name: holds.household_key_of(summary, settlements[name]) for name, summary in summaries.items()}
        tags = {key: keystore.household_tag(key) for key in keys.values() if key is not None}
        draw = queries.drawn_places(session, tags.values())
        return {
            interview.interview_id: holds.stand_alone(
                interview.interview_id,
                summaries[interview.interview_id],
                settlements[interview.interview_id],
                mode=interview.mode,
                place=None if (key := keys[interview.interview_id]) is None else draw.place(project, tags[key]),
                has_draw=project == draw.project,
            )
            for interview in folded
            for project in (self._revisions[interview.current].project,)
        }


def _with_parents(revision: Revision, parents: set[bytes]) -> Revision:
    return replace(revision, parents=tuple(sorted(parents)))
