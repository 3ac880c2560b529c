"""Findings on real interviews: who sees them, what they hold back, and what settles a hold that checking found."""

import json
import logging
import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select

from server.cli import main
from server.context import Context
from server.db.queries import checks, interviews, statistics
from server.db.tables import Verdict
from server.errors import BadRequest, NotFound
from server.folding.check_texts import RULE_TEXTS
from server.jobs import scheduled
from server.services import list_findings, progress, rebuild, score_interviews, settle_hold, verify_store
from server.services.list_findings import FindingFilter
from tests.forms.interviews import VARIED
from tests.office import NOW, bearer
from tests.server.opening.kit import open_all, raw_id
from tests.server.opening.surveyed import ENUMERATOR, bring, check, implausible, interview, key, open_office

ANSWERS = ("Awa", "Omar", "mason", "2500.5", "3000000", "222 45", "14.6", "SAU", "07203100")


def short(answers: dict[str, object]) -> None:
    """Let money come from a country where the sender does not live."""
    answers["sender"][0]["f_country"] = "QAT"  # type: ignore[index]


@pytest.fixture
def held(context: Context) -> Context:
    """An office with a good interview, one with implausible costs, one with money from elsewhere."""
    tablet = open_office(context)
    bring(context, tablet, (1, interview(1)), (2, interview(2, implausible)), (3, interview(3, short)))
    return context


def listed(context: Context, **wanted: str) -> list[tuple[str | None, str, str]]:
    with context.database.read() as session:
        page = list_findings.list_findings(session, context.keystore, FindingFilter(**wanted))
    return [(one.interview_id, one.code, one.path) for one in page.findings]


E1 = (raw_id(2).hex(), "E1", "worker[1]/e_rci_ok")
M1 = (raw_id(3).hex(), "M1", "sender[1]/f_country")


def settle(context: Context, number: int, verdict: str = "keep") -> None:
    with context.database.transaction() as session:
        settle_hold.settle(
            session, keystore=context.keystore, interview_id=raw_id(number), verdict=verdict, household_key=None,
            note="asked again", user="office", now=NOW,
        )  # fmt: skip
    open_all(context)
    check(context)


def open_holds(context: Context) -> tuple[list[tuple[bytes, str]], int, int]:
    with context.database.read() as session:
        found = [(one.interview_id, one.holds) for one in interviews.open_holds(session)]
        households = progress.measure(session, context.keystore).total.held
        return found, statistics.count_open_holds(session, mode="survey"), households


def weighs(context: Context) -> list[bool]:
    (part,) = context.microdata.read("analysis", form_id="hh_remit")
    return list(part.table.column("_weighs").to_pylist())


def test_findings_are_listed_the_gravest_first_and_filtered(held: Context) -> None:
    assert listed(held) == [E1, M1]
    assert listed(held, severity="note") == [M1]
    assert listed(held, code="E1") == [E1]
    assert listed(held, psu="072031") == [E1, M1]
    assert listed(held, psu="999999") == []
    assert listed(held, enumerator=ENUMERATOR, severity="hold") == [E1]
    with pytest.raises(BadRequest, match="hold, error"):
        FindingFilter(severity="grave")


def test_a_hold_that_checking_found_holds_back_a_release_and_nothing_else(held: Context) -> None:
    assert open_holds(held)[:2] == ([(raw_id(2), "E1")], 1)
    assert weighs(held) == [True, True, True]
    with held.database.read() as session:
        assert {row.holds for row in interviews.all_interviews(session)} == {""}
        assert set(session.scalars(select(Verdict.state))) == {"opened"}


def test_a_decision_settles_it_and_the_finding_stays(held: Context) -> None:
    settle(held, 2)
    assert open_holds(held)[:2] == ([], 0)
    assert listed(held) == [E1, M1]
    with held.database.read() as session:
        assert [one.is_open for one in list_findings.show_findings(session, held.keystore, raw_id(2)).findings] == [
            False
        ]
    report = rebuild.rebuild(database=held.database, keystore=held.keystore, microdata=held.microdata, now=NOW)
    assert report.is_same
    assert open_holds(held)[:2] == ([], 0)
    assert verify_store.verify(held.database, keystore=held.keystore, microdata=held.microdata).is_sound


