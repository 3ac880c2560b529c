"""Resolutions: what a person chose counts, until a head comes that was not there; in whatever order all of it comes.

The laws at the end also have to kill folds that are wrong on purpose.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from sync_protocol.reconcile import FoldedInterview, Resolution, Revision, State, components, fold, unique
from tests.sync_protocol.histories import histories, named_id, revision

Told = tuple[list[Revision], list[Resolution]]
Fold = Callable[[Sequence[Revision], Sequence[Resolution]], tuple[FoldedInterview, ...]]


@st.composite
def tellings(draw: st.DrawFn) -> Told:
    """Draw a history and what was decided about it on the way: of each moment's heads, or of any keys at all."""
    history = draw(histories)[:6]  # what is found is shown whole
    keys = [one.key for one in history]
    resolutions = []
    for number in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            seen = list(_heads(draw(st.sampled_from(fold(history[: draw(st.integers(1, len(history)))])))))
        else:
            seen = draw(st.lists(st.sampled_from(keys), min_size=1, max_size=4))
        rank = (draw(st.integers(0, 2)), bytes([number]))
        resolutions.append(Resolution(rank=rank, chosen=draw(st.sampled_from(seen)), seen=frozenset(seen)))
    return history, resolutions


def _heads(item: FoldedInterview) -> tuple[tuple[bytes, bytes], ...]:
    return (item.current, *item.conflicts)


def decided(*seen: Revision, chosen: Revision, number: int = 1) -> Resolution:
    return Resolution(rank=(number, b""), chosen=chosen.key, seen=frozenset(one.key for one in seen))


A, B, C = revision("a"), revision("b", "a"), revision("c", "a")


def test_the_chosen_head_is_current_and_nothing_is_in_conflict() -> None:
    for chosen, other in ((B, C), (C, B)):
        (interview,) = fold([A, B, C], [decided(B, C, chosen=chosen)])
        assert (interview.state, interview.current, interview.conflicts) == (State.CURRENT, chosen.key, ())
        assert other.key in interview.superseded


def test_a_head_that_was_not_seen_brings_the_conflict_back() -> None:
    (interview,) = fold([A, B, C, revision("d", "a")], [decided(B, C, chosen=C)])
    assert (interview.state, len(interview.conflicts)) == (State.CONFLICT, 2)


def test_a_head_that_went_leaves_a_resolution_as_it_was() -> None:
    d = revision("d", "a")
    (interview,) = fold([A, B, C, d, revision("e", "d", "b")], [decided(B, C, d, chosen=C)])
    assert interview.state is State.CONFLICT  # e was not seen
    closed = revision("d", "a", "b")
    (interview,) = fold([A, B, C, closed], [decided(B, C, closed, chosen=closed)])
    assert (interview.current, interview.conflicts) == (closed.key, ())


def test_an_edit_of_the_chosen_one_asks_again() -> None:
    edit = revision("d", "c")
    (interview,) = fold([A, B, C, edit], [decided(B, C, chosen=C)])
    assert interview.state is State.CONFLICT


def test_the_last_resolution_that_holds_counts() -> None:
    first, second = decided(B, C, chosen=B, number=1), decided(B, C, chosen=C, number=2)
    (interview,) = fold([A, B, C], [second, first])
    assert interview.current == C.key
    (interview,) = fold([A, B, C], [first, decided(C, chosen=C, number=3)])
    assert interview.current == B.key  # the later one did not see B


def test_a_collision_a_cycle_mixed_modes_and_mixed_projects_are_settled_too() -> None:
    x, y = revision("a", answers="x"), revision("a", answers="y")
    (interview,) = fold([x, y], [decided(x, y, chosen=x)])
    assert (interview.state, interview.current) == (State.CURRENT, x.key)
    round_, about = revision("a", "b"), revision("b", "a")
    (interview,) = fold([round_, about], [decided(round_, about, chosen=about)])
    assert (interview.state, interview.current) == (State.CURRENT, about.key)
    practice = revision("b", "a", mode="training")
    (interview,) = fold([A, practice], [decided(A, practice, chosen=practice)])
    assert (interview.state, interview.mode) == (State.CURRENT, "training")
    foreign = revision("b", "a", project=2)
    (interview,) = fold([A, foreign], [decided(A, foreign, chosen=foreign)])
    assert (interview.state, interview.current) == (State.CURRENT, foreign.key)


def test_a_history_with_a_hole_stays_incomplete() -> None:
    b, c = revision("b", "z"), revision("c", "z")
    (interview,) = fold([b, c], [decided(b, c, chosen=b)])
    assert (interview.state, interview.missing) == (State.INCOMPLETE_HISTORY, (named_id("z"),))


