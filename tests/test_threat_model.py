"""Every guarantee of the threat model is numbered once, and rests on tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "explanation" / "threat-model.md"
GUARANTEES = re.findall(r"^\| (G\d+) \|(.*)\|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)


def test_guarantees_are_numbered_through() -> None:
    assert [number for number, _ in GUARANTEES] == [f"G{number}" for number in range(1, len(GUARANTEES) + 1)]


@pytest.mark.parametrize(("number", "row"), GUARANTEES, ids=[number for number, _ in GUARANTEES])
def test_a_guarantee_rests_on_tests_that_exist(number: str, row: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row.rpartition(" | ")[2])
    assert named, f"{number} names no test"
    for path, name in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert not name or re.search(rf"^\s*(?:async )?def {name}\(", source, re.MULTILINE), f"{path} has no {name}"
