import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from server.context import Context
from server.db.queries import audit, feed, fieldwork, projects, pull
from server.db.queries.envelopes import NewEnvelope, store
from server.db.tables import DrawnHousehold, ExchangeRate
from server.errors import FrameInUse, FrameInvalid
from server.services import close_psu
from server.services.import_frame import FrameDocument, ImportedDocument, import_frame
from server.services.import_frame.cells import Errors, read_lines
from sync_protocol.constants import Kind
from tests.office import NOW
from tests.server.fieldwork.frames import DRAW, FRAME, KEYS, LISTING, document, documents


def imported(
    context: Context, files: list[FrameDocument] | None = None, *, replace: bool = False, minutes: int = 0
) -> tuple[ImportedDocument, ...]:
    with context.database.transaction() as session:
        return import_frame(
            session,
            documents=documents() if files is None else files,
            keystore=context.keystore,
            user="office",
            now=NOW + timedelta(minutes=minutes),
            replace=replace,
        )


def refusals(context: Context, files: list[FrameDocument]) -> list[str]:
    with pytest.raises(FrameInvalid) as refused:
        imported(context, files)
    with context.database.read() as session:
        assert fieldwork.documents(session) == []
        assert fieldwork.frame(session) == {}
    errors: list[str] = refused.value.members["errors"]
    return errors


def receive_an_interview(context: Context) -> None:
    envelope = NewEnvelope(
        envelope_id=bytes(32),
        kind=int(Kind.INTERVIEW),
        body=b"sealed",
        epoch_hash=None,
        instance_id=bytes(16),
        certificate_hash=None,
        form_version_hash=None,
        state="received",
    )
    with context.database.transaction() as session:
        store(session, [envelope], carrier="device", received_at=NOW)


def test_five_files_are_stored_under_their_hashes(context: Context) -> None:
    found = imported(context)
    assert [(one.kind, one.rows, one.is_new) for one in found] == [
        ("frame", 4, True), ("listing", 5, True), ("draw", 6, True), ("rates", 2, True), ("totals", 2, True),
    ]  # fmt: skip
    assert found[2].hash == hashlib.sha256(DRAW.encode()).digest()
    with context.database.read() as session:
        assert [unit.psu for unit in fieldwork.psu_statuses(session)] == ["011001", "011002", "012001"]
        assert fieldwork.frame(session)["012001"].segments == 3
        assert fieldwork.total_places(session) == {("01", "1"), ("01", "2")}
        assert {entry.action for entry in audit.latest(session)} == {"import-frame"}


def test_who_lives_in_a_household_is_sealed(sqlite_context: Context) -> None:
    imported(sqlite_context)
    with sqlite_context.database.read() as session:
        stored = session.scalars(select(DrawnHousehold).where(DrawnHousehold.household_key == KEYS[0])).one()
        assert b"Head" not in stored.sealed
        identity = sqlite_context.keystore.open_projection(stored.sealed, fieldwork.identity_context(KEYS[0]))
        assert json.loads(identity) == {"head": f"Head {KEYS[0]}", "position": "-1.5 30.25", "persons": 4}
        assert stored.tag == sqlite_context.keystore.household_tag(KEYS[0])


def test_no_name_of_a_head_is_in_clear_on_the_disk(sqlite_context: Context) -> None:
    imported(sqlite_context)
    sqlite_context.database.dispose()
    files = [path for path in sqlite_context.config.data_dir.rglob("*") if path.is_file()]
    assert any(KEYS[0].encode() in path.read_bytes() for path in files)
    assert not any(b"Head 0" in path.read_bytes() for path in files)


def test_the_same_files_again_change_nothing(context: Context) -> None:
    imported(context)
    with context.database.read() as session:
        before = feed.head(session)
    assert {one.is_new for one in imported(context)} == {False}
    with context.database.read() as session:
        assert feed.head(session) == before
        assert len(fieldwork.documents(session)) == 5


def test_tablets_pull_the_households_of_their_enumerator_from_the_new_position(context: Context) -> None:
    imported(context)
    with context.database.read() as session:
        position = feed.head(session).position
        units = pull.assigned_psus(
            session, project_id=1, enumerator="0001", after=pull.Place(position - 1, pull.END, b"")
        )
        assert [psu for _, psu in units] == ["011001", "011002", "012001"]
        found = pull.assigned_households(session, project_id=1, enumerator="0001", psu="012001")
        assert [one.household_key for one in found] == [KEYS[4], KEYS[5]]


def test_files_may_come_one_after_the_other(context: Context) -> None:
    for one in documents():
        imported(context, [one])
    with context.database.read() as session:
        assert len(fieldwork.assigned_households(session)) == 6


def test_a_changed_design_is_refused_after_interviews_arrived_unless_replaced(context: Context) -> None:
    imported(context)
    receive_an_interview(context)
    changed = [document("listing", LISTING.replace("011001,2,60", "011001,2,61"))]
    with pytest.raises(FrameInUse, match="--replace"):
        imported(context, changed)
    assert imported(context, changed, replace=True)[0].is_new


