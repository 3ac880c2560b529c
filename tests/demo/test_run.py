import json
from dataclasses import replace
from pathlib import Path

import pytest

from server.demo.accidents import AccountLine
from server.demo.display import JudgedFigure, Outcome, show
from server.demo.run import run_demo
from server.demo.served import free_port


def figure(*, low: float | None = 0.1, high: float | None = 0.2) -> JudgedFigure:
    value = None if low is None else 0.15
    return JudgedFigure("MIG-01", "proportion", value, low, high, 100, "ok", reported_truth=0.15, truth=0.16)


def outcome(*, figures: tuple[JudgedFigure, ...], found: int = 3, problems: tuple[str, ...] = ()) -> Outcome:
    return Outcome(
        households=1120,
        devices=100,
        seed=8,
        figures=figures,
        account=(AccountLine("keys outside the sample", 3, found, "holds K1"),),
        problems=problems,
        verdicts=0,
        kilobytes_up=1,
        server_starts=2,
        seconds={"in all": 1.0},
    )


def test_a_run_is_right_when_all_is_found_and_the_intervals_hold() -> None:
    assert outcome(figures=(figure(),)).is_right


@pytest.mark.parametrize(
    "wrong",
    [
        outcome(figures=(figure(),), found=2),
        outcome(figures=(figure(low=0.3, high=0.4),)),
        outcome(figures=(figure(),), problems=("constraint /data/f_amt",)),
    ],
)
def test_a_run_is_wrong_when_anything_is_missing(wrong: Outcome) -> None:
    assert not wrong.is_right


def test_hidden_figures_count_neither_way() -> None:
    assert figure(low=None, high=None).holds is None
    assert outcome(figures=(figure(), figure(low=None, high=None))).is_right


def test_the_table_says_that_the_data_are_made_and_names_both_truths(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        outcome(figures=(figure(), figure(low=None, high=None))),
        url="http://127.0.0.1:1",
        as_json=False,
        stays=True,
    )
    text = capsys.readouterr().out
    assert "MADE DATA" in text
    assert "hidden" in text
    assert "SIGKILL" in text
    assert "16.0 %" in text
    assert "http://127.0.0.1:1/" in text


def test_a_small_survey_survives_a_killed_server_and_finds_every_accident(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = run_demo(
        full=False,
        devices=12,
        households=160,
        seed=3,
        port=free_port(),
        data=tmp_path / "demo",
        check=True,
        json=True,
        kill=True,
    )
    captured = capfd.readouterr()
    assert captured.out, captured.err
    document = json.loads(captured.out)
    assert {line["what"]: line["found"] for line in document["account"]} == {
        line["what"]: line["planted"] for line in document["account"]
    }
    planted = {line["what"]: line["planted"] for line in document["account"]}
    assert all(planted[f"interviews on version {number}"] > 0 for number in (1, 2, 3))
    assert document["problems"] == []
    assert document["made_data"] is True
    assert document["server_starts"] == 2
    assert document["verdicts"] > 0
    # Two PSUs a stratum with two households each are too few to judge figures by: the status is that of the account.
    assert status == 0
    assert not list(tmp_path.rglob("*.csv"))


def test_one_interval_in_five_may_miss_and_another_seed_is_not_judged_by_its_intervals() -> None:
    held, missed = figure(), figure(low=0.3, high=0.4)
    assert outcome(figures=(held, held, held, held, missed)).is_right
    assert not outcome(figures=(held, held, held, missed)).is_right
    assert replace(outcome(figures=(missed,)), seed=9).is_right
