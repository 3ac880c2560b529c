"""The two encrypted stores: what is on disk, who can read it, and what a reader gets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forms.definition import FormDefinition
from server.context import Context
from server.errors import KeyStoreLocked
from server.keystore import KeyStore
from server.microdata import Microdata
from server.microdata.schema import table_of
from tests.server.opening.kit import FORM_ID, Answers, Tablet, deliver, open_all, publish, raw_id, xform

DEFINITION = FormDefinition.parse(xform())


@pytest.fixture
def office(sqlite_context: Context) -> Context:
    """An office with two interviews of one form version and one of another."""
    publish(sqlite_context)
    publish(sqlite_context, version="2")
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    interviews = [Answers(number=2, age="2"), Answers(number=1, age="1"), Answers(number=3, age="3", version="2")]
    deliver(sqlite_context, [tablet.epoch(), *map(tablet.seal, interviews)])
    open_all(sqlite_context)
    return sqlite_context


def files(context: Context, store: str) -> list[Path]:
    return sorted(context.config.microdata_dir.glob(f"*/*.{store}.parquet"))


def test_each_version_is_a_table_of_its_own_in_the_order_of_interview_ids(office: Context) -> None:
    parts = office.microdata.read("analysis", form_id=FORM_ID)
    assert [(part.version, part.table.column("age").to_pylist()) for part in parts] == [("1", [1, 2]), ("2", [3])]
    assert parts[0].table.column("_interview_id").to_pylist() == [raw_id(1).hex(), raw_id(2).hex()]


def test_a_reader_gets_the_columns_it_asks_for_and_the_standing(office: Context) -> None:
    (first, _) = office.microdata.read("analysis", form_id=FORM_ID, columns=["age", "worker", "no_such_column"])
    own = [name for name in first.table.column_names if not name.startswith("_")]
    assert own == ["age", "worker"]
    assert {"_interview_id", "_household_key", "_holds", "_weighs", "_state", "_received_at"} <= {
        *first.table.column_names
    }


def test_asking_for_no_column_that_exists_still_gives_a_row_an_interview(office: Context) -> None:
    (first, _) = office.microdata.read("analysis", form_id=FORM_ID, columns=["no_such_column"])
    assert len(first.table) == 2


def test_nobody_reads_a_part_without_its_key(office: Context) -> None:
    for path in files(office, "analysis"):
        assert path.read_bytes().endswith(b"PARE")  # an encrypted footer: not even the columns' names show
        with pytest.raises((OSError, pa.ArrowException)):
            pq.read_table(path)


def test_one_stores_key_does_not_open_the_other(office: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    key_of = KeyStore.microdata_key
    monkeypatch.setattr(KeyStore, "microdata_key", lambda self, _: key_of(self, "identifiers"))
    with pytest.raises((OSError, pa.ArrowException)):
        office.microdata.read("analysis", form_id=FORM_ID)


def test_a_part_in_the_place_of_another_is_not_read(office: Context) -> None:
    first, second = files(office, "analysis")
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert len(office.microdata.differing_parts()) == 2
    with pytest.raises((OSError, pa.ArrowException)):
        office.microdata.read("analysis", form_id=FORM_ID)


def test_a_locked_key_store_reads_and_writes_nothing(office: Context, keys_dir: Path, tmp_path: Path) -> None:
    locked = KeyStore.open(keys_dir, None)
    locked._vault = None
    microdata = Microdata(tmp_path / "other", locked, office.database)
    with pytest.raises(KeyStoreLocked):
        microdata.write_part(DEFINITION, [{}], [{}])
    with pytest.raises(KeyStoreLocked):
        microdata.read("analysis", form_id=FORM_ID)
    assert not list((tmp_path / "other").glob("*/*"))


def test_files_are_for_the_server_alone(office: Context) -> None:
    assert {path.stat().st_mode & 0o777 for path in files(office, "identifiers")} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in files(office, "identifiers")} == {0o700}


def test_young_orphans_and_named_files_are_left_alone(office: Context) -> None:
    named = {*files(office, "analysis"), *files(office, "identifiers")}
    office.microdata.write_part(DEFINITION, [{"age": 1}], [{}])
    now = datetime.now(UTC)
    assert office.microdata.remove_orphans(older_than=now - timedelta(hours=1)) == 0
    assert office.microdata.remove_orphans(older_than=now + timedelta(seconds=5)) == 2
    assert {*files(office, "analysis"), *files(office, "identifiers")} == named


def test_a_form_that_leaves_a_store_empty_has_rows_there_all_the_same(sqlite_context: Context) -> None:
    bare = replace(DEFINITION, _columns=tuple(pair for pair in DEFINITION._columns if pair[1] == "analysis"))
    written = sqlite_context.microdata.write_part(bare, [{"age": 1}, {}], [{}, {}])
    assert written.rows == 2
    table = sqlite_context.microdata._read_file(written.identifiers_path, "identifiers", None)
    assert len(table) == 2


ROWS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "amount": st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**31), max_value=10**31),
            "age": st.integers(-(10**25), 10**25),
            "household_key": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
            "worker": st.lists(
                st.fixed_dictionaries({}, optional={"w_cost": st.none() | st.decimals(-100, 100, places=12)}),
                max_size=3,
            ),
        },
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None)
@given(ROWS)
def test_every_row_fits_and_only_what_has_no_place_is_lost(rows: list[dict[str, Any]]) -> None:
    table = table_of(rows, DEFINITION.columns("analysis"))
    assert len(table) == len(rows)
    for row, stored in zip(rows, table.to_pylist(), strict=True):
        assert stored["household_key"] == row.get("household_key")
        age = row.get("age")
        assert stored["age"] == (age if age is not None and -(2**63) <= age < 2**63 else None)
        amount = row.get("amount")
        if amount is None or abs(amount) >= 10**29:
            assert stored["amount"] is None
        else:
            assert abs(stored["amount"] - amount) <= Decimal("5e-10")
        assert len(stored["worker"] or []) == len(row.get("worker") or [])
