"""The folded state as canonical lines, so that two states can be compared and hashed whatever made them.

A line says what an interview or a revision is; not when it came, who brought it, or in which file its answers are.
"""

import hashlib
from collections.abc import Iterable, Mapping

from sqlalchemy.orm import Session

from server.db.queries import attachments
from server.db.queries import interviews as queries
from server.db.queries.attachments import AttachmentRow, WantedRow
from server.folding import drafts, media, returns
from server.folding.entity_state import stored_entities
from server.folding.holds import Held
from server.folding.media import Wanted
from server.folding.profile import Summary
from server.keystore import KeyStore
from server.microdata import Standing
from sync_protocol.constants import LABEL_STATE
from sync_protocol.documents import canonical_json
from sync_protocol.reconcile import Revision

Key = tuple[bytes, bytes]
Lines = Mapping[bytes, bytes]
"""By the name of the thing: instanceID ‖ answers hash of a revision, id of an interview."""


def revision_line(revision: Revision, summary: Summary) -> bytes:
    """Return the line of a revision."""
    return canonical_json(
        [
            "revision",
            revision.instance_id.hex(),
            revision.answers_hash.hex(),
            [parent.hex() for parent in sorted(revision.parents)],
            revision.envelope_id.hex(),
            revision.form_version_hash.hex(),
            revision.role,
            revision.mode,
            summary.members(),
        ]
    )


def interview_line(held: Held, *, current: Key, mode: str, state: str, review: str) -> bytes:
    """Return the line of an interview."""
    return canonical_json(
        [
            "interview",
            held.interview_id.hex(),
            [part.hex() for part in current],
            mode,
            state,
            list(held.holds),
            held.standing.members(),
            review,
        ]
    )


def stored_revisions(session: Session, keystore: KeyStore) -> Lines:
    """Return the lines of all stored revisions.

    Raises:
        KeyStoreLocked: without the vault.
    """
    parents: dict[bytes, list[bytes]] = {}
    for child, parent in queries.all_edges(session):
        parents.setdefault(child, []).append(parent)
    lines: dict[bytes, bytes] = {}
    for row in queries.all_revisions(session):
        revision = Revision(
            instance_id=row.instance_id,
            answers_hash=row.answers_hash,
            parents=tuple(parents.get(row.instance_id, ())),
            envelope_id=row.envelope_id,
            form_version_hash=row.form_version_hash,
            role=row.role,
            mode=row.mode,
            project=row.project,
        )
        summary = Summary.open(row.sealed, row.answers_hash, keystore)
        lines[row.instance_id + row.answers_hash] = revision_line(revision, summary)
    return lines


def stored_interviews(session: Session, keystore: KeyStore) -> Lines:
    """Return the lines of all stored interviews.

    Raises:
        KeyStoreLocked: without the vault.
    """
    keys = {row.revision_id: (row.instance_id, row.answers_hash) for row in queries.all_revisions(session)}
    return {
        row.interview_id: interview_line(
            Held(
                interview_id=row.interview_id,
                standing=Standing.open(row.sealed, row.interview_id, keystore),
                holds=tuple(part for part in row.holds.split(",") if part),
            ),
            current=keys.get(row.current_revision_id or 0, (b"", b"")),
            mode=row.mode,
            state=row.state,
            review=row.review,
        )
        for row in queries.all_interviews(session)
    }


def media_lines(
    came: Iterable[AttachmentRow], named: Iterable[AttachmentRow], wanted: Iterable[WantedRow], keystore: KeyStore
) -> Lines:
    """Return the lines of media: of each that has come, that a manifest names, and that an instance names.

    Raises:
        KeyStoreLocked: without the vault.
    """
    lines = {row.envelope_id: canonical_json(["attachment", *media.attachment_members(row, keystore)]) for row in came}
    for one_named in named:
        members = ["manifest", *media.attachment_members(one_named, keystore)]
        lines[one_named.envelope_id + one_named.name_tag] = canonical_json(members)
    for row in wanted:
        one = Wanted.open(row, keystore)
        opens = [list(way) for way in one.opens]
        members = ["wanted", row.instance_id.hex(), one.name, opens, row.is_here]
        lines[row.instance_id + row.name_tag] = canonical_json(members)
    return lines


def stored_media(session: Session, keystore: KeyStore) -> Lines:
    """Return the lines of all stored media.

    Raises:
        KeyStoreLocked: without the vault.
    """
    came, named = attachments.every_attachment(session), attachments.every_manifest_medium(session)
    return media_lines(came, named, attachments.every_wanted(session), keystore)


def stored_handovers(session: Session) -> Lines:
    """Return the lines of what was given back to enumerators and of drafts."""
    return {**returns.stored_lines(session), **drafts.stored_lines(session)}


def hash_of(lines: Iterable[bytes]) -> bytes:
    """Return the hash of a state, (32,), whatever the order of its lines."""
    digest = hashlib.sha256(LABEL_STATE)
    for line in sorted(lines):
        digest.update(len(line).to_bytes(4, "big") + line)
    return digest.digest()


def state_hash(session: Session, keystore: KeyStore) -> bytes:
    """Return the canonical hash of the stored state, (32,); the same for the same set of envelopes.

    Raises:
        KeyStoreLocked: without the vault.
    """
    stored = (stored_revisions, stored_interviews, stored_media, stored_entities)
    lines = [line for lines_of in stored for line in lines_of(session, keystore).values()]
    return hash_of((*lines, *stored_handovers(session).values()))
