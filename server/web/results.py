"""The published figures as the results page shows them: headlines, charts, and the same as tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from markupsafe import Markup

from server.web.charts import Chart, Row, axis_ticks, draw
from server.web.messages import DASH, MESSAGES, quantity, short_quantity, word
from server.web.survey import Survey, Truth

INDICATORS: Final = (
    ("MIG-01", ("proportion",)),
    ("REM-01", ("proportion",)),
    ("REM-02", ("mean",)),
    ("REM-04", ("total",)),
    ("RCT-01", ("median", "mean", "p80")),
)
"""Indicators in the order of the page; the first statistic of each is charted."""
GROUPS: Final = ("area", "sex_head", "province")
STYLES: Final = {"ok": "sure", "E": "care", "F": "poor", "hidden": "hidden"}
HIDDEN: Final = "hidden"
NATIONAL: Final = "national"
FEW: Final = 3
"""Hidden figures of a group that are still shown one by one."""
LONGEST_AXIS: Final = 1.6
"""The axis ends at so many times the largest figure that can be relied on: one wide interval must not squeeze all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One published figure; a hidden one has no numbers."""

    indicator: str
    statistic: str
    unit: str
    domain: str
    code: str
    value: float | None
    low: float | None
    high: float | None
    cases: int | None
    flag: str

    @property
    def is_hidden(self) -> bool:
        """It is not shown: too few cases, or nothing to show."""
        return self.flag == HIDDEN or self.value is None or not isfinite(self.value)


@dataclass(frozen=True, slots=True)
class Headline:
    """A national figure in words."""

    statistic: str
    value: str
    unit: str
    interval: str
    note: str
    flag: str
    truth: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line of the table beside a chart."""

    group: str
    label: str
    value: str
    interval: str
    cases: str
    note: str


@dataclass(frozen=True, slots=True)
class Section:
    """One indicator of the page."""

    code: str
    title: str
    text: str
    unit: str
    headlines: tuple[Headline, ...]
    chart: Markup
    chart_title: str
    rows: tuple[TableRow, ...]


def sections(figures: Sequence[Figure], survey: Survey, language: str) -> tuple[Section, ...]:
    """Return the sections of the page for the indicators that a release has."""
    found = []
    for code, statistics in INDICATORS:
        of_it = [figure for figure in figures if figure.indicator == code]
        if any(figure.statistic == statistics[0] for figure in of_it):
            found.append(_section(code, statistics, of_it, survey, language))
    return tuple(found)


def _section(code: str, statistics: Sequence[str], figures: Sequence[Figure], survey: Survey, language: str) -> Section:
    charted = [figure for figure in figures if figure.statistic == statistics[0]]
    title = word(language, code)
    chart_title = word(language, "by_domain", title=title, statistic=word(language, f"stat_{statistics[0]}"))
    return Section(
        code=code,
        title=title,
        text=word(language, f"{code}_text"),
        unit=word(language, f"unit_{_unit_key(charted[0].unit)}"),
        headlines=_headlines(code, statistics, figures, survey, language),
        chart=_chart(code, chart_title, charted, survey, language),
        chart_title=chart_title,
        rows=tuple(_table_row(figure, survey, language) for figure in _ordered(charted)),
    )


def _headlines(
    code: str, statistics: Sequence[str], figures: Sequence[Figure], survey: Survey, language: str
) -> tuple[Headline, ...]:
    national = {figure.statistic: figure for figure in figures if figure.domain == NATIONAL}
    found = []
    for statistic in statistics:
        figure = national.get(statistic)
        if figure is not None:
            truth = survey.truths.get((code, statistic))
            found.append(_headline(figure, truth, language))
    return tuple(found)


def _headline(figure: Figure, truth: Truth | None, language: str) -> Headline:
    name = word(language, f"stat_{figure.statistic}")
    if figure.is_hidden:
        return Headline(name, word(language, "hidden"), "", "", word(language, "flag_hidden_long"), HIDDEN, "")
    beside = ""
    if truth is not None:
        real, reported = (quantity(value, figure.unit, language) for value in (truth.real, truth.reported))
        beside = word(language, "truth_text", real=real, reported=reported)
    note = word(language, f"flag_{figure.flag}_long") if figure.flag != "ok" else ""
    value = quantity(figure.value or 0.0, figure.unit, language)
    unit = "" if figure.unit == "share" else word(language, f"unit_{_unit_key(figure.unit)}")
    return Headline(name, value, unit, _interval(figure, language, in_words=True), note, figure.flag, beside)


