"""How much goes at once: it grows while nothing is cut, and shrinks where a cut costs something."""

from hypothesis import given
from hypothesis import strategies as st

from sync_protocol.constants import FIRST_PART_BYTES, PART_BYTES
from sync_protocol.exchange import body_pace
from sync_protocol.pace import KEPT_SECONDS, PART_MOMENT_SECONDS, PATIENCE, SMALLEST_PART_BYTES, Pace, part_pace


def test_sizes_double_while_each_takes_a_moment() -> None:
    pace = part_pace()
    for _ in range(3):
        pace.whole(pace.size, PART_MOMENT_SECONDS)
    assert pace.size == 8 * FIRST_PART_BYTES


def test_a_size_that_takes_longer_stays_until_many_in_a_row_were_whole() -> None:
    pace = part_pace()
    for _ in range(PATIENCE - 1):
        pace.whole(pace.size, PART_MOMENT_SECONDS + 0.1)
        assert pace.size == FIRST_PART_BYTES
    pace.whole(pace.size, PART_MOMENT_SECONDS + 0.1)
    assert pace.size == 2 * FIRST_PART_BYTES


def test_a_cut_halves_and_is_remembered() -> None:
    pace = part_pace()
    pace.whole(pace.size, 1.0)
    pace.cut(pace.size)
    assert pace.size == FIRST_PART_BYTES
    pace.whole(pace.size, 1.0)
    assert pace.size == FIRST_PART_BYTES


def test_where_beginnings_are_kept_a_moment_is_longer_and_one_cut_at_once_says_nothing() -> None:
    pace = part_pace()
    pace.whole(pace.size, PART_MOMENT_SECONDS + 0.1)
    pace.kept()
    pace.whole(pace.size, KEPT_SECONDS)
    assert pace.size == 2 * FIRST_PART_BYTES
    pace.cut(pace.size)
    assert pace.size == 2 * FIRST_PART_BYTES, "it was cut before it had begun"
    pace.cut(pace.size)
    assert pace.size == FIRST_PART_BYTES, "a proxy stands in the way now"


def test_much_less_than_the_size_says_nothing_of_more() -> None:
    pace = part_pace()
    pace.whole(pace.size // 2 - 1, 0.1)
    assert pace.size == FIRST_PART_BYTES


acts = st.lists(
    st.one_of(
        st.tuples(st.just("whole"), st.integers(0, 2 * PART_BYTES), st.floats(0, 100)),
        st.tuples(st.just("cut"), st.integers(0, 2 * PART_BYTES)),
        st.tuples(st.just("kept")),
        st.tuples(st.just("limit"), st.integers(1, PART_BYTES)),
    ),
    max_size=60,
)


@given(acts=acts, make=st.sampled_from([part_pace, body_pace]))
def test_whatever_comes_the_size_stays_within_its_bounds(acts: list[tuple[str, ...]], make: type[Pace]) -> None:
    pace = make()
    smallest = pace.smallest
    assert make is body_pace or smallest == SMALLEST_PART_BYTES
    for name, *arguments in acts:
        getattr(pace, name)(*arguments)
        assert smallest == pace.smallest <= pace.size <= pace.largest
