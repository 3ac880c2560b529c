"""Entities: what a set of changes means, whatever way and order they came in."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_protocol.entities import Action, Claim, EntityChange, FoldedEntity, count_changes, fold_entity
from tests.sync_protocol.entity_world import Fold, Server, Tablet, change, folded_by_truth, named, office

BRANCH = b"b" * 16
CREATED = change("create", Action.CREATE, values={"label": "Amina", "crop": "maize"}, first_version=1)


def update(name: str, /, **members: object) -> EntityChange:
    return change(name, Action.UPDATE, **{"base_version": 1} | members)


def test_an_update_of_the_version_it_names_replaces_what_was_there() -> None:
    folded = fold_entity([CREATED, update("one", values={"crop": "millet"})])
    assert folded.values == {"crop": "millet", "label": "Amina"}
    assert folded.conflicts == {}
    assert folded.heads == (named("one"),)


def test_writers_of_different_properties_do_not_meet() -> None:
    changes = [CREATED, update("one", values={"crop": "millet"}), update("two", values={"persons": "4"})]
    folded = fold_entity(changes)
    assert folded.values == {"crop": "millet", "label": "Amina", "persons": "4"}
    assert folded.conflicts == {}


def test_two_who_write_differently_on_one_base_are_a_conflict_with_both_values() -> None:
    folded = fold_entity([CREATED, update("one", values={"crop": "millet"}), update("two", values={"crop": "rice"})])
    assert folded.conflicts == {"crop": (Claim(named("two"), "rice"), Claim(named("one"), "millet"))}
    assert folded.values["crop"] == "rice"


def test_the_same_value_twice_is_no_conflict() -> None:
    changes = [CREATED, update("one", values={"crop": "rice"}), update("two", values={"crop": "rice"})]
    assert fold_entity(changes).conflicts == {}


def test_a_form_that_saves_what_it_found_writes_nothing() -> None:
    changes = [CREATED, update("one", values={"crop": "rice"}), update("two", values={"crop": "maize", "persons": "4"})]
    folded = fold_entity(changes)
    assert folded.conflicts == {}
    assert folded.values == {"crop": "rice", "label": "Amina", "persons": "4"}


def test_a_supervisors_value_is_shown_before_an_enumerators() -> None:
    changes = [CREATED, update("z", values={"crop": "rice"}), update("a", values={"crop": "yam"}, rank=2)]
    assert fold_entity(changes).values["crop"] == "yam"


def test_a_branch_follows_itself_though_it_comes_backwards() -> None:
    branch = [
        update(f"u{base}", values={"crop": f"crop {base}"}, base_version=base, trunk_version=1, branch_id=BRANCH)
        for base in (1, 2, 3)
    ]
    other = update("other", values={"crop": "yam"}, first_version=2)
    folded = fold_entity([*reversed(branch), other, CREATED])
    assert {claim.value for claim in folded.conflicts["crop"]} == {"crop 3", "yam"}


def test_a_change_counts_at_once_and_moves_under_its_ancestor_when_that_comes() -> None:
    late = update("first", values={"crop": "rice"}, base_version=1, trunk_version=1, branch_id=BRANCH)
    early = update("second", values={"crop": "yam"}, base_version=2, trunk_version=1, branch_id=BRANCH)
    assert fold_entity([CREATED, early]).values["crop"] == "yam"
    both = fold_entity([CREATED, early, late])
    assert (both.values["crop"], both.conflicts) == ("yam", {})


def test_an_entity_created_and_updated_offline_needs_no_version_of_the_server() -> None:
    created = change("create", Action.CREATE, values={"label": "Amina"})
    updates = [
        update(f"u{base}", values={"label": f"Amina {base}"}, base_version=base, branch_id=BRANCH) for base in (1, 2)
    ]
    folded = fold_entity([updates[1], updates[0], created])
    assert (folded.values, folded.conflicts, folded.heads) == ({"label": "Amina 2"}, {}, (named("u2"),))


def test_an_update_of_an_unknown_entity_waits() -> None:
    assert not fold_entity([update("one", values={"crop": "rice"})]).is_created
    assert fold_entity([update("one", values={"crop": "rice"}), CREATED]).is_created


def test_two_creations_under_one_id_are_concurrent() -> None:
    other = change("other", Action.CREATE, values={"label": "Awa", "persons": "3"})
    folded = fold_entity([CREATED, other])
    assert set(folded.conflicts) == {"label"}
    assert folded.values["persons"] == "3"


def test_an_edited_interview_follows_the_one_that_it_edits() -> None:
    edited = change(
        "edited", Action.CREATE, values={"label": "Amina B.", "crop": "maize"}, edits=frozenset([named("create")])
    )
    assert fold_entity([edited, CREATED]).conflicts == {}
    assert fold_entity([edited, CREATED]).values["label"] == "Amina B."


def test_what_a_tablet_went_on_with_before_it_edited_its_first_form_is_concurrent_with_the_edit() -> None:
    created = change("create", Action.CREATE, values={"label": "Amina"})
    went_on = update("on", values={"label": "Amina 2"}, base_version=1, branch_id=BRANCH)
    edited = change("edited", Action.CREATE, values={"label": "Amina B."}, edits=frozenset([named("create")]))
    assert {claim.value for claim in fold_entity([went_on, edited, created]).conflicts["label"]} == {
        "Amina 2",
        "Amina B.",
    }


def test_rows_of_one_interview_follow_each_other() -> None:
    revision = (named("form"), bytes(32))
    rows = [
        update(f"r{row}", values={"persons": str(row)}, revision=revision, row=row, trunk_version=1, branch_id=BRANCH)
        for row in range(3)
    ]
    folded = fold_entity([CREATED, *reversed(rows)])
    assert (folded.values["persons"], folded.conflicts) == ("2", {})


def test_deletion_wins_over_an_update_that_knew_nothing_of_it_and_over_one_that_did() -> None:
    deleted = office("gone", Action.DELETE, "create")
    unknowing = update("one", values={"crop": "rice"})
    knowing = update("two", values={"crop": "yam"}, base_version=2)
    assert fold_entity([CREATED, deleted, unknowing, knowing]).is_deleted
    assert fold_entity([CREATED, deleted, change("again", Action.CREATE, values={"label": "x"})]).is_deleted


def test_only_who_has_seen_a_deletion_restores_it() -> None:
    deleted, also = office("gone", Action.DELETE, "create"), office("too", Action.DELETE, "create")
    restored = office("back", Action.RESTORE, "gone")
    assert not fold_entity([CREATED, deleted, restored]).is_deleted
    assert fold_entity([CREATED, deleted, also, restored]).is_deleted


def test_an_office_change_that_has_seen_all_heads_settles() -> None:
    changes = [CREATED, update("one", values={"crop": "millet"}), update("two", values={"crop": "rice"})]
    heads = [head.rstrip(b"\x00").decode() for head in fold_entity(changes).heads]
    settled = fold_entity([*changes, office("settled", Action.UPDATE, *heads, crop="rice")])
    assert (settled.values["crop"], settled.conflicts, settled.heads) == ("rice", {}, (named("settled"),))
    late = update("late", values={"crop": "yam"})
    assert set(fold_entity([*changes, office("settled", Action.UPDATE, *heads, crop="rice"), late]).conflicts) == {
        "crop"
    }


def test_a_version_that_names_itself_or_the_future_ends_somewhere() -> None:
    strange = [
        update("a", values={"crop": "1"}, base_version=9, first_version=3),
        update("b", values={"crop": "2"}, base_version=2_000_000_000, first_version=3),
        update("c", values={"crop": "3"}, base_version=3, trunk_version=2, branch_id=BRANCH, first_version=2),
        update("d", values={"crop": "4"}, base_version=2, trunk_version=3, branch_id=BRANCH, first_version=4),
    ]
    folded = fold_entity([CREATED, *strange])
    assert folded == fold_entity([*reversed(strange), CREATED, *strange])
    assert folded.is_created


def test_a_version_grows_by_what_changed_and_by_what_ceased_to_count() -> None:
    assert count_changes({}, {b"a": True, b"b": True, b"c": False}, last_version=0) == (2, {b"a": True, b"b": True})
    recorded = {b"a": True, b"b": True}
    assert count_changes(recorded, recorded, last_version=2) == (2, {})
    assert count_changes(recorded, {b"a": True, b"b": False}, last_version=2) == (3, {b"b": False})
    assert count_changes(recorded, {b"a": True}, last_version=2) == (2, {}), "what is not here yet has not ceased"


def histories(seed: int) -> tuple[list[EntityChange], dict[bytes, frozenset[bytes]], Server]:
    """Let tablets and the office work on one entity, most of them without a network."""
    random = Random(seed)
    truth: dict[bytes, frozenset[bytes]] = {}
    server = Server()
    tablets = [Tablet(name, random) for name in "xyz"[: random.randint(1, 3)]]
    if random.random() < 0.5:
        created = office("office", Action.CREATE, label="Amina", crop="maize")
        truth[created.change_id] = frozenset()
        server.receive([created])
        server.record()
        for tablet in tablets:
            tablet.sync(server)
    else:
        tablets = tablets[:1]
        tablets[0].create(truth)
    for _ in range(random.randint(1, 7)):
        random.choice(tablets).update(truth)
    return [one for tablet in tablets for one in tablet.queue], truth, server


def arrive(sent: list[EntityChange], server: Server, random: Random, fold: Fold = fold_entity) -> Server:
    """Let what was sent arrive in any order, some of it twice, in batches; record versions in between."""
    other = Server(fold, dict(server.here), dict(server.recorded), server.version)
    waiting = [*sent, *random.sample(sent, random.randint(0, len(sent)))]
    random.shuffle(waiting)
    while waiting:
        size = random.randint(1, 3)
        other.receive(waiting[:size])
        waiting = waiting[size:]
        if random.random() < 0.6:
            other.record()
    other.record()
    return other


def arrival_order_wins(changes: list[EntityChange]) -> object:
    values: dict[str, str] = {}
    for one in changes:
        values |= one.values
    return values


def branches_are_ignored(changes: list[EntityChange]) -> object:
    return fold_entity([replace(one, branch_id=b"", trunk_version=0) for one in changes])


def conflicts_are_dropped(changes: list[EntityChange]) -> object:
    return replace(fold_entity(changes), conflicts={})


def obeys(fold: Fold, seed: int, order: int) -> bool:
    sent, truth, server = histories(seed)
    there = arrive(sent, server, Random(order), fold)
    return there.folded() == folded_by_truth(there.here, truth)


@settings(max_examples=300)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_fold_finds_out_what_every_writer_had_seen_in_any_order_of_arrival(seed: int, order: int) -> None:
    assert obeys(fold_entity, seed, order)


@settings(max_examples=100)
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_two_servers_that_were_told_differently_agree(seed: int, one: int, other: int) -> None:
    sent, _, server = histories(seed)
    first, second = arrive(sent, server, Random(one)), arrive(sent, server, Random(other))
    assert (first.folded(), first.version) == (second.folded(), second.version)
    assert first.version == len(first.here)


@pytest.mark.parametrize("mutant", [arrival_order_wins, branches_are_ignored, conflicts_are_dropped])
def test_the_laws_kill(mutant: Fold) -> None:
    assert not all(obeys(mutant, seed, seed) for seed in range(200))
    assert all(obeys(fold_entity, seed, seed) for seed in range(200))


raw = st.builds(
    lambda name, action, base, trunk, branch, first, value, edits, parents: EntityChange(
        change_id=named(name),
        action=action,
        values=value,
        rank=len(name) % 3,
        revision=None if action in (Action.DELETE, Action.RESTORE) else (named(name), bytes(32)),
        edits=frozenset(named(one) for one in edits),
        parents=tuple(named(one) for one in parents),
        base_version=base,
        trunk_version=trunk,
        branch_id=branch,
        first_version=first,
    ),
    st.sampled_from("abcdefgh"),
    st.sampled_from(list(Action)),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from([b"", BRANCH, b"c" * 16]),
    st.integers(0, 5),
    st.dictionaries(st.sampled_from(["label", "crop"]), st.sampled_from("xyz"), max_size=2),
    st.lists(st.sampled_from("abcdefgh"), max_size=2),
    st.lists(st.sampled_from("abcdefgh"), max_size=2),
)


@settings(max_examples=400)
@given(st.lists(raw, min_size=1, max_size=8, unique_by=lambda one: one.change_id), st.randoms(use_true_random=False))
def test_hostile_changes_fold_the_same_in_any_order_and_lose_no_value(
    changes: list[EntityChange], random: Random
) -> None:
    folded = fold_entity(changes)
    shuffled = changes + changes[:3]
    random.shuffle(shuffled)
    assert fold_entity(shuffled) == folded
    assert set(folded.values) == {name for one in changes for name in one.values}
    for name, claims in folded.conflicts.items():
        assert folded.values[name] == claims[0].value
    assert folded.heads


def resurrected_by_what_comes_later(changes: list[EntityChange]) -> FoldedEntity:
    return replace(fold_entity(changes), is_deleted=changes[-1].action is Action.DELETE)


def deletion_is_one_write_among_others(changes: list[EntityChange]) -> FoldedEntity:
    folded = fold_entity(changes)
    last = [one for one in changes if one.change_id in folded.heads]
    return replace(folded, is_deleted=any(one.action is Action.DELETE for one in last))


DELETED = [
    CREATED,
    office("gone", Action.DELETE, "create"),
    update("unknowing", values={"crop": "rice"}),
    update("knowing", values={"crop": "yam"}, base_version=2, first_version=3),
    office("written", Action.UPDATE, "gone", crop="maize"),
]
DELETED[1] = replace(DELETED[1], first_version=2)


def stays_deleted(fold: Fold, order: Sequence[EntityChange]) -> bool:
    return fold(order).is_deleted


@given(st.permutations(DELETED))
def test_nothing_but_a_restoration_brings_back_what_was_deleted(order: list[EntityChange]) -> None:
    assert stays_deleted(fold_entity, order)


@pytest.mark.parametrize("mutant", [resurrected_by_what_comes_later, deletion_is_one_write_among_others])
def test_the_law_of_deletion_kills(mutant: Fold) -> None:
    assert not all(stays_deleted(mutant, order) for order in permutations(DELETED))
