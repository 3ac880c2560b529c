from dataclasses import astuple
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.context import Context
from server.db.tables import Interview
from server.keystore import KeyStore
from server.microdata import Standing
from server.services import progress
from server.services.import_frame import import_frame
from server.services.import_frame.check_digits import with_check_digits
from server.services.progress import OUTCOMES, Counts
from tests.office import NOW
from tests.server.fieldwork.frames import KEYS, documents

SMALL = st.integers(0, 1000)


@pytest.fixture
def surveyed(context: Context) -> Context:
    with context.database.transaction() as session:
        import_frame(session, documents=documents(), keystore=context.keystore, user="office", now=NOW)
    return context


def fold(context: Context, key: str, outcome: str | None, *, holds: str = "", mode: str = "survey") -> None:
    """Put an interview where folding puts it."""
    with context.database.transaction() as session:
        interview_id = (session.query(Interview).count() + 1).to_bytes(16)
        standing = Standing(
            household_key=key, weighs=not holds, is_primary=True, outcome=outcome, decided=None, enumerator="0001"
        )
        session.add(
            Interview(
                interview_id=interview_id,
                form_id="hh_remit",
                mode=mode,
                state="current",
                current_revision_id=None,
                household_tag=context.keystore.household_tag(key),
                holds=holds,
                sealed=standing.seal(interview_id, context.keystore),
                updated_at=NOW.astimezone(UTC),
            )
        )


def measured(context: Context, keystore: KeyStore | None = None) -> progress.Progress:
    with context.database.read() as session:
        return progress.measure(session, keystore or context.keystore)


def test_before_fieldwork_every_drawn_household_is_pending(surveyed: Context) -> None:
    assert measured(surveyed).total == Counts(drawn=6, pending=6)


def test_outcomes_are_counted_by_unit_enumerator_and_province(surveyed: Context) -> None:
    for key, outcome in zip(KEYS, ("110", "211", "120", "220", "460"), strict=False):
        fold(surveyed, key, outcome)
    found = measured(surveyed)
    assert found.total == Counts(
        drawn=6, complete=1, refused=1, partial=1, not_met=1, not_eligible=1, pending=1, received=5
    )
    by_psu = {one.psu: one.counts for one in found.psus}
    assert by_psu["011001"] == Counts(drawn=2, complete=1, refused=1, received=2)
    by_enumerator = {one.enumerator: one.counts for one in found.enumerators}
    assert by_enumerator["0002"] == Counts(drawn=2, refused=1, not_met=1, received=2)
    assert [one.province for one in found.provinces] == ["01"]


def test_a_held_interview_is_received_and_held(surveyed: Context) -> None:
    fold(surveyed, KEYS[0], "110", holds="K3")
    assert measured(surveyed).total == Counts(drawn=6, complete=1, pending=5, received=1, held=1)


def test_two_interviews_of_one_household_count_once_with_the_better_outcome(surveyed: Context) -> None:
    fold(surveyed, KEYS[0], "220", holds="K2")
    fold(surveyed, KEYS[0], "110", holds="K2")
    assert measured(surveyed).total == Counts(drawn=6, complete=1, pending=5, received=1, held=1)


def test_a_key_outside_the_draw_is_counted_apart(surveyed: Context) -> None:
    fold(surveyed, with_check_digits("019999999"), "110", holds="K1")
    found = measured(surveyed)
    assert found.outside_the_draw == 1
    assert found.total.received == 0


def test_training_interviews_do_not_count(surveyed: Context) -> None:
    fold(surveyed, KEYS[0], "110", mode="training")
    assert measured(surveyed).total.received == 0


def test_a_locked_key_store_still_counts_arrivals(surveyed: Context, locked_keystore: KeyStore) -> None:
    fold(surveyed, KEYS[0], "110")
    found = measured(surveyed, locked_keystore)
    assert not found.outcomes_known
    assert found.total == Counts(drawn=6, other=1, pending=5, received=1)


@given(st.builds(Counts, drawn=SMALL, held=SMALL), st.builds(Counts, drawn=SMALL, refused=SMALL))
def test_counts_add_column_by_column(one: Counts, other: Counts) -> None:
    assert astuple(one + other) == tuple(a + b for a, b in zip(astuple(one), astuple(other), strict=True))


def test_every_result_of_the_questionnaire_has_a_column() -> None:
    from forms import library

    results = {row[1] for row in library.sheet("hh_remit", "choices") if row[0] == "result"}
    assert results == set(OUTCOMES)
