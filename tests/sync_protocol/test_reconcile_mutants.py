"""The laws of the fold kill folds that are wrong on purpose: a law that lets one live would prove nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st

from sync_protocol.reconcile import FoldedInterview, Revision, fold, state_hash, unique
from tests.sync_protocol.histories import histories

Fold = Callable[[Sequence[Revision]], tuple[FoldedInterview, ...]]
Arrivals = tuple[list[Revision], list[Revision]]


@st.composite
def arrivals(draw: st.DrawFn) -> Arrivals:
    """Draw one history in two orders, the second with repetitions."""
    history = draw(histories)
    return history, draw(st.permutations(history + history[:2]))


def obeys_the_laws(folding: Fold, told: Arrivals) -> bool:
    """Check order, repetition, completeness and projects of one fold on one history."""
    first, second = (folding(history) for history in told)
    if first != second or state_hash(first) != state_hash(second):
        return False
    seen = [key for item in first for key in (item.current, *item.conflicts, *item.superseded)]
    projects = {revision.key: revision.project for revision in unique(told[0])}
    return sorted(seen) == sorted(projects) and all(_keeps_projects_apart(item, projects) for item in first)


def _keeps_projects_apart(item: FoldedInterview, projects: Mapping[tuple[bytes, bytes], int]) -> bool:
    """Check that it is shown as the project has it that began it, and that each project has a head."""
    heads = (item.current, *item.conflicts)
    every = (*heads, *item.superseded)
    begun = [projects[key] for key in every if key[0] == item.interview_id]
    home = min(begun or [projects[key] for key in every])
    return projects[item.current] == home and {projects[key] for key in heads} == {projects[key] for key in every}


def arrival_order_wins(history: Sequence[Revision]) -> tuple[FoldedInterview, ...]:
    """Show the head that came last."""
    place = {revision.key: number for number, revision in enumerate(history)}

    def last(item: FoldedInterview) -> FoldedInterview:
        heads = {item.current, *item.conflicts}
        current = max(heads, key=place.__getitem__)
        return replace(item, current=current, conflicts=tuple(sorted(heads - {current})))

    return tuple(last(item) for item in fold(history))


def instance_id_is_the_whole_identity(history: Sequence[Revision]) -> tuple[FoldedInterview, ...]:
    """Drop other answers under a known instanceID."""
    return fold(list({revision.instance_id: revision for revision in reversed(history)}.values()))


def lowest_answers_are_the_whole_identity(history: Sequence[Revision]) -> tuple[FoldedInterview, ...]:
    """Drop other answers under a known instanceID, though the same ones for everyone."""
    return fold(list({revision.instance_id: revision for revision in reversed(unique(history))}.values()))


def copies_are_told_apart_by_envelope(history: Sequence[Revision]) -> tuple[FoldedInterview, ...]:
    """Take the same answers sealed again for other answers."""
    return fold([replace(revision, answers_hash=revision.envelope_id) for revision in history])


def first_copy_wins(history: Sequence[Revision]) -> tuple[FoldedInterview, ...]:
    """Take role, mode, parents and envelope id from the copy that came first."""
    return fold(list({revision.key: revision for revision in reversed(history)}.values()))


def conflicts_are_dropped(history: Sequence[Revision]) -> tuple[FoldedInterview, ...]:
    """Forget the losing side."""
    return tuple(replace(item, conflicts=()) for item in fold(history))


def root_is_what_came_first(history: Sequence[Revision]) -> tuple[FoldedInterview, ...]:
    """Name an interview by its first arrival."""
    place: dict[bytes, int] = {}
    for number, revision in enumerate(history):
        place.setdefault(revision.instance_id, number)

    def named(item: FoldedInterview) -> FoldedInterview:
        members = {key[0] for key in (item.current, *item.conflicts, *item.superseded)}
        return replace(item, interview_id=min(members, key=place.__getitem__))

    return tuple(named(item) for item in fold(history))


def projects_are_not_looked_at(history: Sequence[Revision]) -> tuple[FoldedInterview, ...]:
    """Let one project's edit set another's aside."""
    return fold([replace(revision, project=1) for revision in unique(history)])


def the_highest_of_any_project_is_shown(history: Sequence[Revision]) -> tuple[FoldedInterview, ...]:
    """Show whatever head the order of keys puts last."""

    def last(item: FoldedInterview) -> FoldedInterview:
        *others, current = sorted({item.current, *item.conflicts})
        return replace(item, current=current, conflicts=tuple(others))

    return tuple(last(item) for item in fold(history))


@pytest.mark.parametrize(
    "mutant",
    [
        projects_are_not_looked_at,
        the_highest_of_any_project_is_shown,
        arrival_order_wins,
        instance_id_is_the_whole_identity,
        lowest_answers_are_the_whole_identity,
        copies_are_told_apart_by_envelope,
        first_copy_wins,
        conflicts_are_dropped,
        root_is_what_came_first,
    ],
)
def test_the_laws_kill(mutant: Fold) -> None:
    told = find(
        arrivals(),
        lambda told: not obeys_the_laws(mutant, told),
        settings=settings(
            max_examples=2000, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        ),
    )
    assert obeys_the_laws(fold, told)
