import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from server.context import Context
from server.db.queries import audit
from server.db.scope import EVERYTHING
from server.db.tables import AppUser, Envelope
from server.folding.arrival_reasons import reason_of
from server.services import app_users
from server.web.intake_counts import PENDING_SECONDS, TOTAL_SECONDS, RecentCounts
from server.web.intake_messages import INTAKE_MESSAGES
from tests.office import NOW, begin_session
from tests.server.mixed import PICTURE, Mixed
from tests.server.opening.kit import household, open_all
from tests.server.web.conftest import PASSWORD

LogIn = Callable[[str], FlaskClient]


@pytest.fixture
def log_in(mixed: Mixed) -> LogIn:
    """Return a function that gives a browser in which somebody is logged in."""

    def logged_in(name: str) -> FlaskClient:
        page = mixed.app.test_client()
        begin_session(page, mixed.context, name)
        return page

    return logged_in


def token_of(text: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', text)
    assert found is not None
    return found.group(1)


def decide(page: FlaskClient, path: str, **members: str) -> int:
    """Send a form of a page that is shown."""
    return page.post(path, data={"form_token": token_of(page.get("/intake").text), **members}).status_code


def rows_of(text: str) -> list[str]:
    return re.findall(r'<tr role="row" class="row-([a-z]+)">', text)


def test_the_first_page_after_the_login_is_the_intake(page: FlaskClient, surveyed: Context) -> None:
    form = {"form_token": token_of(page.get("/login").text), "name": "amina", "password": PASSWORD}
    assert page.post("/login", data=form).location == "/intake"


def test_everything_that_arrived_is_listed_with_its_state(mixed: Mixed, log_in: LogIn) -> None:
    states = rows_of(log_in("amina").get("/intake").text)
    assert {state: states.count(state) for state in set(states)} == {
        "opened": 7, "conflict": 4, "held": 2, "quarantine": 4, "waiting": 1, "media": 1,
    }  # fmt: skip


@pytest.mark.parametrize("language", ["en", "fr"])
def test_each_reason_says_what_happened_and_what_to_do_in_the_reader_s_language(
    mixed: Mixed, log_in: LogIn, language: str
) -> None:
    text = log_in("amina").get(f"/intake?lang={language}").text
    assert f'<html lang="{language}">' in text
    plain = text.replace("&#39;", "'").replace("\N{NARROW NO-BREAK SPACE}", " ")
    for code in ("after-revocation", "K2", "conflict", "id-collision", "waiting-for-epoch", "unknown-form-version"):
        for sentence in reason_of(code).text(language):
            assert sentence in plain, code


def test_the_pages_have_the_same_words_in_both_languages() -> None:
    assert INTAKE_MESSAGES["en"].keys() == INTAKE_MESSAGES["fr"].keys()
    for key, text in INTAKE_MESSAGES["en"].items():
        assert re.findall(r"{\w+}", text) == re.findall(r"{\w+}", INTAKE_MESSAGES["fr"][key]), key


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=quarantine", 4), ("state=waiting", 1), ("state=media", 1), ("state=held", 2), ("state=conflict", 2),
        ("needs=1", 8), ("form=house", 2), ("form=visit", 2), ("person=0012", 4), ("person=tablet-2", 3),
        ("person=collect+12&state=media", 1), ("day=2020-01-01", 0), ("person=nobody", 0),
        ("state=opened&form=small", 11),
    ],
)  # fmt: skip
def test_the_list_is_filtered(mixed: Mixed, log_in: LogIn, query: str, expected: int) -> None:
    assert len(rows_of(log_in("amina").get(f"/intake?{query}").text)) == expected


def test_today_s_filter_shows_what_came_today(mixed: Mixed, log_in: LogIn) -> None:
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    assert len(rows_of(log_in("amina").get(f"/intake?day={day}").text)) == 19


@pytest.mark.parametrize("query", ["state=lost", "day=yesterday", "before=x"])
def test_a_filter_that_cannot_be_meant_is_refused(mixed: Mixed, log_in: LogIn, query: str) -> None:
    assert log_in("amina").get(f"/intake?{query}").status_code == 400


