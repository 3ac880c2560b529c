"""From stored interviews to a published release: what weighs, what is refused, what never changes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from server.app import create_app
from server.db.queries import audit
from server.db.queries import statistics as queries
from server.db.tables import Interview
from server.demo.country import Country
from server.demo.sampled import sample_of, tables_of
from server.errors import DesignIncomplete, EstimatesImpossible, NotFound, ReleaseNotReady
from server.services import estimate, release
from server.services.estimate import PreparedRelease, StoredRun
from server.statistics.indicators import estimate_all
from tests.office import bearer
from tests.statistics.office import NOW, Made, Office, make_survey


@pytest.fixture(scope="module")
def made(country: Country) -> Made:
    return make_survey(country)


@pytest.fixture(scope="module")
def new_office(made: Made, keys_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office.found(tmp_path_factory.mktemp("new"), keys_dir, made)


@pytest.fixture(scope="module")
def finished_office(new_office: Office, keys_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Office:
    office = new_office.copied_to(tmp_path_factory.mktemp("finished"), keys_dir)
    office.store(office.made.interviews)
    office.finish_fieldwork()
    return office


@pytest.fixture
def office(new_office: Office, keys_dir: Path, tmp_path: Path) -> Iterator[Office]:
    """Form and frame are there; no interview has come."""
    copy = new_office.copied_to(tmp_path, keys_dir)
    yield copy
    copy.close()


@pytest.fixture
def finished(finished_office: Office, keys_dir: Path, tmp_path: Path) -> Iterator[Office]:
    """All interviews have come, lost units are declared, the others closed."""
    copy = finished_office.copied_to(tmp_path, keys_dir)
    yield copy
    copy.close()


def prepared_by(office: Office, **options: Any) -> PreparedRelease:
    with office.context.database.read() as session:
        return estimate.prepare(session, microdata=office.context.microdata, now=NOW, **options)


def run_by(office: Office) -> StoredRun:
    prepared = prepared_by(office)
    with office.context.database.transaction() as session:
        return estimate.store(session, prepared, now=NOW)


def content_of(prepared: PreparedRelease) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(prepared.content)
    return document


def publish(office: Office, release_id: int) -> queries.StoredRelease:
    with office.context.database.transaction() as session:
        return release.publish(session, release_id, user="ada", now=NOW)


def test_interviews_of_the_store_give_the_figures_of_what_households_reported(finished: Office, made: Made) -> None:
    fieldwork = made.fieldwork
    answered = sample_of(fieldwork.country, fieldwork.reports, fieldwork.survey, fieldwork.outcomes)
    tables = tables_of(fieldwork.country, fieldwork.survey, fieldwork.outcomes)
    expected = {(one.indicator, one.statistic): one for one in estimate_all(answered, tables, ("national",))}
    found = prepared_by(finished).estimation.estimates
    for one in found:
        if one.domain == "national" and one.statistic != "mean_with_interest":
            # Money is rounded by people, and an eighth of it is imputed: only shares are exact.
            is_share = one.unit == "share"
            tolerance = 1e-9 if is_share else 2 * one.se / one.value
            assert one.value == pytest.approx(expected[one.indicator, one.statistic].value, rel=tolerance), one


def test_the_same_inputs_give_the_same_bytes_whatever_the_parts_and_their_order(
    finished_office: Office, office: Office, made: Made
) -> None:
    first = prepared_by(finished_office)
    backwards = made.interviews[::-1]
    for start in range(0, len(backwards), 300):
        office.store(backwards[start : start + 300], received_at=NOW - timedelta(hours=start + 1))
    office.finish_fieldwork()
    second = prepared_by(office)
    assert second.content == first.content
    assert second.inputs_hash == first.inputs_hash


def test_a_draft_says_what_it_rests_on(finished: Office, made: Made) -> None:
    content = content_of(prepared_by(finished))
    counts = content["counts"]
    assert counts["drawn"] == 1120
    assert counts["received"] + counts["not_received"] == 1120
    assert counts["received"] == len(made.interviews)
    assert counts["psus_lost"] == int(made.fieldwork.outcomes.lost.sum())
    assert counts["psus_open"] == counts["open_holds"] == counts["after_cut_off"] == 0
    assert 0.8 < content["response_rate"] < 0.95
    assert {item["variable"] for item in content["item_nonresponse"]} >= {"money received"}
    assert content["cut_off"] == NOW.isoformat()
    assert any("left the country whole" in statement for statement in content["statements"])


def test_a_hidden_figure_is_nowhere_in_the_content(finished: Office) -> None:
    prepared = prepared_by(finished)
    estimates = content_of(prepared)["estimates"]
    hidden = [one for one in estimates if one["flag"] == "hidden"]
    assert hidden
    for one in hidden:
        assert {one[name] for name in ("value", "se", "cv", "low", "high", "df", "n", "deff")} == {None}
    for one in estimates:
        if one["flag"] != "hidden":
            assert one["n"] >= 30
            assert one["n"] % 5 == 0
    assert len(estimates) == len(prepared.estimation.estimates)


def test_an_interview_after_the_cut_off_is_left_out_and_counted(office: Office, made: Made) -> None:
    office.store(made.interviews[:1000])
    office.store(made.interviews[1000:], received_at=NOW + timedelta(hours=1))
    office.finish_fieldwork()
    content = content_of(prepared_by(office))
    assert content["counts"]["received"] == 1000
    assert content["counts"]["after_cut_off"] == len(made.interviews) - 1000
    later = content_of(prepared_by(office, cut_off=NOW + timedelta(days=1)))
    assert later["counts"]["after_cut_off"] == 0


def test_a_draft_from_the_same_inputs_is_kept(finished: Office) -> None:
    first, second = run_by(finished), run_by(finished)
    assert first.is_new
    assert not second.is_new
    assert second.release_id == first.release_id
    with finished.context.database.read() as session:
        runs = queries.runs(session)
    assert [run.reason for run in runs] == [f"unchanged since release {first.release_id}", None]


def test_a_hold_that_was_settled_makes_a_new_draft_of_the_same_figures(finished: Office) -> None:
    held = finished.made.interviews[0].interview_id
    with finished.context.database.transaction() as session:
        session.execute(update(Interview).where(Interview.interview_id == held).values(holds="K2"))
    stale = run_by(finished)
    with finished.context.database.transaction() as session:
        session.execute(update(Interview).where(Interview.interview_id == held).values(holds=""))
    fresh = run_by(finished)
    assert fresh.is_new
    assert fresh.release_id != stale.release_id
    assert publish(finished, fresh.release_id).state == "published"


def test_few_cases_are_not_told_beside_the_figures(finished: Office) -> None:
    for item in content_of(prepared_by(finished))["item_nonresponse"]:
        assert item["asked"] is None or (item["asked"] >= 30 and item["asked"] % 5 == 0)


def test_no_value_of_a_domain_is_hidden_alone(finished: Office) -> None:
    hidden: dict[tuple[str, str, str], list[bool]] = {}
    for line in content_of(prepared_by(finished))["estimates"]:
        key = (line["indicator"], line["statistic"], line["domain"])
        hidden.setdefault(key, []).append(line["flag"] == "hidden")
    assert any(sum(flags) > 1 for flags in hidden.values())
    assert not any(sum(flags) == 1 and len(flags) > 1 for flags in hidden.values())


def test_publishing_is_signed_by_a_person_and_happens_once(finished: Office) -> None:
    draft = run_by(finished)
    published = publish(finished, draft.release_id)
    assert (published.state, published.published_by, published.published_at) == ("published", "ada", NOW)
    assert published.content_hash == draft.content_hash
    assert publish(finished, draft.release_id) == published
    with finished.context.database.read() as session:
        acts = [entry for entry in audit.latest(session) if entry.action == "publish-release"]
    assert [entry.actor for entry in acts] == ["ada"]


def test_a_release_with_an_open_hold_is_not_published(finished: Office) -> None:
    draft = run_by(finished)
    with finished.context.database.transaction() as session:
        held = finished.made.interviews[0].interview_id
        session.execute(update(Interview).where(Interview.interview_id == held).values(holds="K2"))
    with pytest.raises(ReleaseNotReady, match="1 interviews are held") as refusal:
        publish(finished, draft.release_id)
    assert refusal.value.members == {"open_holds": 1, "open_psus": 0}


def test_a_release_is_not_published_before_every_unit_is_closed_or_lost(office: Office, made: Made) -> None:
    office.store(made.interviews)
    draft = run_by(office)
    with pytest.raises(ReleaseNotReady, match="80 units are neither closed nor lost"):
        publish(office, draft.release_id)
    office.finish_fieldwork()
    # The draft knew nothing of the lost units: its weights would be wrong.
    with pytest.raises(ReleaseNotReady, match="before fieldwork was over"):
        publish(office, draft.release_id)
    assert publish(office, run_by(office).release_id).state == "published"


def test_without_interviews_or_design_the_refusal_says_what_is_missing(office: Office) -> None:
    with pytest.raises(EstimatesImpossible, match="no household has responded"):
        prepared_by(office)
    with office.context.database.transaction() as session:
        session.execute(queries.DrawnHousehold.__table__.delete())
    with pytest.raises(DesignIncomplete, match="no draw"):
        prepared_by(office)


def test_a_failed_run_is_recorded_with_its_reason(office: Office) -> None:
    with office.context.database.transaction() as session:
        estimate.record_failure(session, reason="no household has responded", now=NOW)
    with office.context.database.read() as session:
        (run,) = queries.runs(session)
    assert (run.state, run.reason, run.release_id) == ("failed", "no household has responded", None)


def test_a_draft_looks_missing_to_the_public(finished: Office) -> None:
    draft = run_by(finished)
    with finished.context.database.read() as session:
        assert release.list_releases(session, with_drafts=False) == ()
        assert len(release.list_releases(session, with_drafts=True)) == 1
        with pytest.raises(NotFound) as of_a_draft:
            release.show(session, draft.release_id, with_drafts=False)
        with pytest.raises(NotFound) as of_nothing:
            release.show(session, draft.release_id + 1, with_drafts=False)
    assert of_a_draft.value.detail.replace(str(draft.release_id), "") == of_nothing.value.detail.replace(
        str(draft.release_id + 1), ""
    )


@pytest.fixture
def door(finished: Office) -> FlaskClient:
    return create_app(finished.context.config, finished.context).test_client()


def test_the_door_gives_published_figures_to_everybody_and_drafts_to_those_who_make_them(
    finished: Office, door: FlaskClient
) -> None:
    draft = run_by(finished)
    path = f"/api/v1/releases/{draft.release_id}"
    assert door.get(path).status_code == 404
    assert door.get(f"{path}/estimates").mimetype == "application/problem+json"
    assert door.get("/api/v1/releases").get_json() == {"releases": []}
    manager, enumerator = bearer(finished.context, "manager"), bearer(finished.context, "enumerator")
    assert door.get(path, headers=manager).get_json()["state"] == "draft"
    assert door.get(path, headers=enumerator).status_code == 404
    publish(finished, draft.release_id)
    assert door.get(path).get_json()["state"] == "published"
    assert door.get("/api/v1/releases").get_json()["releases"][0]["release_id"] == draft.release_id


def test_figures_come_as_json_or_csv_with_a_strong_validator(finished: Office, door: FlaskClient) -> None:
    draft = run_by(finished)
    publish(finished, draft.release_id)
    path = f"/api/v1/releases/{draft.release_id}/estimates"
    as_json, as_csv = door.get(path), door.get(path, headers={"Accept": "text/csv"})
    estimates = as_json.get_json()["estimates"]
    rows = list(csv.DictReader(io.StringIO(as_csv.get_data(as_text=True))))
    assert len(rows) == len(estimates)
    assert rows[0]["indicator"] == "MIG-01"
    assert float(rows[0]["value"]) == estimates[0]["value"]
    assert all(row["value"] == "" for row in rows if row["flag"] == "hidden")
    assert door.get(f"{path}?format=csv").data == as_csv.data
    assert door.get(f"{path}?format=xml").status_code == 400
    tags = {as_json.headers["ETag"], as_csv.headers["ETag"]}
    assert len(tags) == 2
    assert not any(tag.startswith("W/") for tag in tags)
    again = door.get(path, headers={"If-None-Match": as_json.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert "Accept" in as_json.headers["Vary"]


def test_microdata_have_weights_and_nothing_that_identifies(finished: Office, door: FlaskClient, made: Made) -> None:
    path = "/api/v1/microdata.csv"
    assert door.get(path).status_code == 401
    assert door.get(path, headers=bearer(finished.context, "manager")).status_code == 403
    statistician = bearer(finished.context, "statistician")
    answer = door.get(path, headers=statistician)
    assert answer.mimetype == "text/csv", answer.text
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert len(rows) == len(made.interviews)
    totals = sum(float(row["weight"]) for row in rows)
    assert totals == pytest.approx(made.fieldwork.country.households.psu.size, abs=1e-3)
    assert not {"household_key", "hh_no", "b_code", "j_phone", "j_gps", "j_note", "c_name"} & set(rows[0])
    keys = {one.case.key for one in made.interviews}
    assert not any(key in answer.get_data(as_text=True) for key in list(keys)[:50])
    workers = door.get(f"{path}?table=worker", headers=statistician).get_data(as_text=True)
    header = workers.split("\r\n", 1)[0].split(",")
    assert {"weight", "psu", "stratum", "e_country", "e_earn"} <= set(header)
    assert not {"e_name", "e_visa", "e_idheld", "e_occ_txt"} & set(header)
    costs = list(csv.DictReader(io.StringIO(door.get(f"{path}?table=cost", headers=statistician).text)))
    assert {row["k_item"] for row in costs} > {"2", "13"}
    assert door.get(f"{path}?table=names", headers=statistician).status_code == 400
