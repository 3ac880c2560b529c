"""Show releases and publish them: publishing is the act of a person, and what is published never changes."""

import json
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import audit
from server.db.queries import statistics as queries
from server.db.queries.statistics import DRAFT, PUBLISHED, StoredRelease
from server.errors import Conflict, NotFound, ReleaseNotReady

MODE: Final = "survey"


def list_releases(session: Session, *, with_drafts: bool) -> tuple[StoredRelease, ...]:
    """Return releases, newest first; the public sees published ones only."""
    return tuple(one for one in queries.releases(session) if with_drafts or one.state == PUBLISHED)


def show(session: Session, release_id: int, *, with_drafts: bool) -> StoredRelease:
    """Return one release.

    Raises:
        NotFound: there is none, or it is not published and drafts are not to be seen: both look the same.
    """
    found = queries.release(session, release_id)
    if found is None or (found.state != PUBLISHED and not with_drafts):
        raise NotFound(f"There is no published release {release_id}.")
    return found


def publish(session: Session, release_id: int, *, user: str, now: datetime) -> StoredRelease:
    """Publish a draft; publishing it twice changes nothing.

    Raises:
        NotFound: no such release.
        Conflict: it was withdrawn.
        ReleaseNotReady: holds are open or units neither closed nor lost, now or when the draft was made.
    """
    found = queries.release(session, release_id)
    if found is None:
        raise NotFound(f"There is no release {release_id}.")
    if found.state == PUBLISHED:
        return found
    if found.state != DRAFT:
        raise Conflict(f"Release {release_id} is {found.state}; make a new one with `passerelle estimate run`.")
    _refuse_if_unfinished(session, found)
    queries.set_published(session, release_id, by=user, at=now)
    detail = f"content {found.content_hash.hex()}"
    audit.write(session, at=now, actor=user, action="publish-release", subject=str(release_id), detail=detail)
    published = queries.release(session, release_id)
    assert published is not None  # noqa: S101 -- it was read in this transaction
    return published


def _refuse_if_unfinished(session: Session, draft: StoredRelease) -> None:
    open_holds = queries.count_open_holds(session, mode=MODE)
    open_psus = queries.count_open_psus(session)
    reasons = []
    if open_holds:
        reasons.append(f"{open_holds} interviews are held and wait for a decision: `passerelle holds list`")
    if open_psus:
        reasons.append(f"{open_psus} units are neither closed nor lost: `passerelle psu list`")
    counts = json.loads(draft.content)["counts"]
    if not reasons and (counts["open_holds"] or counts["psus_open"]):
        reasons.append("this draft was made before fieldwork was over: run `passerelle estimate run` again")
    if reasons:
        raise ReleaseNotReady(
            f"Release {draft.release_id}: " + "; ".join(reasons) + ".", open_holds=open_holds, open_psus=open_psus
        )
