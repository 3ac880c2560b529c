"""What has arrived, newest first, and how much of it waits for what; within what an account may see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from sqlalchemy.orm import Session

from server.db.queries import intake, intake_rows
from server.db.queries.intake import FILTERS, Wish
from server.db.queries.intake_rows import Sender
from server.db.scope import Scope
from server.db.tables.envelopes import QUARANTINED
from server.errors import BadRequest
from server.folding.arrival_reasons import CODES, reason_of
from server.folding.arrivals import MEDIA_MISSING, Arrival, read_arrivals


@dataclass(frozen=True, slots=True)
class ArrivalPage:
    """Part of the list; `before` asks for what follows, None at the end."""

    arrivals: tuple[Arrival, ...]
    before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderDay:
    """What one person has sent today, and what became of it."""

    sender: Sender
    arrived: int
    opened: int
    waiting: int
    quarantined: int

    @property
    def needs_looking(self) -> bool:
        """Something of it waits or was set aside."""
        return bool(self.waiting or self.quarantined)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """How many arrivals are not simply opened, by state and by reason, and what each person sent today."""

    waiting: int
    media: int
    held: int
    conflict: int
    quarantine: int
    reasons: Mapping[str, int]
    today: tuple[SenderDay, ...]

    @property
    def needs_somebody(self) -> int:
        """How many wait for a decision."""
        return self.held + self.conflict + self.quarantine


def list_arrivals(session: Session, scope: Scope, wish: Wish, *, before: int | None = None, limit: int) -> ArrivalPage:
    """Return the newest arrivals below a number.

    Raises:
        BadRequest: a state that there is not.
    """
    if wish.state is not None and wish.state not in FILTERS:
        raise BadRequest(f"A state is one of {', '.join(FILTERS)}.")
    found = intake.page(session, scope, wish, before=before, limit=limit + 1)
    shown = found[:limit]
    return ArrivalPage(read_arrivals(session, shown), shown[-1].sequence if len(found) > limit else None)


def count_pending(session: Session, scope: Scope, *, now: datetime) -> Pending:
    """Count what is not simply opened, from indexes that hold nothing else, and today's arrivals by person."""
    unopened = intake.unopened_counts(session, scope)
    unsettled = intake.unsettled_counts(session, scope)
    return Pending(
        waiting=sum(count for state, count in unopened.items() if state != QUARANTINED),
        media=unsettled[intake.MEDIA],
        held=unsettled[intake.HELD],
        conflict=unsettled[intake.CONFLICT],
        quarantine=unopened.get(QUARANTINED, 0),
        reasons=_with_media(intake.reason_counts(session, scope), unsettled[intake.MEDIA]),
        today=_today(session, scope, now),
    )


def count_arrived(session: Session, scope: Scope) -> int:
    """Count every interview that ever arrived: a walk through an index, to be kept for some minutes."""
    return intake.arrived_count(session, scope)


def list_forms(session: Session, scope: Scope) -> tuple[str, ...]:
    """Return the forms that an account sees, to choose from."""
    return intake_rows.visible_form_ids(session, scope)


def _with_media(reasons: Mapping[str, int], missing: int) -> Mapping[str, int]:
    counts = dict(reasons) | ({MEDIA_MISSING: missing} if missing else {})
    order = list(CODES)
    return dict(sorted(counts.items(), key=lambda pair: (reason_of(pair[0]).ends_by_itself, _place(order, pair[0]))))


def _place(order: list[str], code: str) -> int:
    return order.index(code) if code in order else len(order)


def _today(session: Session, scope: Scope, now: datetime) -> tuple[SenderDay, ...]:
    found = intake.senders_since(session, scope, datetime.combine(now.astimezone(UTC).date(), time(), UTC))
    senders = intake_rows.senders(
        session,
        {one.app_user_id for one in found if one.app_user_id is not None},
        {one.carrier for one in found if one.app_user_id is None},
    )
    days = [
        SenderDay(
            sender=senders.get(one.carrier if one.app_user_id is None else one.app_user_id)
            or Sender(name=one.carrier, enumerator="", team="", is_app_user=False),
            arrived=one.arrived,
            opened=one.opened,
            waiting=one.arrived - one.opened - one.quarantined,
            quarantined=one.quarantined,
        )
        for one in found
    ]
    return tuple(sorted(days, key=lambda day: (day.sender.team, day.sender.enumerator, day.sender.name)))
