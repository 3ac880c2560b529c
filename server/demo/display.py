"""What the demonstration shows at its end: published figures beside the truth, the account of accidents, the time."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from rich import box
from rich.console import Console
from rich.table import Table

from server.demo.accidents import AccountLine
from server.demo.problems import DemoError
from server.demo.simulate import FIGURES
from server.demo.truth import Figures

#: Eight of ten intervals must hold the truth as reported, for the usual seed and a sample of at least so many
#: households. One survey says nothing about coverage, so another seed is shown and not judged by its intervals.
ENOUGH: Final = 0.8
FEWEST_TO_JUDGE: Final = 1000
USUAL_SEED: Final = 8
"""Of the sample, its fieldwork and its accidents; the country and what people report keep their own."""

_UNITS: Final[Mapping[str, tuple[float, str]]] = {
    "MIG-01": (100, "{:,.1f} %"),
    "REM-01": (100, "{:,.1f} %"),
    "REM-02": (1, "USD {:,.0f}"),
    "REM-04": (1e-6, "USD {:,.1f} m"),
    "RCT-01": (1, "{:,.2f} months"),
}
_TITLES: Final = {
    "MIG-01": "with a member abroad",
    "REM-01": "receive from abroad",
    "REM-02": "a year and receiver",
    "REM-04": "transfers a year",
    "RCT-01": "recruitment cost",
}


@dataclass(frozen=True, slots=True)
class JudgedFigure:
    """A published national figure beside the truth as reported (T2) and as it is (T1); None where it is hidden."""

    indicator: str
    statistic: str
    estimate: float | None
    low: float | None
    high: float | None
    n: int | None
    flag: str
    reported_truth: float
    truth: float

    @property
    def holds(self) -> bool | None:
        """Whether the interval holds the truth as reported."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.reported_truth <= self.high


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Everything a run came to."""

    households: int
    devices: int
    seed: int
    figures: tuple[JudgedFigure, ...]
    account: tuple[AccountLine, ...]
    problems: tuple[str, ...]
    verdicts: int
    kilobytes_up: int
    server_starts: int
    seconds: dict[str, float]

    @property
    def is_right(self) -> bool:
        """Whether every accident was found, every interview filled without a problem, and the figures hold."""
        accounted = all(line.is_settled for line in self.account)
        return accounted and not self.problems and self._figures_hold()

    def _figures_hold(self) -> bool:
        if self.seed != USUAL_SEED or self.households < FEWEST_TO_JUDGE:
            return True
        shown = [one.holds for one in self.figures if one.holds is not None]
        return sum(shown) >= ENOUGH * len(shown)


def fetch_estimates(url: str, release: int) -> Sequence[Mapping[str, Any]]:
    """Pull the published figures as anybody may, without a token.

    Raises:
        DemoError: the release is not served.
    """
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("GET", f"/api/v1/releases/{release}/estimates", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise DemoError(f"the release is not served: {answer.status}")
    estimates: Sequence[Mapping[str, Any]] = json.loads(body)["estimates"]
    return estimates


def judged(estimates: Sequence[Mapping[str, Any]], truth: Figures, reported: Figures) -> tuple[JudgedFigure, ...]:
    """Put published national figures beside both truths."""
    national = {(one["indicator"], one["statistic"]): one for one in estimates if one["domain"] == "national"}
    return tuple(
        JudgedFigure(
            indicator=indicator,
            statistic=statistic,
            estimate=national[indicator, statistic]["value"],
            low=national[indicator, statistic]["low"],
            high=national[indicator, statistic]["high"],
            n=national[indicator, statistic]["n"],
            flag=national[indicator, statistic]["flag"],
            reported_truth=getattr(reported, name),
            truth=getattr(truth, name),
        )
        for (indicator, statistic), name in FIGURES.items()
    )


def show(outcome: Outcome, *, url: str, as_json: bool, stays: bool) -> None:
    """Print the outcome, as tables or as JSON."""
    if as_json:
        document = {**asdict(outcome), "made_data": True, "is_right": outcome.is_right, "url": url}
        for figure, one in zip(document["figures"], outcome.figures, strict=True):
            figure["interval_holds_reported_truth"] = one.holds
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        sys.stdout.flush()
        return
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(_figures(outcome))
    console.print(
        "T2 is what a census by the same enumerators would find; T1 is what is so. No weight repairs T1 − T2.\n"
    )
    console.print(_account(outcome))
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in outcome.seconds.items() if seconds >= 1)
    console.print(f"{outcome.kilobytes_up:,} kB from the tablets, {outcome.verdicts:,} verdicts back. {times}.")
    if outcome.problems:
        console.print(f"Problems while filling: {', '.join(sorted(set(outcome.problems)))}", markup=False)
    if outcome.server_starts > 1:
        console.print("The server was killed with SIGKILL in the middle and started again.")
    console.print("passerelle verify: every envelope is whole, and folding all of them afresh gives the same state.")
    console.print("All of it is right." if outcome.is_right else "NOT all of it is right: see above.")
    if stays:
        console.print(f"\nResults at {url}/ until Ctrl-C.")


def _figures(outcome: Outcome) -> Table:
    title = (
        f"Lamaria, MADE DATA: {outcome.households:,} drawn households, {outcome.devices} tablets, seed {outcome.seed}"
    )
    table = _table(
        title, ("", "estimate", "95 % interval", "n", "T2 as reported", "", "T1 as it is", "flag"), left=(0, 5)
    )
    for one in outcome.figures:
        scale, form = _UNITS[one.indicator]
        name = _TITLES[one.indicator] if one.indicator != "RCT-01" else f"{_TITLES['RCT-01']}, {one.statistic}"
        table.add_row(
            f"{one.indicator} {name}",
            _text(one.estimate, scale, form),
            f"{_number(one.low, scale, form)} – {_number(one.high, scale, form)}",
            "" if one.n is None else f"{one.n:,}",
            _text(one.reported_truth, scale, form),
            {True: "in", False: "out", None: ""}[one.holds],
            _text(one.truth, scale, form),
            one.flag,
        )
    return table


def _account(outcome: Outcome) -> Table:
    table = _table("Accidents", ("", "planted", "found", "where"), left=(0, 3))
    for line in outcome.account:
        table.add_row(line.what, f"{line.planted:,}", f"{line.found:,}", line.where)
    return table


def _table(title: str, columns: Sequence[str], *, left: Sequence[int]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number in left else "right", no_wrap=True)
    return table


def _text(value: float | None, scale: float, form: str) -> str:
    return "hidden" if value is None else form.format(scale * value)


def _number(value: float | None, scale: float, form: str) -> str:
    """Return the number alone: the estimate beside it names the unit."""
    number = form[form.index("{") : form.index("}") + 1]
    return "" if value is None else number.format(scale * value)
