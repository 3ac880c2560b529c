"""Holds K1 to K3, and the decisions that settle them."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from server.context import Context
from server.db.queries import audit, interviews
from server.db.tables import Verdict
from server.errors import BadRequest, NotFound
from server.folding.telling import refold_all
from server.microdata import Standing
from server.services import settle_hold
from tests.office import NOW
from tests.server.opening.kit import (
    FORM_ID,
    Answers,
    Tablet,
    deliver,
    draw,
    household,
    open_all,
    publish,
    raw_id,
)

KEY = household(1)


@pytest.fixture
def tablet(context: Context) -> Tablet:
    """A tablet of enumerator 0001, whose unit has two drawn households; enumerator 0002 has another."""
    publish(context)
    draw(context, [(KEY, "A", "0001"), (household(2), "A", "0001"), (household(3), "B", "0002")])
    return Tablet(context.keystore).enrol(context)


def standings(context: Context) -> dict[int, tuple[str, bool, str | None]]:
    """Return holds, weighing and effective key by the number of the interview."""
    with context.database.read() as session:
        found = interviews.all_interviews(session)
    opened = {row: Standing.open(row.sealed, row.interview_id, context.keystore) for row in found}
    return {
        int.from_bytes(row.interview_id, "big"): (row.holds, standing.weighs, standing.household_key)
        for row, standing in opened.items()
    }


def bring(context: Context, tablet: Tablet, *answers: Answers, mode: str = "survey") -> None:
    deliver(context, [tablet.epoch(mode), *(tablet.seal(item, mode=mode) for item in answers)])
    open_all(context)


def settle(context: Context, number: int, verdict: str, key: str | None = None, *, minutes: int = 0) -> None:
    with context.database.transaction() as session:
        settle_hold.settle(
            session,
            keystore=context.keystore,
            interview_id=raw_id(number),
            verdict=verdict,
            household_key=key,
            note="the enumerator read the card again",
            user="supervisor",
            now=NOW + timedelta(minutes=minutes),
        )
    open_all(context)


def test_a_drawn_household_of_the_enumerators_own_unit_is_not_held(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=KEY))
    assert standings(context) == {1: ("", True, KEY)}


@pytest.mark.parametrize("key", [household(9), household(3)], ids=["not drawn", "of another's unit"])
def test_a_key_outside_the_enumerators_draw_is_held_and_does_not_weigh(
    context: Context, tablet: Tablet, key: str
) -> None:
    bring(context, tablet, Answers(number=1, key=key))
    assert standings(context) == {1: ("K1", False, key)}


def test_training_is_not_held_against_the_draw(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=household(9), mode="training"), mode="training")
    assert standings(context) == {1: ("", True, household(9))}


def test_answers_of_another_mode_than_the_key_are_held(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=KEY, mode="training"))
    assert standings(context) == {1: ("K3", False, KEY)}


def test_a_form_without_these_questions_is_never_held(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=None, mode=None), Answers(number=2, key=None, mode=None))
    assert standings(context) == {1: ("", True, None), 2: ("", True, None)}


def test_two_interviews_under_one_key_are_both_held_and_the_complete_one_weighs(
    context: Context, tablet: Tablet
) -> None:
    bring(context, tablet, Answers(number=1, key=KEY, result="120"), Answers(number=2, key=KEY))
    assert standings(context) == {1: ("K2", False, KEY), 2: ("K2", True, KEY)}


def test_of_two_equal_ones_the_lower_id_weighs_whichever_came_first(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=2, key=KEY))
    bring(context, tablet, Answers(number=1, key=KEY))
    assert standings(context) == {1: ("K2", True, KEY), 2: ("K2", False, KEY)}


def test_a_training_interview_does_not_compete_with_the_survey(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=KEY))
    bring(context, tablet, Answers(number=2, key=KEY, mode="training"), mode="training")
    assert {holds for holds, _, _ in standings(context).values()} == {""}


def test_an_edit_that_mends_the_key_ends_the_hold_of_both(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=KEY), Answers(number=2, key=KEY))
    bring(context, tablet, Answers(number=3, key=household(2), edits=2))
    assert standings(context) == {1: ("", True, KEY), 2: ("", True, household(2))}


def test_reassigning_moves_an_interview_to_its_household(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=KEY), Answers(number=2, key=KEY))
    settle(context, 2, "reassign", household(2))
    assert standings(context) == {1: ("", True, KEY), 2: ("", True, household(2))}
    parts = context.microdata.read("analysis", form_id=FORM_ID)
    assert parts[0].table.column("_household_key").to_pylist() == [KEY, household(2)]
    assert parts[0].table.column("household_key").to_pylist() == [KEY, KEY]


def test_excluding_one_of_a_pair_settles_both(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=KEY), Answers(number=2, key=KEY))
    settle(context, 1, "exclude")
    assert standings(context) == {1: ("", False, KEY), 2: ("", True, KEY)}


def test_keeping_lets_a_key_outside_the_draw_stand_and_the_last_decision_wins(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=household(9)))
    settle(context, 1, "keep")
    assert standings(context) == {1: ("", True, household(9))}
    settle(context, 1, "exclude", minutes=1)
    assert standings(context) == {1: ("", False, household(9))}
    settle(context, 1, "reassign", KEY, minutes=2)
    assert standings(context) == {1: ("", True, KEY)}


def test_keeping_both_of_a_pair_does_not_let_one_household_weigh_twice(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=KEY), Answers(number=2, key=KEY))
    settle(context, 1, "keep")
    settle(context, 2, "keep")
    assert sorted(weighs for _, weighs, _ in standings(context).values()) == [False, True]


def test_a_decision_outlives_an_edit_of_what_it_is_about(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=household(9)))
    settle(context, 1, "keep")
    bring(context, tablet, Answers(number=2, key=household(9), age="50", edits=1))
    assert standings(context) == {1: ("", True, household(9))}


def test_a_draw_that_is_imported_late_holds_what_came_before_it(context: Context) -> None:
    publish(context)
    tablet = Tablet(context.keystore).enrol(context)
    bring(context, tablet, Answers(number=1, key=household(9)), Answers(number=2, key=KEY))
    assert {holds for holds, _, _ in standings(context).values()} == {""}
    draw(context, [(KEY, "A", "0001")])
    with context.database.transaction() as session:
        refold_all(session, keystore=context.keystore, now=NOW)
    assert standings(context) == {1: ("K1", False, household(9)), 2: ("", True, KEY)}


def test_everyone_whose_hold_changes_is_told(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=KEY))
    assert told(context) == {1: ("opened", None)}
    bring(context, tablet, Answers(number=2, key=KEY))
    assert told(context) == {1: ("held", "K2"), 2: ("held", "K2")}
    settle(context, 2, "exclude")
    assert told(context) == {1: ("opened", None), 2: ("opened", None)}


def told(context: Context) -> dict[int, tuple[str, str | None]]:
    with context.database.read() as session:
        rows = session.execute(select(Verdict.instance_id, Verdict.state, Verdict.reason))
        return {int.from_bytes(name, "big"): (state, reason) for name, state, reason in rows}


def test_a_decision_is_audited_with_who_and_what_but_not_with_the_note(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=household(9)))
    settle(context, 1, "keep")
    with context.database.read() as session:
        (entry,) = [entry for entry in audit.latest(session) if entry.action.startswith("settle-hold")]
    assert (entry.actor, entry.action, entry.subject) == ("supervisor", "settle-hold-keep", raw_id(1).hex())
    assert "card" not in entry.detail


@pytest.mark.parametrize(("verdict", "key"), [("delete", None), ("keep", KEY), ("reassign", None)])
def test_only_the_three_verdicts_are_taken(context: Context, tablet: Tablet, verdict: str, key: str | None) -> None:
    bring(context, tablet, Answers(number=1, key=household(9)))
    with pytest.raises(BadRequest):
        settle(context, 1, verdict, key)


def test_what_is_not_there_cannot_be_settled_or_released(context: Context, tablet: Tablet) -> None:
    with pytest.raises(NotFound):
        settle(context, 77, "keep")
    with pytest.raises(NotFound), context.database.transaction() as session:
        settle_hold.release_quarantined(session, envelope_id=bytes(32), user="manager", now=NOW)


def test_the_list_of_holds_says_which_household_and_who_asked(context: Context, tablet: Tablet) -> None:
    bring(context, tablet, Answers(number=1, key=household(9)), Answers(number=2, key=KEY))
    with context.database.read() as session:
        (found,) = settle_hold.list_holds(session, keystore=context.keystore)
    assert (found.household_key, found.enumerator, found.hold.holds) == (household(9), "0001", "K1")
