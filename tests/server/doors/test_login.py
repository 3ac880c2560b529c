"""How accounts come in, and what ends it: sessions, passwords over https, limits for all processes, proxies."""

import base64
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from argon2.exceptions import VerifyMismatchError
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from server import passwords
from server.app import create_app
from server.config import Config, ConfigError
from server.context import Context, login
from server.context.verified import KEPT, KEPT_SECONDS, VerifiedPasswords
from server.db.queries import accounts as queries
from server.db.queries import failed_logins
from server.db.tables import FailedLogin
from server.errors import RateLimited
from server.services import accounts, api_tokens, limit_logins
from server.services.accounts import AccountChanges
from server.services.limit_logins import FAILURES, FAILURES_OF_A_NAME, FAILURES_OF_AN_ADDRESS, WINDOW
from tests.office import NOW

PASSWORD = "correct horse battery"
OTHER = "another good one"
HTTPS = "https://localhost"
BY = {"actor": "root", "now": NOW}


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of the password, made once: Argon2 is meant to take its time."""
    return passwords.hash_password(PASSWORD)


@pytest.fixture
def amina(context: Context, password_hash: str) -> Context:
    """An office with one manager who has a password."""
    with context.database.transaction() as session:
        queries.add_user(session, name="amina", role="manager", password_hash=password_hash, now=NOW)
    return context


def form_token(client: FlaskClient) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', client.get("/login").text)
    assert found is not None
    return found.group(1)


def log_in(client: FlaskClient, name: str = "amina", password: str = PASSWORD) -> int:
    form = {"form_token": form_token(client), "name": name, "password": password}
    return client.post("/login", data=form).status_code


def basic(name: str = "amina", password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def ask(client: FlaskClient, headers: dict[str, str] | None = None, *, base_url: str = HTTPS) -> int:
    return client.get("/api/v1/projects", headers=headers or {}, base_url=base_url).status_code


def test_another_password_ends_every_session(amina: Context, client: FlaskClient) -> None:
    assert log_in(client) == 303
    assert ask(client, base_url="http://localhost") == 200
    with amina.database.transaction() as session:
        accounts.set_password(session, name="amina", password=OTHER, **BY)
    assert ask(client, base_url="http://localhost") == 401


@pytest.mark.parametrize("ending", ["role", "disabled and let in again"])
def test_another_role_and_being_shut_out_end_every_session(amina: Context, client: FlaskClient, ending: str) -> None:
    assert log_in(client) == 303
    with amina.database.transaction() as session:
        if ending == "role":
            accounts.change_user(session, name="amina", changes=AccountChanges(role="supervisor"), **BY)
        else:
            accounts.disable_user(session, name="amina", **BY)
            accounts.enable_user(session, name="amina", **BY)
    assert ask(client, base_url="http://localhost") == 401
    assert log_in(client) == 303


def test_a_cookie_of_before_this_rule_is_no_session(amina: Context, client: FlaskClient) -> None:
    with client.session_transaction() as session:
        session["user_id"] = 1
    assert ask(client, base_url="http://localhost") == 401


def test_a_copy_of_a_cookie_is_worth_nothing_after_logging_out(amina: Context, client: FlaskClient) -> None:
    assert log_in(client) == 303
    cookie = client.get_cookie("passerelle")
    assert cookie is not None
    thief = client.application.test_client()
    thief.set_cookie("passerelle", cookie.value)
    assert ask(thief, base_url="http://localhost") == 200
    token = re.search(r'name="form_token" value="([^"]+)"', client.get("/account").text)
    assert token is not None
    assert client.post("/logout", data={"form_token": token[1]}).status_code == 303
    assert ask(thief, base_url="http://localhost") == 401
    assert log_in(client) == 303


def test_a_session_ends_some_hours_after_it_began_however_much_it_is_used(
    amina: Context, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert log_in(client) == 303
    begun = login.utc_now()
    monkeypatch.setattr(login, "utc_now", lambda: begun + login.LONGEST_SESSION - timedelta(seconds=2))
    assert ask(client, base_url="http://localhost") == 200
    monkeypatch.setattr(login, "utc_now", lambda: begun + login.LONGEST_SESSION)
    assert ask(client, base_url="http://localhost") == 401


def test_nobody_writes_another_beginning_into_a_session(amina: Context, client: FlaskClient) -> None:
    assert log_in(client) == 303
    for begun_at in (None, "now", 0, 1 << 40):
        with client.session_transaction() as session:
            session["begun_at"] = begun_at
        assert ask(client, base_url="http://localhost") == 401


def test_disabling_stops_password_token_and_session_at_once(amina: Context, client: FlaskClient) -> None:
    with amina.database.transaction() as session:
        bearer = {"Authorization": "Bearer " + api_tokens.issue_token(session, name="amina", **BY)}
    assert log_in(client) == 303
    other = client.application.test_client()
    assert (ask(other, bearer), ask(other, basic())) == (200, 200)
    with amina.database.transaction() as session:
        accounts.add_user(session, name="root", role="administrator", password=None, **BY)
        accounts.disable_user(session, name="amina", **BY)
    assert (ask(other, bearer), ask(other, basic())) == (401, 401)
    assert ask(client, base_url="http://localhost") == 401
    assert log_in(other) == 401


def test_a_token_ends_at_its_time(amina: Context) -> None:
    with amina.database.transaction() as session:
        token = api_tokens.issue_token(session, name="amina", expires_at=NOW + timedelta(days=1), **BY)
        digest = api_tokens.token_hash(token)
        assert queries.user_by_token(session, digest, now=NOW + timedelta(hours=23)) is not None
        assert queries.user_by_token(session, digest, now=NOW + timedelta(days=1)) is None


def test_a_password_is_taken_over_https_only_and_offered_there(amina: Context, client: FlaskClient) -> None:
    assert ask(client, basic()) == 200
    assert ask(client, basic(), base_url="http://localhost") == 401
    secure = client.get("/api/v1/projects", base_url=HTTPS).headers["WWW-Authenticate"]
    assert "Bearer" in secure
    assert "Basic" in secure
    assert "Basic" not in client.get("/api/v1/projects").headers["WWW-Authenticate"]


def test_a_cookie_that_is_set_over_https_stays_there(amina: Context, client: FlaskClient) -> None:
    assert "Secure" in client.get("/login", base_url=HTTPS).headers["Set-Cookie"]


def test_a_password_sent_with_every_request_is_hashed_once(
    amina: Context, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []
    really = passwords.is_right
    monkeypatch.setattr(passwords, "is_right", lambda known, given: looked_at.append(given) or really(known, given))
    assert [ask(client, basic()) for _ in range(3)] == [200, 200, 200]
    assert looked_at == [PASSWORD]


def test_a_kept_password_ends_with_the_stored_one(amina: Context, client: FlaskClient) -> None:
    assert ask(client, basic()) == 200
    with amina.database.transaction() as session:
        accounts.set_password(session, name="amina", password=OTHER, **BY)
    assert ask(client, basic()) == 401
    assert ask(client, basic(password=OTHER)) == 200


def test_wrong_passwords_count_as_attempts_to_log_in(amina: Context, client: FlaskClient) -> None:
    assert [ask(client, basic(password="guess")) for _ in range(FAILURES)] == [401] * FAILURES
    assert ask(client, basic()) == 429
    assert log_in(client) == 429


def test_who_guesses_at_one_address_shuts_nobody_out_at_another(amina: Context, client: FlaskClient) -> None:
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    guesses = [
        client.get("/api/v1/projects", headers=basic(password="guess"), base_url=HTTPS, environ_base=elsewhere)
        for _ in range(FAILURES + 1)
    ]
    assert guesses[-1].status_code == 429
    assert log_in(client) == 303
    assert ask(client, basic()) == 200


def test_right_passwords_that_come_at_once_are_all_let_in(amina: Context, client: FlaskClient) -> None:
    def ask_one(_: int) -> int:
        return ask(client.application.test_client(), basic())

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(ask_one, range(12))) == {200}


def test_a_browser_s_password_changes_nothing_from_another_site(amina: Context, client: FlaskClient) -> None:
    answer = client.post(
        "/api/v1/app-users", json={}, base_url=HTTPS, headers=basic() | {"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403


def test_verified_passwords_are_few_and_short_lived() -> None:
    now = 0.0
    verified = VerifiedPasswords(lambda: now)
    verified.keep(1, PASSWORD, "hash")
    assert verified.is_known(1, PASSWORD, "hash")
    assert not any(
        verified.is_known(*other)
        for other in ((2, PASSWORD, "hash"), (1, OTHER, "hash"), (1, PASSWORD, "another hash"))
    )
    now = KEPT_SECONDS
    assert not verified.is_known(1, PASSWORD, "hash")
    verified.keep(1, PASSWORD, "hash")
    for number in range(KEPT):
        verified.keep(number, OTHER, "hash")
    assert not verified.is_known(1, PASSWORD, "hash")
    assert PASSWORD not in repr(verified.__dict__)


def test_names_and_addresses_are_limited_each_and_by_keyed_hashes_only(context: Context) -> None:
    database, now = context.database, NOW

    def attempt(name: str, address: str, *, at_minute: int = 0) -> bool:
        try:
            with database.transaction() as session:
                moment = now + at_minute * (WINDOW + timedelta(seconds=1))
                limit_logins.begin(session, name=name, address=address, key=b"k" * 32, now=moment)
        except RateLimited:
            return False
        return True

    assert all(attempt("Amina ", "192.0.2.1") for number in range(FAILURES))
    assert not attempt("amina", "192.0.2.1")
    assert all(attempt("Amina ", f"198.51.100.{number}") for number in range(FAILURES_OF_A_NAME - FAILURES))
    assert not attempt("amina", "192.0.2.99")
    assert attempt("sami", "192.0.2.99")
    assert attempt("amina", "192.0.2.99", at_minute=1)
    assert all(attempt(f"n{number}", f"2001:db8::{number:x}") for number in range(FAILURES_OF_AN_ADDRESS))
    assert not attempt("somebody", "2001:db8::ffff:1")
    assert attempt("somebody", "2001:db8:0:1::1")


def test_however_many_guess_at_once_no_more_are_looked_at(context: Context) -> None:
    def attempt(number: int) -> bool:
        try:
            with context.database.transaction() as session:
                limit_logins.begin(session, name="amina", address=f"2001:db8::{number:x}", key=b"k", now=NOW)
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(attempt, range(24))) == FAILURES


def test_an_attempt_that_succeeds_does_not_count(context: Context) -> None:
    for _ in range(FAILURES + 1):
        with context.database.transaction() as session:
            attempt = limit_logins.begin(session, name="amina", address="192.0.2.1", key=b"k", now=NOW)
            limit_logins.succeed(session, attempt)


def test_old_failures_are_forgotten(context: Context) -> None:
    with context.database.transaction() as session:
        assert failed_logins.note(session, [b"b" * 32], now=NOW, since=NOW - WINDOW) == {b"b" * 32: 1}
        assert failed_logins.note(session, [b"b" * 32], now=NOW, since=NOW - WINDOW) == {b"b" * 32: 2}
        assert failed_logins.begin(session, {b"a" * 32: 1}, now=NOW, since=NOW - WINDOW) is not None
        assert failed_logins.begin(session, {b"a" * 32: 1}, now=NOW, since=NOW - WINDOW) is None
        later = NOW + WINDOW
        assert failed_logins.begin(session, {b"a" * 32: 1}, now=later, since=later - WINDOW) is not None
        assert len(session.scalars(select(FailedLogin)).all()) == 1


@pytest.mark.parametrize("name", ["am\0ina", "am\ud800ina", "\0", "amina" * 9999])
def test_a_name_that_no_database_stores_is_wrong_and_no_error(amina: Context, client: FlaskClient, name: str) -> None:
    form = {
        "form_token": form_token(client),
        "name": name.encode("utf-8", "surrogatepass"),
        "password": "x\0\ud800y".encode("utf-8", "surrogatepass"),
    }
    assert client.post("/login", data=form).status_code == 401
    sent = base64.b64encode(f"{name}:x".encode("utf-8", "surrogatepass")).decode()
    assert ask(client, {"Authorization": f"Basic {sent}"}) == 401


@pytest.mark.parametrize("path", ["/api/v1/forms/a%00b", "/forms/a%00b/versions/1", "/api/v1/findings/a%00"])
def test_an_address_that_no_database_stores_leads_nowhere(amina: Context, client: FlaskClient, path: str) -> None:
    assert client.get(path, headers=basic(), base_url=HTTPS).status_code == 404


def test_a_question_that_no_database_stores_is_refused(amina: Context, client: FlaskClient) -> None:
    assert client.get("/api/v1/findings?psu=a%00b", headers=basic(), base_url=HTTPS).status_code == 400


def test_a_proxy_is_believed_only_when_it_is_ours(sqlite_context: Context) -> None:
    """What a client claims is left of what the proxy adds; with no proxy of ours nothing is believed."""
    claimed = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7, 192.0.2.1"}
    seen: list[tuple[str, str | None]] = []
    for proxies in (0, 1):
        config = Config(data_dir=sqlite_context.config.data_dir, database_url="sqlite:///x", proxies=proxies)
        app = create_app(config, sqlite_context)
        seen.append(_seen_by(app, claimed))
    assert seen == [("http", "127.0.0.1"), ("https", "192.0.2.1")]


def _seen_by(app: Flask, headers: dict[str, str]) -> tuple[str, str | None]:
    from flask import request

    found: list[tuple[str, str | None]] = []
    app.before_request_funcs.setdefault(None, []).insert(0, lambda: found.append((request.scheme, request.remote_addr)))
    app.test_client().get("/health", headers=headers)
    return found[0]


@pytest.mark.parametrize("text", ["-1", "yes", "100", "1.5"])
def test_a_number_of_proxies_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="PASSERELLE_PROXIES"):
        Config.from_env({"PASSERELLE_DATA": "/x", "PASSERELLE_PROXIES": text})


def test_a_hash_of_other_parameters_is_renewed_at_the_login(amina: Context, client: FlaskClient) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with amina.database.transaction() as session:
        queries.change_user(session, 1, {"password_hash": weak}, ends_sessions=False)
    assert log_in(client) == 303
    assert ask(client, base_url="http://localhost") == 200
    with amina.database.read() as session:
        user = queries.user_by_name(session, "amina")
    assert user is not None
    assert user.password_hash is not None
    assert not passwords.is_outdated(user.password_hash)


def test_the_hash_of_nobody_costs_what_any_other_does_and_nothing_before_it_is_asked() -> None:
    assert not passwords.is_outdated(passwords._NOBODY)
    with pytest.raises(VerifyMismatchError):  # and not that it cannot be read
        passwords._HASHER.verify(passwords._NOBODY, "x")
    is_loaded = "import argon2; argon2.PasswordHasher.hash = None; import server.passwords"
    subprocess.run([sys.executable, "-c", is_loaded], check=True)
