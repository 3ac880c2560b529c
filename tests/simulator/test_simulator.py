"""Ten thousand exchanges of many tablets under all faults at once, and planted mistakes that must be found.

`make simulate` runs a million.
"""

import os

import pytest

from tests.simulator.__main__ import run_one
from tests.simulator.faults import Fault
from tests.simulator.mutants import MUTANTS

SEEDS = range(1, 21)
EXCHANGES = 500
MUTANT_SEEDS = range(1, 5)
IS_ALL = os.environ.get("FAULTS") == "all"
COSTLY = "believing any answer is found in one seed of three: with FAULTS=all only"


@pytest.mark.parametrize("seed", SEEDS)
def test_no_invariant_breaks_under_all_faults_at_once(seed: int) -> None:
    figures = run_one(seed, EXCHANGES, "")
    assert figures.violations == []
    assert figures.exchanges >= EXCHANGES
    assert figures.receipts > figures.interviews > 0
    assert len([fault for fault in Fault if figures.faults[fault]]) > len(Fault) * 2 // 3


def test_a_seed_does_the_same_again() -> None:
    first, second = run_one(11, 150, ""), run_one(11, 150, "")
    assert first.traces == second.traces
    assert first.faults == second.faults
    assert run_one(12, 150, "").traces != first.traces


@pytest.mark.parametrize(
    ("mutant", "invariant", "exchanges"),
    [
        ("receipt-before-commit", "2", 200),
        ("delete-on-receipt", "3", 50),
        ("have-probe-skipped", "2", 150),
        ("cursor-ahead", "", 600),
        ("epoch-kept-at-restore", "2", 600),
        ("silence-is-a-receipt", "2", 200),
        ("envelopes-unverified", "10", 600),
        pytest.param("answers-unverified", "", 600, marks=pytest.mark.skipif(not IS_ALL, reason=COSTLY)),
    ],
)
def test_a_planted_mistake_is_found(mutant: str, invariant: str, exchanges: int) -> None:
    for seed in MUTANT_SEEDS:
        for violation in run_one(seed, exchanges, mutant).violations:
            assert f"seed {seed}: {invariant}" in violation
            assert f"python -m tests.simulator --seed {seed} --exchanges {exchanges} --mutant {mutant}" in violation
            return
    pytest.fail(f"{mutant} was not found")


def test_every_mutant_is_tried() -> None:
    assert len(MUTANTS) == 8
