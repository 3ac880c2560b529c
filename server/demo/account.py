"""The account of a run: every accident that was planted, and whether it was found, counted in the office's store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from forms.instance import instance_id_bytes
from server.demo import parameters as p
from server.demo.accidents import AccountLine, Clock, Plan
from server.demo.answers import NEWEST, VERSIONS
from server.demo.cases import working_day
from server.demo.devices import DeviceResult
from server.demo.dwellings import SentFile, account_line
from server.demo.harmonised import Traces
from server.demo.office import Stored
from server.demo.rollout import version_name

#: A clock that is off by less than this changes no date that anyone asked for.
CLOCK_TOLERANCE: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen on the way: results of the tablets, holds before they were settled, envelopes set aside.

    ``refused_versions`` counts form versions that were refused because no map said what becomes of collected answers;
    ``told`` is what households told on earlier versions, ``read`` the same as of the newest one; ``files`` are those
    that Collects sent, as they are read back.
    """

    plan: Plan
    results: Sequence[DeviceResult]
    holds: Mapping[str, str]
    quarantined: int
    stored: Stored
    progress: Mapping[str, Any]
    lost_psus: Sequence[str]
    refused_versions: int
    told: Traces
    read: Traces
    files: frozenset[SentFile]


def account(evidence: Evidence) -> tuple[AccountLine, ...]:
    """Draw up the account."""
    return (
        _delivered(evidence),
        *_answers(evidence),
        account_line([file for result in evidence.results for file in result.files], evidence.files),
        *_versions(evidence),
        *_keys(evidence),
        *_modes_and_edits(evidence),
        *_tablets(evidence),
    )


def _sent_ids(evidence: Evidence) -> set[bytes]:
    observed = {bytes.fromhex(file.instance_id) for result in evidence.results for file in result.files}
    return observed | {
        instance_id_bytes(text)
        for result in evidence.results
        for interview in result.interviews
        if interview.is_sent
        for text in interview.instance_ids
    }


def _delivered(evidence: Evidence) -> AccountLine:
    """Every revision that was sent is in the store, once, and nothing else is."""
    sent = _sent_ids(evidence)
    stored = evidence.stored.instance_ids
    right = len(sent & set(stored)) if len(stored) == len(set(stored)) and set(stored) <= sent else 0
    return AccountLine("revisions sent, each stored once", len(sent), right, "envelopes, refolded")


def _answers(evidence: Evidence) -> tuple[AccountLine, ...]:
    lost = sum(result.lost_answers for result in evidence.results)
    doubled = len(evidence.stored.instance_ids) - len(set(evidence.stored.instance_ids))
    return (AccountLine("answers lost, asked for again without doubling", lost, lost - doubled, "receipts"),)


def _versions(evidence: Evidence) -> Iterator[AccountLine]:
    """Each interview is stored under the version that its tablet filled; a change that breaks was refused."""
    sent = [one for result in evidence.results for one in result.interviews if one.is_sent]
    stored = evidence.stored.versions
    for number in VERSIONS:
        mine = [instance_id_bytes(one.instance_ids[0]) for one in sent if one.version == number]
        found = sum(stored.get(interview_id) == version_name(number) for interview_id in mine)
        yield AccountLine(f"interviews on version {number}", len(mine), found, "the version of the envelope")
    yield AccountLine(
        f"version {NEWEST} without its migration map", 1, evidence.refused_versions, "refused: it would break"
    )
    told, read, where = evidence.told, evidence.read, f"microdata as of version {NEWEST}"
    yield AccountLine("mobile money of version 1, read as 4x", told.mobile_not_split, read.mobile_not_split, where)
    yield AccountLine("education “does not know”, kept as 97", told.level_not_known, read.level_not_known, where)


def _keys(evidence: Evidence) -> tuple[AccountLine, ...]:
    """A key that hits another drawn household holds both interviews; one outside the draw holds itself."""
    drawn = {job.case.key for job in evidence.plan.all_jobs()}
    interviews = [one for result in evidence.results for one in result.interviews if one.is_sent]
    wrong = [one for one in interviews if one.typed_key != one.household_key]

    def found(is_drawn: bool, hold: str) -> int:
        mine = [one for one in wrong if (one.typed_key in drawn) == is_drawn]
        return sum(hold in evidence.holds.get(_interview_id(one.instance_ids), "") for one in mine)

    hit = sum(one.typed_key in drawn for one in wrong)
    return (
        AccountLine("keys mistyped into another household's", hit, found(True, "K2"), "holds K2, reassigned"),  # noqa: FBT003
        AccountLine("keys outside the sample", len(wrong) - hit, found(False, "K1"), "holds K1, reassigned"),  # noqa: FBT003
    )


def _interview_id(instance_ids: Sequence[str]) -> str:
    return instance_id_bytes(instance_ids[0]).hex()


def _modes_and_edits(evidence: Evidence) -> tuple[AccountLine, ...]:
    jobs = evidence.plan.all_jobs()
    edited = sum(count > 1 for count in evidence.stored.revisions.values())
    training = sum(one.mode == "training" for one in evidence.stored.interviews)
    return (
        AccountLine("interviews mended the same evening", sum(job.is_mended for job in jobs), edited, "two revisions"),
        AccountLine(
            "training interviews", sum(job.mode == "training" for job in jobs), training, "a store of their own"
        ),
    )


def _tablets(evidence: Evidence) -> tuple[AccountLine, ...]:
    plan = evidence.plan
    unsent = sum(not job.is_sent for job in plan.all_jobs())
    lost = set(evidence.lost_psus)
    pending = sum(row["counts"]["pending"] for row in evidence.progress["psus"] if row["psu"] not in lost)
    wrong = sum(clock in (Clock.RESET, Clock.AHEAD) for clock in plan.clocks.values())
    lines = [
        AccountLine("tablets with a clock off by a year or more", wrong, _wrong_clocks(evidence), "device times"),
        _harmless_clocks(evidence),
        AccountLine("households on a lost tablet, never sent", unsent, pending, "not received"),
    ]
    if plan.revoked:
        held_back = sum(
            len(one.instance_ids)
            for result in evidence.results
            if result.enumerator == plan.revoked
            for one in result.interviews
        )
        lines.append(
            AccountLine("interviews of a revoked tablet", held_back, evidence.quarantined, "quarantine, released")
        )
    return tuple(lines)


def _harmless_clocks(evidence: Evidence) -> AccountLine:
    """A clock off by hours moves no date, for the day is asked: nothing of such a tablet may be missing."""
    mine = [number for number, clock in evidence.plan.clocks.items() if clock is Clock.ZONE]
    stored = set(evidence.stored.instance_ids)
    whole = sum(
        all(instance_id_bytes(text) in stored for one in result.interviews for text in one.instance_ids)
        for result in evidence.results
        if result.enumerator in mine
    )
    return AccountLine("tablets with a clock off by hours", len(mine), whole, "all stored: the day is asked")


def _wrong_clocks(evidence: Evidence) -> int:
    """Count the sources whose clock never showed a day of fieldwork."""
    first, last = working_day(0) - CLOCK_TOLERANCE, working_day(p.FIELDWORK_DAYS) + CLOCK_TOLERANCE
    return sum(
        not any(first <= datetime.fromisoformat(text).date() <= last for text in times)
        for times in evidence.stored.device_times.values()
    )
