import pytest

from server.context import Context
from server.db.queries import audit
from server.db.tables import Interview
from server.errors import BadRequest, Conflict, NotFound
from server.services import close_psu
from server.services.import_frame import import_frame
from sync_protocol.pull_items import AssignmentsPull
from tests.office import NOW
from tests.server.fieldwork.frames import KEYS, documents
from tests.server.handovers.pulling import Puller


@pytest.fixture
def surveyed(context: Context) -> Context:
    with context.database.transaction() as session:
        import_frame(session, documents=documents(), keystore=context.keystore, user="office", now=NOW)
        interview = Interview(
            interview_id=bytes(16),
            form_id="hh_remit",
            mode="survey",
            state="current",
            household_tag=context.keystore.household_tag(KEYS[0]),
            holds="",
            sealed=b"",
            updated_at=NOW,
        )
        session.add(interview)
    return context


def statuses(context: Context) -> dict[str, str]:
    with context.database.read() as session:
        return {unit.psu: unit.status for unit in close_psu.list_psus(session)}


def test_a_unit_is_closed_with_who_and_when(surveyed: Context) -> None:
    with surveyed.database.transaction() as session:
        assert close_psu.close(session, psu="011001", user="amina", now=NOW).interviews == 1
    with surveyed.database.read() as session:
        unit = close_psu.list_psus(session)[0]
        assert (unit.status, unit.status_by, unit.status_at) == ("closed", "amina", NOW)
        assert audit.latest(session)[0].action == "psu-closed"


def test_a_unit_that_was_never_worked_is_lost_with_a_reason(surveyed: Context) -> None:
    with surveyed.database.transaction() as session:
        close_psu.lose(session, psu="012001", reason="flood", user="amina", now=NOW)
    assert statuses(surveyed) == {"011001": "open", "011002": "open", "012001": "lost"}


def test_a_unit_with_interviews_cannot_be_lost(surveyed: Context) -> None:
    with surveyed.database.read() as session, pytest.raises(Conflict, match="1 households of unit 011001"):
        close_psu.lose(session, psu="011001", reason="flood", user="amina", now=NOW)


def test_a_reason_is_needed(surveyed: Context) -> None:
    with surveyed.database.read() as session, pytest.raises(BadRequest, match="--reason"):
        close_psu.lose(session, psu="012001", reason=" ", user="amina", now=NOW)


def test_a_lost_unit_is_opened_again_before_it_is_closed(surveyed: Context) -> None:
    with surveyed.database.transaction() as session:
        close_psu.lose(session, psu="012001", reason="flood", user="amina", now=NOW)
        with pytest.raises(Conflict, match="reopen"):
            close_psu.close(session, psu="012001", user="amina", now=NOW)
        close_psu.reopen(session, psu="012001", user="amina", now=NOW)
        close_psu.close(session, psu="012001", user="amina", now=NOW)
    assert statuses(surveyed)["012001"] == "closed"


def test_all_open_units_are_closed_and_lost_ones_stay_lost(surveyed: Context) -> None:
    with surveyed.database.transaction() as session:
        close_psu.lose(session, psu="012001", reason="flood", user="amina", now=NOW)
        assert [one.psu for one in close_psu.close_all(session, user="amina", now=NOW)] == ["011001", "011002"]
    assert statuses(surveyed) == {"011001": "closed", "011002": "closed", "012001": "lost"}


def test_a_unit_that_is_not_drawn_is_not_found(surveyed: Context) -> None:
    with surveyed.database.read() as session, pytest.raises(NotFound, match="psu list"):
        close_psu.close(session, psu="011003", user="amina", now=NOW)


def test_tablets_that_visit_a_unit_are_told_that_it_is_closed_and_open_again(surveyed: Context) -> None:
    def told(puller: Puller) -> list[tuple[str, bool]]:
        return [(item.psu, item.closed) for item in puller.pull() if isinstance(item, AssignmentsPull)]

    visiting, other = Puller(surveyed, enumerator="0001"), Puller(surveyed, enumerator="0009")
    assert told(visiting) == [("011001", False), ("011002", False), ("012001", False)]
    with surveyed.database.transaction() as session:
        close_psu.close(session, psu="011001", user="amina", now=NOW)
        close_psu.lose(session, psu="012001", reason="flood", user="amina", now=NOW)
    assert told(visiting) == [("011001", True), ("012001", True)]
    with surveyed.database.transaction() as session:
        close_psu.reopen(session, psu="012001", user="amina", now=NOW)
    assert told(visiting) == [("012001", False)]
    with surveyed.database.transaction() as session:
        close_psu.close_all(session, user="amina", now=NOW)
    assert told(visiting) == [("011002", True), ("012001", True)]
    assert told(other) == []