def test_a_decision_about_another_interview_settles_nothing(held: Context) -> None:
    settle(held, 3)
    assert open_holds(held)[0] == [(raw_id(2), "E1")]


def test_holds_of_the_fold_and_of_checking_stand_side_by_side(context: Context) -> None:
    tablet = open_office(context, households=1)
    bring(context, tablet, (2, interview(2, implausible)))
    assert open_holds(context)[0] == [(raw_id(2), "K1,E1")]
    assert [code for _, code, _ in listed(context)] == ["E1", "K1"]


def test_an_interview_without_findings_says_so_and_an_unknown_one_is_not_found(held: Context) -> None:
    with held.database.read() as session:
        found = list_findings.show_findings(session, held.keystore, raw_id(1))
        assert (found.findings, found.psu, found.enumerator) == ((), "072031", ENUMERATOR)
        with pytest.raises(NotFound):
            list_findings.show_findings(session, held.keystore, raw_id(9))


def test_counts_are_by_unit_enumerator_and_code_and_leave_settled_holds_out(held: Context) -> None:
    def counts() -> list_findings.FindingCounts:
        with held.database.read() as session:
            return list_findings.count_findings(session, held.keystore)

    (unit,), (enumerator,) = counts().psus, counts().enumerators
    assert (unit.name, unit.hold, unit.note, unit.total) == ("072031", 1, 1, 2)
    assert (enumerator.name, enumerator.total) == (ENUMERATOR, 2)
    assert [(one.code, one.number) for one in counts().codes] == [("E1", 1), ("M1", 1)]
    settle(held, 2)
    assert [(one.code, one.number) for one in counts().codes] == [("M1", 1)]


def test_scores_of_the_scheduled_job_stand_beside_findings(context: Context) -> None:
    tablet = open_office(context)
    bring(context, tablet, *((number, interview(number)) for number in (1, 2)))
    scheduled.prepare(context, now=NOW)
    assert "scores" in scheduled.run_due(context, holder="one", clock=lambda: NOW + timedelta(hours=7))
    both = [(raw_id(number).hex(), code, path) for number in (1, 2) for code, path in (("Q2b", "j_gps"), ("Q4", ""))]
    assert listed(context) == both
    assert listed(context, code="Q4") == [one for one in both if one[1] == "Q4"]
    with context.database.read() as session:
        before = {(row.scope, row.subject) for row in checks.scores(session)}
        again = score_interviews.prepare(session, microdata=context.microdata, keystore=context.keystore, now=NOW)
        assert {(row.scope, row.subject) for row in again} == before
    settle(context, 1, "exclude")
    with context.database.read() as session:
        assert score_interviews.prepare(session, microdata=context.microdata, keystore=context.keystore, now=NOW) == ()


def test_rates_that_come_later_have_interviews_checked_again(context: Context) -> None:
    from server.db.queries import fieldwork
    from server.db.queries.fieldwork import StoredDocument

    tablet = open_office(context)
    bring(context, tablet, (1, interview(1)))
    assert check(context) == 0
    with context.database.transaction() as session:
        document = StoredDocument(
            hash=bytes(32), kind="rates", name="rates.csv", rows=1, imported_at=NOW, imported_by="office"
        )
        fieldwork.put_document(session, document, sealed=b"")
    assert check(context) == 1


@pytest.mark.parametrize("name", sorted(VARIED))
def test_every_interview_that_the_form_lets_through_breaks_none_of_its_rules(
    sqlite_context: Context, name: str
) -> None:
    tablet = open_office(sqlite_context)
    bring(sqlite_context, tablet, (1, interview(1, base=VARIED[name])))
    assert {code for _, code, _ in listed(sqlite_context)} <= {"M1", "M4", "E1", "E3", "E4", "R2b"}


# --- doors


