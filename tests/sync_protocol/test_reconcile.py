"""The fold: what a set of revisions means does not hang on how it came."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_protocol.reconcile import Revision, State, components, fold, fold_component, state_hash, unique
from tests.sync_protocol.histories import histories
from tests.sync_protocol.histories import named_id as _id
from tests.sync_protocol.histories import revision as _revision


@given(histories, st.randoms())
def test_order_and_repetition_of_arrivals_change_nothing(history: list[Revision], random: object) -> None:
    again = history + history[: len(history) // 2]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert fold(again) == fold(history)
    assert state_hash(fold(again)) == state_hash(reversed(fold(history)))


@given(histories)
def test_every_revision_is_current_in_a_conflict_or_superseded(history: list[Revision]) -> None:
    told: list[tuple[bytes, bytes]] = []
    for interview in fold(history):
        told += [interview.current, *interview.conflicts, *interview.superseded]
    assert sorted(told) == sorted({revision.key for revision in history})


@given(histories)
def test_a_revision_is_superseded_by_a_descendant_of_its_own_kind_outside_its_cycle_and_else_a_head(
    history: list[Revision],
) -> None:
    children: dict[bytes, set[bytes]] = {}
    kinds: dict[bytes, set[tuple[str, int]]] = {}
    kind_of = {revision.key: (revision.mode, revision.project) for revision in unique(history)}
    for (instance_id, _), kind in kind_of.items():
        kinds.setdefault(instance_id, set()).add(kind)
    for revision in history:
        for parent in revision.parents:
            children.setdefault(parent, set()).add(revision.instance_id)

    def descendants(start: bytes) -> set[bytes]:
        found: set[bytes] = set()
        todo = [start]
        while todo:
            for child in children.get(todo.pop(), ()):
                if child not in found:
                    found.add(child)
                    todo.append(child)
        return found

    def is_superseded(key: tuple[bytes, bytes]) -> bool:
        below = {node for node in descendants(key[0]) if key[0] not in descendants(node)}
        return any(kind_of[key] in kinds.get(node, ()) for node in below)

    for interview in fold(history):
        assert all(is_superseded(key) for key in interview.superseded)
        assert not any(is_superseded(key) for key in (interview.current, *interview.conflicts))


@given(histories)
def test_folding_parts_one_by_one_is_folding_all(history: list[Revision]) -> None:
    parts = components(history)
    assert sum(len(part) for part in parts) == len(unique(history))
    assert tuple(sorted((fold_component(part) for part in parts), key=lambda item: item.interview_id)) == fold(history)


@given(st.permutations(range(5)), st.integers(1, 5))
def test_a_chain_of_edits_in_any_order_ends_in_its_last(order: list[int], arrived: int) -> None:
    chain = [_revision("abcde"[0])] + [_revision("abcde"[i], "abcde"[i - 1]) for i in range(1, 5)]
    (whole,) = fold(chain[i] for i in order)
    assert (whole.state, whole.interview_id, whole.current[0]) == (State.CURRENT, _id("a"), _id("e"))
    for interview in fold(chain[i] for i in order[:arrived]):
        assert interview.state in (State.CURRENT, State.INCOMPLETE_HISTORY)


def test_an_edit_before_what_it_edits_counts_and_waits_under_the_name_of_its_parent() -> None:
    (interview,) = fold([_revision("b", "a")])
    assert (interview.state, interview.interview_id, interview.missing) == (
        State.INCOMPLETE_HISTORY,
        _id("a"),
        (_id("a"),),
    )
    assert interview.current[0] == _id("b")


def test_other_answers_under_a_known_instance_id_are_both_kept() -> None:
    (interview,) = fold([_revision("a", answers="x"), _revision("a", answers="y")])
    assert interview.state is State.ID_COLLISION
    assert len(interview.conflicts) == 1


def test_the_same_answers_sealed_twice_are_one_revision() -> None:
    (interview,) = fold([_revision("a", envelope="1"), _revision("a", envelope="2")])
    assert (interview.state, interview.conflicts) == (State.CURRENT, ())


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (_revision("b", "a", role="enumerator"), _revision("c", "a", role="supervisor"), "c"),
        (_revision("b", "a", role="manager"), _revision("c", "a", role="supervisor"), "b"),
        (_revision("b", "a", envelope="2"), _revision("c", "a", envelope="1"), "b"),
        (_revision("b", "a", envelope="1"), _revision("c", "a", envelope="2"), "c"),
        (_revision("b", "a", role="supervisor"), _revision("c", "a", role="enumerator"), "b"),
        (_revision("b", "a", role="supervisor"), _revision("c", "a", role="door"), "b"),
        (_revision("b", "a", role="administrator"), _revision("c", "a", role="supervisor"), "b"),
        (_revision("b", "a"), _revision("c", "a", role="visitor"), "b"),
    ],
)
def test_of_two_concurrent_edits_role_then_envelope_id_is_shown(
    first: Revision, second: Revision, expected: str
) -> None:
    (interview,) = fold([_revision("a"), first, second])
    assert interview.state is State.CONFLICT
    assert interview.current[0] == _id(expected)
    assert len(interview.conflicts) == 1


def test_of_two_concurrent_edits_of_one_role_the_longer_history_is_shown() -> None:
    (interview,) = fold(
        [_revision("a"), _revision("b", "a", envelope="9"), _revision("c", "a"), _revision("d", "c", envelope="1")]
    )
    assert interview.current[0] == _id("d")


@pytest.mark.parametrize("longer", [2, 3, 4, 5])
def test_the_longest_way_from_the_root_is_the_depth(longer: int) -> None:
    def chain(letter: str, length: int, envelope: str) -> list[Revision]:
        names = ["a", *(f"{letter}{number}" for number in range(length))]
        return [_revision(child, parent, envelope=envelope) for parent, child in pairwise(names)]

    short_cut = _revision(f"l{longer - 1}", "a", envelope="1")
    (interview,) = fold([_revision("a"), *chain("l", longer, "1"), *chain("s", longer - 1, "9"), short_cut])
    assert interview.current[0] == _id(f"l{longer - 1}")


def test_missing_parents_are_named_in_order() -> None:
    names = [f"parent {number}" for number in range(20)]
    (interview,) = fold([_revision("z", *reversed(names))])
    assert interview.missing == tuple(sorted(_id(name) for name in names))
    assert interview.interview_id == interview.missing[0]


def test_the_state_hash_of_a_known_state_never_changes() -> None:
    known = fold([_revision("a"), _revision("b", "a", "m"), _revision("c", "a"), _revision("d", mode="training")])
    assert state_hash(known).hex() == "ba56df49dc39e2216b4a7a2f9f268d001f572153cfc943531ef53cf193c76728"


def test_a_revision_with_both_parents_closes_a_conflict() -> None:
    (interview,) = fold([_revision("a"), _revision("b", "a"), _revision("c", "a"), _revision("d", "b", "c")])
    assert (interview.state, interview.current[0]) == (State.CURRENT, _id("d"))


@pytest.mark.parametrize(
    "history",
    [
        [_revision("a", "a")],
        [_revision("a", "b"), _revision("b", "a")],
        [_revision("a", "b"), _revision("b", "a"), _revision("c", "a")],
    ],
    ids=["own-parent", "two", "two-and-an-edit"],
)
def test_a_hostile_cycle_ends_and_is_flagged(history: list[Revision]) -> None:
    (interview,) = fold(history)
    assert interview.state is State.CYCLE
    assert interview.interview_id == _id("a")


def test_training_never_hides_the_answers_of_a_survey() -> None:
    (interview,) = fold([_revision("a"), _revision("b", "a", role="manager", mode="training")])
    assert (interview.state, interview.mode) == (State.MIXED_MODES, "survey")
    assert interview.current[0] == _id("a")
    assert [key[0] for key in interview.conflicts] == [_id("b")]


@pytest.mark.parametrize(
    ("shown", "other"), [("survey", "pilot"), ("survey", "training"), ("pilot", "training"), ("training", "visit")]
)
def test_of_two_modes_the_more_serious_is_shown(shown: str, other: str) -> None:
    for first, second in ((shown, other), (other, shown)):
        (interview,) = fold([_revision("a"), _revision("b", "a", mode=first), _revision("c", "a", mode=second)][1:])
        assert (interview.mode, interview.state) == (shown, State.MIXED_MODES)


def test_an_edit_in_the_mode_of_an_older_ancestor_supersedes_that_ancestor() -> None:
    (interview,) = fold([_revision("a"), _revision("b", "a", mode="training"), _revision("c", "b")])
    assert (interview.state, interview.current[0]) == (State.MIXED_MODES, _id("c"))
    assert [key[0] for key in interview.superseded] == [_id("a")]


def test_another_project_never_hides_what_it_edits_nor_is_shown_for_it() -> None:
    for history in (
        [_revision("b", project=1), _revision("c", "b", project=2, role="manager")],
        [_revision("b", project=2), _revision("c", "b", project=1, role="manager")],
    ):
        (interview,) = fold(history)
        assert (interview.state, interview.current[0]) == (State.MIXED_PROJECTS, _id("b"))
        assert [key[0] for key in interview.conflicts] == [_id("c")]


def test_of_several_projects_under_one_root_or_before_it_comes_the_first_is_shown() -> None:
    under_one_root = [_revision("b", answers="x", project=2, role="manager"), _revision("b", answers="y", project=1)]
    before_it_comes = [_revision("b", "a", project=2, role="manager"), _revision("c", "a", project=1)]
    for history in (under_one_root, before_it_comes):
        (interview,) = fold(history)
        assert interview.state is State.MIXED_PROJECTS
        assert interview.current == history[1].key


def test_the_same_answers_sent_to_two_projects_count_in_the_first() -> None:
    copies = [_revision("a", project=2, envelope="1"), _revision("a", project=1, envelope="2", form=1)]
    for order in (copies, copies[::-1]):
        assert unique(order) == (copies[1],)


def test_the_same_answers_sealed_in_two_modes_count_in_the_survey() -> None:
    (interview,) = fold([_revision("a", mode="training", envelope="1"), _revision("a", envelope="2")])
    assert (interview.state, interview.mode) == (State.CURRENT, "survey")


def test_of_copies_one_gives_mode_envelope_and_form_together() -> None:
    copies = [
        _revision("a", "b", envelope="1", mode="training", form=1),
        _revision("a", "c", envelope="3", role="supervisor", form=2),
        _revision("a", envelope="2", form=3),
    ]
    for order in (copies, copies[::-1], [copies[1], copies[0], copies[2]]):
        (merged,) = unique(order)
        assert merged == replace(copies[2], parents=(_id("b"), _id("c")), role="supervisor")


@given(histories)
def test_an_interview_shows_the_project_that_began_it_and_of_that_never_another_mode(history: list[Revision]) -> None:
    known = {revision.key: revision for revision in unique(history)}
    for interview in fold(history):
        told = [known[key] for key in (interview.current, *interview.conflicts, *interview.superseded)]
        begun = [one.project for one in told if one.instance_id == interview.interview_id]
        shown = known[interview.current].project
        assert shown == min(begun or [one.project for one in told])
        modes = {one.mode for one in told if one.project == shown}
        assert interview.mode in modes
        assert "survey" not in modes or interview.mode == "survey"
        if len({one.project for one in told}) > 1:
            assert interview.state in (State.MIXED_PROJECTS, State.CYCLE)
        elif len(modes) > 1:
            assert interview.state in (State.MIXED_MODES, State.CYCLE)


@given(histories, histories)
def test_folding_what_is_already_folded_in_again_changes_nothing(first: list[Revision], second: list[Revision]) -> None:
    whole = fold([*first, *second])
    assert fold([*unique(first), *second, *unique([*second, *first])]) == whole
    assert fold([*second, *first]) == whole


@settings(max_examples=20)
@given(st.integers(2, 2000))
def test_a_long_cycle_and_a_chain_that_arrives_backwards_end(length: int) -> None:
    (ring,) = fold(_revision(str(i), str((i + 1) % length)) for i in range(length))
    assert (ring.state, len(ring.conflicts)) == (State.CYCLE, length - 1)
    (chain,) = fold(_revision(str(i), str(i + 1)) for i in reversed(range(length)))
    assert (chain.current[0], chain.missing) == (_id("0"), (_id(str(length)),))


def test_a_long_chain_needs_no_recursion() -> None:
    chain = [_revision("0")] + [_revision(str(i), str(i - 1)) for i in range(1, 5000)]
    (interview,) = fold(chain)
    assert interview.current[0] == _id("4999")


def test_the_state_hash_sees_every_part_of_the_state() -> None:
    base = fold([_revision("a"), _revision("b", "a")])
    told = {
        state_hash(base),
        state_hash([]),
        state_hash([replace(base[0], mode="training")]),
        state_hash([replace(base[0], state=State.CONFLICT)]),
        state_hash([replace(base[0], missing=(bytes(16),))]),
        state_hash([replace(base[0], interview_id=bytes(16))]),
        state_hash([replace(base[0], current=(bytes(16), bytes(32)))]),
        state_hash([replace(base[0], conflicts=base[0].superseded, superseded=())]),
    }
    assert len(told) == 8
