from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from server.web.charts import LEFT, RIGHT, Chart, Row, Share, axis_ticks, draw, stacked_bar
from server.web.messages import number, quantity

finite = st.floats(0, 1e9, allow_nan=False)


@given(st.floats(1e-6, 1e12))
def test_an_axis_begins_at_zero_and_covers_the_largest(largest: float) -> None:
    ticks = axis_ticks(largest)
    assert ticks[0] == 0
    assert ticks[-1] >= largest * (1 - 1e-6)
    assert 2 <= len(ticks) <= 6


@given(st.lists(st.tuples(st.text(max_size=20), finite, finite, finite), min_size=1, max_size=8))
def test_every_mark_lies_inside_the_plot(values: list[tuple[str, float, float, float]]) -> None:
    rows = [
        Row(label=label.replace("\x00", ""), text="x", value=value, low=low, high=high)
        for label, value, low, high in values
    ]
    printable = [row for row in rows if row.label.isprintable()]
    chart = Chart(
        name="c", title="T", description="D", rows=printable, reference=1.0, tick_labels=[(0.0, "0"), (10.0, "10")]
    )
    document = etree.fromstring(str(draw(chart)))
    places = [float(place.rstrip("%")) for place in document.xpath("//circle/@cx | //line/@x1 | //line/@x2")]
    assert all(LEFT - 0.01 <= place <= RIGHT + 0.01 for place in places)


def test_words_of_a_chart_are_escaped() -> None:
    row = Row(label="<script>", text="&")
    chart = Chart(name="c", title="<t>", description="", rows=[row], reference=None, tick_labels=[(1.0, "<1>")])
    drawn = str(draw(chart))
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn


def test_a_hidden_row_has_words_and_no_mark() -> None:
    row = Row(label="Province 02", text="hidden", style="hidden")
    chart = Chart(name="c", title="t", description="", rows=[row], reference=None, tick_labels=[(1.0, "1")])
    assert "<circle" not in draw(chart)
    assert "hidden" in draw(chart)


@given(st.lists(st.integers(0, 10_000), max_size=7))
def test_the_segments_of_a_bar_fill_it(counts: list[int]) -> None:
    document = etree.fromstring(str(stacked_bar([Share("a", count) for count in counts], label="l")))
    widths = [float(width.rstrip("%")) for width in document.xpath("//rect/@width")]
    assert abs(sum(widths) - (100 if sum(counts) else 0)) < 0.01


def test_numbers_are_written_as_each_language_does() -> None:
    assert quantity(0.1483, "share", "en") == "14.8%"
    assert quantity(0.1483, "share", "fr") == "14,8\N{NARROW NO-BREAK SPACE}%"
    assert number(1862.4, "fr") == "1\N{NARROW NO-BREAK SPACE}862"
    assert quantity(79.66e6, "USD", "en") == "79.7 million"
    assert quantity(float("nan"), "USD", "en") == "\N{EN DASH}"