def test_what_is_about_another_interview_decides_nothing() -> None:
    other = revision("z")
    assert fold([A, B, C], [decided(other, chosen=other), decided(B, C, chosen=A)]) == fold([A, B, C])


def obeys_the_laws(folding: Fold, told: Told, order: tuple[list[Revision], list[Resolution]]) -> bool:
    """Check that order and repetition change nothing, that nothing is dropped, and what a resolution may do."""
    history, resolutions = told
    folded = folding(history, resolutions)
    if folding(*order) != folded:
        return False
    plain = {item.interview_id: item for item in fold(history)}
    seen = [key for item in folded for key in (*_heads(item), *item.superseded)]
    if sorted(seen) != sorted({one.key for one in history}):
        return False
    return all(_is_right(item, plain[item.interview_id], resolutions) for item in folded)


def _is_right(item: FoldedInterview, plain: FoldedInterview, resolutions: Sequence[Resolution]) -> bool:
    heads = frozenset(_heads(plain))
    holding = [one for one in resolutions if one.chosen in heads and all(head in one.seen for head in heads)]
    if not holding:
        return item == plain
    last = max(holding, key=lambda one: (one.rank, one.chosen))
    return item.current == last.chosen and item.conflicts == () and set(item.superseded) >= heads - {last.chosen}


@st.composite
def orders(draw: st.DrawFn) -> tuple[Told, Told]:
    history, resolutions = draw(tellings())
    again = draw(st.permutations(history + history[:2])), draw(st.permutations(resolutions + resolutions[:1]))
    return (history, resolutions), again


@given(orders())
def test_order_and_repetition_of_revisions_and_resolutions_change_nothing(told: tuple[Told, Told]) -> None:
    assert obeys_the_laws(fold, *told)


@given(tellings())
def test_interviews_are_resolved_each_by_itself(told: Told) -> None:
    history, resolutions = told
    apart = [item for part in components(history) for item in fold(part, resolutions)]
    assert tuple(sorted(apart, key=lambda item: item.interview_id)) == fold(history, resolutions)


@given(tellings())
def test_copies_of_a_revision_are_resolved_as_one(told: Told) -> None:
    history, resolutions = told
    assert fold(unique(history), resolutions) == fold(history, resolutions)


def last_arrival_wins(history: Sequence[Revision], resolutions: Sequence[Resolution]) -> tuple[FoldedInterview, ...]:
    """Take the resolution that came last."""
    return fold(history, [replace(one, rank=(place, b"")) for place, one in enumerate(resolutions)])


def first_decision_wins(history: Sequence[Revision], resolutions: Sequence[Resolution]) -> tuple[FoldedInterview, ...]:
    """Take the resolution that was made first."""
    return fold(history, [replace(one, rank=(-one.rank[0], one.rank[1])) for one in resolutions])


def what_was_seen_is_forgotten(
    history: Sequence[Revision], resolutions: Sequence[Resolution]
) -> tuple[FoldedInterview, ...]:
    """Let a resolution hold whatever comes."""
    every = frozenset(one.key for one in history)
    return fold(history, [replace(one, seen=every) for one in resolutions])


def only_the_chosen_was_seen(
    history: Sequence[Revision], resolutions: Sequence[Resolution]
) -> tuple[FoldedInterview, ...]:
    """Let no resolution settle a conflict."""
    return fold(history, [replace(one, seen=frozenset({one.chosen})) for one in resolutions])


def losers_are_dropped(history: Sequence[Revision], resolutions: Sequence[Resolution]) -> tuple[FoldedInterview, ...]:
    """Forget what a person set aside."""
    kept = {item.interview_id: item.superseded for item in fold(history)}
    return tuple(replace(item, superseded=kept[item.interview_id]) for item in fold(history, resolutions))


def no_one_decides(history: Sequence[Revision], _: Sequence[Resolution]) -> tuple[FoldedInterview, ...]:
    """Leave every conflict open."""
    return fold(history)


@pytest.mark.parametrize(
    "mutant",
    [
        last_arrival_wins,
        first_decision_wins,
        what_was_seen_is_forgotten,
        only_the_chosen_was_seen,
        losers_are_dropped,
        no_one_decides,
    ],
)
def test_the_laws_kill(mutant: Fold) -> None:
    told = find(
        orders(),
        lambda told: not obeys_the_laws(mutant, *told),
        settings=settings(
            max_examples=4000, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        ),
    )
    assert obeys_the_laws(fold, *told)
