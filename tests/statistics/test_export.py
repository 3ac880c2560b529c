from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from server.export.delimited import safe, write_csv


@given(st.text())
def test_no_text_reaches_a_spreadsheet_as_a_formula(text: str) -> None:
    assert not safe(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert safe(text).removeprefix("'") == text.removeprefix("'") or safe(text) == text


def test_numbers_stay_numbers_and_nothing_is_empty() -> None:
    assert [safe(one) for one in (-1.5, -3, Decimal("-2.500"), None, True, date(2026, 11, 1))] == [
        "-1.5", "-3", "-2.5", "", "1", "2026-11-01",
    ]  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(), st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]))), max_size=450)
)
def test_a_table_is_read_back_as_it_was_written(rows: list[tuple[int, str]]) -> None:
    text = b"".join(write_csv(("number", "text"), rows)).decode()
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found[0] == ["number", "text"]
    assert [(int(number), words) for number, words in found[1:]] == [(number, safe(words)) for number, words in rows]