def test_the_list_goes_on_where_a_page_ends(mixed: Mixed, log_in: LogIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.web.intake_pages.PAGE", 7)
    page, seen, address = log_in("amina"), [], "/intake?state=opened"
    for _ in range(4):
        text = page.get(address).text
        seen += re.findall(r'href="/intake/([0-9a-f]{32})"><time', text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        if following is None:
            break
        address = following.group(1).replace("&amp;", "&")
    assert len(seen) == 14
    assert following is None


def test_a_supervisor_sees_the_own_team_only(mixed: Mixed, log_in: LogIn) -> None:
    sami, berta = log_in("sami"), log_in("berta")
    assert "tablet-2" not in sami.get("/intake").text
    assert "tablet-1" not in berta.get("/intake").text
    for path in ("", "/answers"):
        assert berta.get(f"/intake/{mixed.of_team_b}{path}").status_code == 200
        assert sami.get(f"/intake/{mixed.of_team_b}{path}").status_code == 404
        assert sami.get(f"/intake/{'ab' * 16}{path}").status_code == 404
    review = {"verdict": "approved", "note": ""}
    assert decide(sami, f"/intake/{mixed.of_team_b}/review", **review) == 404
    assert decide(berta, f"/intake/{mixed.of_team_b}/review", **review) == 303


def test_an_enumerator_sees_the_own_work_with_nothing_to_click(mixed: Mixed, log_in: LogIn) -> None:
    text = log_in("eno").get("/intake").text
    assert "Has my work arrived?" in text
    assert len(rows_of(text)) == 4
    assert "<button" not in text.partition("<main")[2].replace('<button class="button strong">Show</button>', "")
    assert "/intake/" not in text
    assert log_in("eno").get(f"/intake/{mixed.with_photos}").status_code == 403
    assert rows_of(log_in("nemo").get("/intake").text) == []


def test_a_statistician_has_the_microdata_and_not_this(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("stata")
    assert page.get("/intake").status_code == 403
    assert page.get(f"/intake/{mixed.opened}").status_code == 403
    assert 'href="/intake"' not in page.get("/forms").text


def test_a_submission_shows_its_files_and_which_are_missing(mixed: Mixed, log_in: LogIn) -> None:
    text = log_in("amina").get(f"/intake/{mixed.without_roof}").text
    assert f"/api/v1/submissions/{mixed.without_roof}/attachments/front.png" in text
    assert re.search(r"roof\.png</th>.*has not come", text)


def test_every_look_at_answers_is_written_down(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("amina")
    assert "Kwame" not in page.get(f"/intake/{mixed.conflict}").text
    assert "Adjoa" in page.get(f"/intake/{mixed.opened}/answers").text
    with mixed.context.database.read() as session:
        latest = audit.latest(session, 1)[0]
    assert (latest.actor, latest.action, latest.subject) == ("amina", "read-answers", mixed.opened)


def test_versions_stand_side_by_side_and_one_is_chosen(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("sami")
    text = page.get(f"/intake/{mixed.conflict}/versions").text
    shown = re.findall(r'<td role="cell" class="prose"[^>]*>([^<]*)', text)
    assert shown == ["Kwame", "Ama", "99", "10.5", "41", "42"]
    chosen = re.findall(r'name="chosen" value="([^"]+)"', text)
    assert len(chosen) == 2
    path = f"/intake/{mixed.conflict}/versions"
    assert decide(page, path, chosen="ab.cd", note="n") == 400
    assert decide(page, path, chosen=chosen[1], note="asked both") == 303
    open_all(mixed.context)
    assert "Ama" in page.get(f"/intake/{mixed.conflict}/answers").text
    assert len(rows_of(page.get("/intake?state=conflict").text)) == 1


def test_one_version_is_nothing_to_choose_from(mixed: Mixed, log_in: LogIn) -> None:
    assert log_in("amina").get(f"/intake/{mixed.opened}/versions").status_code == 404


def test_a_manager_releases_what_came_after_a_revocation(mixed: Mixed, log_in: LogIn) -> None:
    sami, amina = log_in("sami"), log_in("amina")
    path = f"/intake/{mixed.revoked}/release"
    assert decide(sami, path) == 403
    assert decide(amina, path) == 303
    open_all(mixed.context)
    assert "Kojo" in amina.get(f"/intake/{mixed.revoked}/answers").text
    assert decide(amina, path) == 404


@pytest.mark.parametrize("is_revoked_first", [True, False])
def test_files_of_a_revoked_app_user_are_let_in_whenever_they_come(
    mixed: Mixed, log_in: LogIn, is_revoked_first: bool
) -> None:
    page, number, names = log_in("amina"), 73, ("front.png", "roof.png")
    path = f"/intake/{UUID(int=number).hex}"
    if not is_revoked_first:
        mixed.post(number, "house", "1", files={"front.png": PICTURE}, names=names)
    with mixed.context.database.transaction() as session:
        app_users.revoke_app_user(session, name="collect 12", user="amina", now=NOW)
    if is_revoked_first:
        mixed.post(number, "house", "1", files={"front.png": PICTURE}, names=names)
        assert decide(page, f"{path}/release") == 303
    open_all(mixed.context)
    assert "Release</button>" not in page.get(path).text
    mixed.post(number, "house", "1", files={"roof.png": PICTURE + b"2"}, names=names)
    open_all(mixed.context)
    shown = page.get(path).text
    assert "Files of it in quarantine: 1." in shown
    assert "Release</button>" in shown
    assert "Release</button>" not in log_in("berta").get(path).text
    assert decide(page, f"{path}/release") == 303
    open_all(mixed.context)
    shown = page.get(path).text
    assert "/attachments/roof.png" in shown
    assert "in quarantine" not in shown
    assert decide(page, f"{path}/release") == 404


@pytest.mark.parametrize(("language", "words"), [("en", "an app user, named inside"), ("fr", "nommé à l")])
def test_of_what_came_to_the_door_before_its_senders_were_noted_the_list_says_so(
    mixed: Mixed, log_in: LogIn, language: str, words: str
) -> None:
    path = f"/intake?lang={language}"
    assert words not in log_in("amina").get(path).text
    with mixed.context.database.transaction() as session:
        session.execute(update(Envelope).where(Envelope.carrier == "door").values(app_user_id=None))
    text = log_in("amina").get(path).text
    assert words in text
    assert '<span class="who">door</span>' not in text


def test_a_hold_is_settled_with_another_household(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("berta")
    assert "K2" in page.get(f"/intake/{mixed.pair[0]}").text
    path = f"/intake/{mixed.pair[0]}/settle"
    assert decide(page, path, verdict="reassign", household_key="", note="x") in (303, 400)
    assert decide(page, path, verdict="perhaps", note="x") == 400
    assert decide(page, path, verdict="reassign", household_key=household(6), note="card read again") == 303
    open_all(mixed.context)
    assert rows_of(page.get("/intake?state=held").text) == []


def test_an_interview_is_approved(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("sami")
    assert decide(page, f"/intake/{mixed.opened}/review", verdict="approved", note="") == 303
    open_all(mixed.context)
    assert '<span class="status approved">approved</span>' in page.get(f"/intake/{mixed.opened}").text


def test_an_interview_is_returned_to_the_tablet_of_its_enumerator(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("sami")
    path = f"/intake/{mixed.opened}"
    assert INTAKE_MESSAGES["en"]["return_text"].format(code="0001") in page.get(path).text
    assert decide(page, f"{path}/review", verdict="returned", note="") == 400
    sent = {"form_token": token_of(page.get(path).text), "verdict": "returned", "note": "How old is she?"}
    answer = page.post(f"{path}/review?lang=fr", data=sent)
    assert "done=return" in answer.location
    open_all(mixed.context)
    text = page.get(path).text
    assert '<span class="status returned">returned</span>' in text
    assert INTAKE_MESSAGES["en"]["return_waits"].format(code="0001") in text
    assert "How old is she?" not in text
    assert '<span class="status returned">renvoyé</span>' in page.get(f"{path}?lang=fr").text


def test_who_uses_collect_is_told_in_person(mixed: Mixed, log_in: LogIn) -> None:
    text = log_in("amina").get(f"/intake/{mixed.with_photos}").text
    assert INTAKE_MESSAGES["en"]["return_no_tablet"].format(code="0012") in text
    with mixed.context.database.transaction() as session:
        session.execute(update(AppUser).values(enumerator=""))
    text = log_in("amina").get(f"/intake/{mixed.with_photos}").text
    assert INTAKE_MESSAGES["en"]["return_nobody"] in text
    assert 'value="returned"' not in text


def test_a_form_of_another_page_changes_nothing(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("amina")
    for what in ("release", "settle", "versions", "review"):
        assert page.post(f"/intake/{mixed.revoked}/{what}", data={"form_token": "another"}).status_code == 400


def test_what_is_not_opened_is_nothing_to_decide_about(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("amina")
    assert page.get(f"/intake/{mixed.no_epoch}").status_code == 200
    assert decide(page, f"/intake/{mixed.no_epoch}/review", verdict="approved", note="") == 400


def test_bytes_that_nobody_can_read_have_a_page_too(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("amina")
    names = re.findall(r'href="/intake/([0-9a-f]{64})', page.get("/intake?state=quarantine").text)
    assert len(names) == 1
    assert page.get(f"/intake/{names[0]}").status_code == 200


def test_the_pages_work_while_the_key_store_is_locked(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("amina")
    mixed.post(90, "visit", "1")
    mixed.context.keystore._vault = None  # what a start without the passphrase leaves it at
    open_all(mixed.context)
    text = page.get("/intake").text
    assert "The key store is locked" in text
    assert reason_of("waiting-for-key").en[0] in text
    shown = page.get(f"/intake/{mixed.without_roof}")
    assert shown.status_code == 200
    assert "front.png" not in shown.text
    assert "1 are here, 1 missing" in shown.text
    assert page.get(f"/intake/{mixed.opened}/answers").status_code == 503
    with mixed.context.database.read() as session:
        assert audit.latest(session, 1)[0].action != "read-answers"
    assert decide(page, f"/intake/{mixed.opened}/review", verdict="approved", note="") == 503


def test_a_sealed_server_shows_what_came_and_says_who_opens_it(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("amina")
    keystore = mixed.context.keystore
    assert keystore._vault is not None
    keystore._vault = replace(keystore._vault, survey_seeds={})
    mixed.post(90, "visit", "1")
    open_all(mixed.context)
    text = page.get("/intake").text
    assert "has the keys, and counts them" in text
    assert "la machine du bureau a les clés" in page.get("/intake?lang=fr").text
    assert "key store is locked" not in text
    assert reason_of("listed").en[0] in text
    shown = next(name for name in re.findall(r'href="/intake/([^"?#/]+)"', text))
    assert page.get(f"/intake/{shown}").status_code == 200
    assert page.get(f"/intake/{mixed.opened}/answers").status_code == 503
    assert page.get("/health").json == {"status": "ok", "key_store": "sealed"}


def test_no_page_quotes_what_was_answered_into_its_markup(mixed: Mixed, log_in: LogIn) -> None:
    page = log_in("amina")
    mixed.post(91, "visit", "1<script>")
    text = page.get("/intake").text
    assert "<script" not in text
    assert page.get("/intake").headers["Cache-Control"] == "no-store"


def test_counts_are_made_once_for_many_readers(mixed: Mixed) -> None:
    now = 0.0
    counts = RecentCounts(lambda: now)
    pending, total = counts.read(mixed.context, EVERYTHING)
    assert (pending.quarantine, total) == (4, 18)
    mixed.post(92, "visit", "1")
    assert counts.read(mixed.context, EVERYTHING) == (pending, total)
    counts.forget()
    assert counts.read(mixed.context, EVERYTHING)[0].waiting == 2
    now = PENDING_SECONDS + 1
    assert counts.read(mixed.context, EVERYTHING)[1] == total
    now = TOTAL_SECONDS + 1
    assert counts.read(mixed.context, EVERYTHING)[1] == total + 1


def test_of_many_who_sent_today_those_are_shown_first_whose_work_waits(mixed: Mixed, log_in: LogIn) -> None:
    """The others are a click away, so that the list of arrivals is not below a hundred lines."""
    for number in range(13):
        with mixed.context.database.transaction() as session:
            token = app_users.create_app_user(
                session, name=f"one of many {number}", enumerator="0012", user="amina", now=NOW
            )
        xml = f"<data id='nobody' version='1'><a>{number}</a></data>".encode()
        body = {"xml_submission_file": (BytesIO(xml), "a.xml", "text/xml")}
        assert mixed.app.test_client().post(f"/key/{token}/submission", data=body).status_code == 201
    text = log_in("amina").get("/intake").text
    folded = text.index("who sent today")
    assert text.count('<table class="today"') == 2
    assert text.index('<table class="today"') < folded < text.rindex('<table class="today"')
