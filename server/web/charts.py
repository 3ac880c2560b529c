"""Charts as SVG, written by hand: dots with their intervals, one row a domain.

Horizontal places are per cent of the width, vertical ones are pixels, so that one drawing fits a phone and a desk
without scaling its text. Colours are classes of the style sheet. The table beside each chart has the same figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Final

from markupsafe import Markup, escape

ROW: Final = 26
HEADING: Final = 30
AXIS: Final = 26
LEFT, RIGHT = 28.0, 79.0
"""Where the plot begins and ends, per cent; labels stand left of it, values right of it."""
TICKS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a chart.

    Attributes:
        label: what it is about.
        text: the figure in words of the page, or why there is none.
        value, low, high: in the unit of the axis; None when hidden.
        style: a class: ``sure``, ``care``, ``poor`` or ``hidden``.
        is_heading: the line only titles those that follow.
    """

    label: str
    text: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    style: str = "sure"
    is_heading: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart and the words around it; ``reference`` is a value that a line through all rows marks."""

    name: str
    title: str
    description: str
    rows: Sequence[Row]
    reference: float | None
    tick_labels: Sequence[tuple[float, str]]


def axis_ticks(largest: float, count: int = TICKS) -> tuple[float, ...]:
    """Return round values from 0 to at least the largest."""
    if not isfinite(largest) or largest <= 0:
        return (0.0, 1.0)
    raw = largest / count
    magnitude = 10.0 ** floor(log10(raw))
    step = next(step for step in (1, 2, 2.5, 5, 10) if step * magnitude >= raw * (1 - 1e-9)) * magnitude
    return tuple(step * index for index in range(ceil(largest / step - 1e-9) + 1))


def draw(chart: Chart) -> Markup:
    """Return the SVG element of a chart."""
    last = chart.tick_labels[-1][0]
    heights = [HEADING if row.is_heading else ROW for row in chart.rows]
    height = sum(heights) + AXIS
    parts = [
        f'<svg class="chart" role="img" width="100%" height="{height}"'
        f' aria-labelledby="{escape(chart.name)}-title {escape(chart.name)}-desc">',
        f'<title id="{escape(chart.name)}-title">{escape(chart.title)}</title>',
        f'<desc id="{escape(chart.name)}-desc">{escape(chart.description)}</desc>',
    ]
    parts += [_grid(value, label, last, height) for value, label in chart.tick_labels]
    if chart.reference is not None:
        place = _place(chart.reference, last)
        parts.append(f'<line class="reference" x1="{place}" x2="{place}" y1="{AXIS}" y2="{height}"/>')
    top = AXIS
    for row, row_height in zip(chart.rows, heights, strict=True):
        parts.append(_row(row, top + row_height / 2, last))
        top += row_height
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - every text in it is escaped above


def _grid(value: float, label: str, last: float, height: float) -> str:
    place = _place(value, last)
    return (
        f'<line class="grid" x1="{place}" x2="{place}" y1="{AXIS - 6}" y2="{height}"/>'
        f'<text class="tick" x="{place}" y="14" text-anchor="middle">{escape(label)}</text>'
    )


def _row(row: Row, middle: float, last: float) -> str:
    baseline = f"{middle + 4.5:.1f}"
    if row.is_heading:
        return f'<text class="heading" x="0" y="{baseline}">{escape(row.label)}</text>'
    words = (
        f'<text class="label" x="0" y="{baseline}">{escape(row.label)}</text>'
        f'<text class="value {row.style}" x="100%" y="{baseline}" text-anchor="end">{escape(row.text)}</text>'
    )
    if row.value is None:
        return words
    return words + _mark(row, middle, last)


def _mark(row: Row, middle: float, last: float) -> str:
    mark = f'<circle class="dot {row.style}" cx="{_place(row.value or 0.0, last)}" cy="{middle:.1f}" r="4.5"/>'
    if row.low is None or row.high is None:
        return mark
    low, high = _place(row.low, last), _place(row.high, last)
    return f'<line class="interval {row.style}" x1="{low}" x2="{high}" y1="{middle:.1f}" y2="{middle:.1f}"/>{mark}'


def _place(value: float, last: float) -> str:
    share = min(max(value / last, 0.0), 1.0)
    return f"{LEFT + share * (RIGHT - LEFT):.2f}%"


@dataclass(frozen=True, slots=True)
class Share:
    """One segment of a stacked bar."""

    style: str
    count: int


def stacked_bar(shares: Sequence[Share], *, label: str) -> Markup:
    """Return a bar whose segments are proportional to counts; an empty bar when there is nothing to count."""
    total = sum(share.count for share in shares)
    parts = [f'<svg class="bar" role="img" width="100%" height="12" aria-label="{escape(label)}">']
    start = 0
    for share in shares:
        if share.count:
            width = 100 * share.count / total
            parts.append(
                f'<rect class="{share.style}" x="{100 * start / total:.3f}%" y="0" width="{width:.3f}%" height="12"/>'
            )
            start += share.count
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - the label is escaped, the rest are numbers and classes