def test_rates_and_totals_may_change_at_any_time(context: Context) -> None:
    imported(context)
    receive_an_interview(context)
    assert imported(context, [document("rates", "currency,month,lcu_per_unit\nUSD,2026-12,126\n")])[0].is_new
    with context.database.read() as session:
        assert session.scalars(select(ExchangeRate.month)).all() == ["2026-12"]


def test_units_keep_their_status_when_the_frame_is_replaced(context: Context) -> None:
    imported(context)
    with context.database.transaction() as session:
        close_psu.close(session, psu="011001", user="office", now=NOW)
    imported(context, [document("frame", FRAME.replace(",3,\n", ",2,\n"))])
    with context.database.read() as session:
        assert {unit.psu: unit.status for unit in fieldwork.psu_statuses(session)}["011001"] == "closed"


def test_an_older_file_can_be_put_in_force_again(context: Context) -> None:
    first = imported(context)
    imported(context, [document("frame", FRAME.replace(",3,\n", ",2,\n"))], minutes=1)
    again = imported(context, [document("frame", FRAME)], minutes=2)
    assert again[0] == replace(first[0], is_new=True)


def test_every_error_of_every_file_is_told_with_its_line_and_column(sqlite_context: Context) -> None:
    frame = FRAME.replace("011002,011,01,1,120", "011002,011,01,1,many")
    draw = DRAW.replace(KEYS[1], KEYS[1][:-1] + "x")
    errors = refusals(sqlite_context, documents(frame=frame, draw=draw))
    assert errors == [
        "frame.csv, line 3, frame_households: must be a whole number from 1",
        "draw.csv, line 3, household_key: fails its check digits: the whole number modulo 97 must be 1"
        " (ISO 7064 MOD 97-10)",
    ]


@pytest.mark.parametrize(
    ("kind", "old", "new", "error"),
    [
        ("frame", "psu,stratum", "unit,stratum", "frame.csv, line 1: misses the columns psu"),
        ("frame", "011003,", "011002,", "frame.csv, line 4: repeats line 3"),
        ("frame", "100,400,1,2", "100,400,1,3", "drawn_in_stratum: is not the 2 units"),
        ("frame", "100,400", "100,401", "differs from unit 011001 of the same stratum"),
        ("frame", "180,400", "181,400", "has 401 households in its units, more than 400"),
        ("frame", "50,50,1,1", "50,49,1,1", "is less than frame_households"),
        ("listing", "011001,1,10,1", "011001,1,0,1", "listing.csv, line 2, drawn: is more than listed"),
        ("listing", "011002,1,12", "011003,1,12", "psu: is not a drawn unit of the frame"),
        ("listing", "40,2", "40,3", "class 2 has 2 households; listing.csv says 3 drawn"),
        ("draw", f"{KEYS[0]},011001,1", f"{KEYS[0]},011001,3", "has no line in listing.csv"),
        ("draw", f"{KEYS[1]},", f"{KEYS[0]},", "draw.csv, line 3: repeats line 2"),
        ("draw", "-1.5,30.25", "-91,30.25", "latitude: must be a number from -90 to 90"),
        ("draw", "-1.5,30.25", ",30.25", "latitude: must be a number"),
        ("rates", "USD;2026-10;125.0", "USD;2026-13;125.0", "rates.csv, line 2, month: must be YYYY-MM"),
        ("rates", "125.0", "0", "lcu_per_unit: must be a number from"),
        ("rates", "USD", "Dollar", "must be an ISO 4217 code"),
        ("totals", "01,2,55", "02,2,55", "province 01, area 2 has drawn units but no total"),
    ],
)
def test_what_contradicts_itself_is_refused(sqlite_context: Context, kind: str, old: str, new: str, error: str) -> None:
    changed = next(one for one in documents() if one.kind == kind).content.decode().replace(old, new)
    assert any(error in found for found in refusals(sqlite_context, documents(**{kind: changed})))


def test_no_error_shows_a_name(sqlite_context: Context) -> None:
    draw = DRAW.replace("Head ", "Somebody" * 20)
    errors = refusals(sqlite_context, documents(draw=draw))
    assert errors[0].endswith("head: has more than 120 characters")
    assert not any("Somebody" in error for error in errors)


def test_bytes_that_are_not_utf8_are_one_clear_error() -> None:
    errors = Errors()
    assert list(read_lines("draw", b"household_key\nab\xff", errors)) == []
    assert str(errors.found[0]) == "draw.csv, line 2: is not UTF-8: save the file as “CSV UTF-8”"


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reading_fail(content: bytes) -> None:
    errors = Errors()
    lines = list(read_lines("totals", content, errors))
    assert lines == [] or errors.found == [] or all(error.file == "totals" for error in errors.found)


def test_a_draw_stays_its_projects_until_it_is_imported_for_another(context: Context) -> None:
    with context.database.transaction() as session:
        other = projects.add(session, name="Abroad", now=NOW)
    are_new: list[bool] = []
    owners: list[int | None] = []
    for project_id in (None, other, None):
        with context.database.transaction() as session:
            found = import_frame(
                session,
                documents=documents(),
                keystore=context.keystore,
                user="office",
                now=NOW,
                project_id=project_id,
            )
            are_new.append(next(one.is_new for one in found if one.kind == "draw"))
            owners.append(fieldwork.drawn_for(session))
    assert (owners, are_new) == ([1, other, other], [True, True, False])