def test_the_api_gives_findings_by_pages_to_supervisors_and_managers(held: Context, app: Flask) -> None:
    client = app.test_client()
    headers = bearer(held, "supervisor")
    first = client.get("/api/v1/findings?limit=1&psu=072031", headers=headers).get_json()
    assert [(one["interview_id"], one["code"], one["path"]) for one in first["findings"]] == [E1]
    assert (first["total"], first["unchecked"]) == (2, 0)
    assert first["next"] == "/api/v1/findings?psu=072031&offset=1&limit=1"
    second = client.get(first["next"], headers=headers).get_json()
    assert ([one["code"] for one in second["findings"]], second["next"]) == (["M1"], None)
    assert set(second["findings"][0]["text"]) == {"en", "fr"}
    one = client.get(f"/api/v1/findings/{raw_id(2).hex()}", headers=headers).get_json()
    assert [item["code"] for item in one["findings"]] == ["E1"]
    assert client.get("/api/v1/findings", headers=bearer(held, "enumerator")).status_code == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?severity=grave", 400), ("?offset=-1", 400), ("?limit=x", 400), ("?limit=0", 200), ("?offset=99", 200),
        ("/abc", 404), (f"/{raw_id(9).hex()}", 404), ("?code=nothing", 200),
    ],
)  # fmt: skip
def test_what_the_api_cannot_answer_is_a_problem(
    sqlite_context: Context, sqlite_app: Flask, query: str, status: int
) -> None:
    response = sqlite_app.test_client().get(f"/api/v1/findings{query}", headers=bearer(sqlite_context, "manager"))
    assert response.status_code == status


def test_the_page_counts_findings_in_both_languages(held: Context, app: Flask) -> None:
    from server.services.import_frame import import_frame
    from tests.server.fieldwork.frames import documents

    with held.database.transaction() as session:
        import_frame(
            session, documents=documents(), keystore=held.keystore, user="office", now=NOW - timedelta(days=30),
            replace=True,
        )  # fmt: skip
    client, headers = app.test_client(), bearer(held, "manager")
    page = client.get("/fieldwork", headers=headers).text
    assert "What checking found" in page
    assert "3 interviews wait to be checked" in page
    assert RULE_TEXTS["E1"].en in page
    french = client.get("/fieldwork?lang=fr", headers=headers).text
    assert "Ce que le contrôle a trouvé" in french
    assert "ont pas été confirmés" in french
    assert not any(answer in page for answer in ANSWERS)


def test_the_commands_list_and_show_findings(sqlite_context: Context, caplog: pytest.LogCaptureFixture) -> None:
    tablet = open_office(sqlite_context)
    bring(sqlite_context, tablet, (1, interview(1)), (2, interview(2, implausible)))
    scheduled.prepare(sqlite_context, now=NOW)
    folder = str(sqlite_context.config.data_dir)
    environment = {"PASSERELLE_DATABASE_URL": sqlite_context.database.url}
    keys = sqlite_context.config.keys_dir
    keys.symlink_to(sqlite_context.keystore._directory)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["--data", folder, "finding", *arguments], env=environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    with caplog.at_level(logging.DEBUG):
        table = run("list", "--fr")
        assert "E1" in table
        assert "recrutement" in table
        found = json.loads(run("list", "--severity", "hold", "--json"))
        assert [one["code"] for one in found["findings"]] == ["E1"]
        assert "worker[1]/e_rci_ok" in run("show", raw_id(2).hex())
        assert "Checked without a finding." in run("show", raw_id(1).hex())
    assert not any(answer in table + caplog.text for answer in ANSWERS)
    assert key(2) not in table


def test_the_page_of_checks_lists_every_code_as_the_table_has_it() -> None:
    page = (Path(__file__).parents[3] / "docs" / "explanation" / "checks.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^\| `([^`]+)` \| (\w+) \| (.+) \| (.+) \|$", page, flags=re.MULTILINE))
    assert shown == {(one.code, one.severity, one.en, one.fr) for one in RULE_TEXTS.values()}