def _chart(code: str, title: str, figures: Sequence[Figure], survey: Survey, language: str) -> Markup:
    unit = figures[0].unit
    national = next((figure for figure in figures if figure.domain == NATIONAL and not figure.is_hidden), None)
    shown = [figure for figure in figures if not figure.is_hidden and figure.domain in GROUPS]
    ticks = axis_ticks(_largest(shown))
    values = [figure.value or 0.0 for figure in shown]
    description = word(
        language,
        "chart_desc",
        value=quantity(national.value or 0.0, unit, language) if national else word(language, "hidden"),
        rows=sum(figure.domain in GROUPS for figure in figures),
        low=quantity(min(values), unit, language) if values else DASH,
        high=quantity(max(values), unit, language) if values else DASH,
        hidden=sum(figure.is_hidden for figure in figures if figure.domain in GROUPS),
    )
    return draw(
        Chart(
            name=code.lower(),
            title=title,
            description=description,
            rows=_chart_rows(figures, survey, language),
            reference=national.value if national else None,
            tick_labels=[(tick, short_quantity(tick, unit, language)) for tick in ticks],
        )
    )


def _largest(figures: Sequence[Figure]) -> float:
    """Return where the axis should end."""
    reliable = [figure for figure in figures if figure.flag != "F"] or list(figures)
    highest = max((figure.high or figure.value or 0.0 for figure in reliable), default=0.0)
    value = max((figure.value or 0.0 for figure in figures), default=0.0)
    return max(value, min(highest, LONGEST_AXIS * max(value, highest / LONGEST_AXIS)))


def _chart_rows(figures: Sequence[Figure], survey: Survey, language: str) -> list[Row]:
    rows: list[Row] = []
    for group in GROUPS:
        of_group = [figure for figure in _ordered(figures) if figure.domain == group]
        if of_group:
            rows.append(Row(label=_group_name(group, language), is_heading=True))
            if len(of_group) > FEW and all(figure.is_hidden for figure in of_group):
                # Twenty lines that say nothing would hide the lines that say something.
                rows.append(Row(label=word(language, "all_hidden", n=len(of_group)), style=HIDDEN))
            else:
                rows += [_chart_row(figure, survey, language) for figure in of_group]
    return rows


def _chart_row(figure: Figure, survey: Survey, language: str) -> Row:
    label = domain_label(figure.domain, figure.code, survey, language)
    if figure.is_hidden:
        return Row(label=label, text=word(language, "hidden"), style="hidden")
    return Row(
        label=label,
        text=quantity(figure.value or 0.0, figure.unit, language),
        value=figure.value,
        low=figure.low,
        high=figure.high,
        style=STYLES.get(figure.flag, "poor"),
    )


def _table_row(figure: Figure, survey: Survey, language: str) -> TableRow:
    label = domain_label(figure.domain, figure.code, survey, language)
    group = _group_name(figure.domain, language)
    note = word(language, f"flag_{figure.flag}") if f"flag_{figure.flag}" in MESSAGES[language] else figure.flag
    if figure.is_hidden:
        return TableRow(group, label, word(language, "hidden"), "", "", word(language, "flag_hidden_long"))
    value = quantity(figure.value or 0.0, figure.unit, language)
    return TableRow(group, label, value, _interval(figure, language), _cases(figure), note)


def _ordered(figures: Sequence[Figure]) -> list[Figure]:
    order = {NATIONAL: 0, **{group: index for index, group in enumerate(GROUPS, 1)}}
    known = [figure for figure in figures if figure.domain in order]
    return sorted(known, key=lambda figure: (order[figure.domain], figure.code))


def domain_label(domain: str, code: str, survey: Survey, language: str) -> str:
    """Return the name of a domain's code: the survey's, else the questionnaire's, else the code."""
    if domain == NATIONAL:
        return survey.country or word(language, "national")
    named = survey.label(domain, code, language)
    if named is not None:
        return f"{code} {named}" if domain == "province" else named
    known = MESSAGES[language].get(f"{_DOMAIN_WORDS.get(domain, domain)}_{code}")
    return known or f"{_group_name(domain, language)} {code}"


_DOMAIN_WORDS: Final = {"area": "area", "sex_head": "head", "province": "province"}


def _group_name(domain: str, language: str) -> str:
    return word(language, "national") if domain == NATIONAL else word(language, _DOMAIN_WORDS[domain])


def _interval(figure: Figure, language: str, *, in_words: bool = False) -> str:
    if figure.low is None or figure.high is None or not isfinite(figure.low) or not isfinite(figure.high):
        return ""
    low, high = quantity(max(figure.low, 0.0), figure.unit, language), quantity(figure.high, figure.unit, language)
    return word(language, "between", low=low, high=high) if in_words else f"{low} {DASH} {high}"


def _cases(figure: Figure) -> str:
    return "" if figure.cases is None else str(figure.cases)


def _unit_key(unit: str) -> str:
    return "months" if unit.startswith("months") else unit
