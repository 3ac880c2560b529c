"""Who gets in at the OpenRosa door, and under which address: tokens, Digest and Basic, as OkHttp sends them."""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.test import TestResponse

from server.api.bodies import MemoryRequest
from server.api.openrosa import credentials, visitors
from server.api.openrosa.credentials import Asked, Verdict
from server.context import Context, blocked
from server.db.engine import Database
from server.db.queries import visitors as visitor_queries
from server.db.tables import FailedLogin
from server.keystore import DigestSecret, KeyStore, TabletSecrets
from server.services import admit_tablet, app_users, collect_settings
from tests.office import MULTIPART, NOW, multipart, publish, stored

HTTPS = {"wsgi.url_scheme": "https"}
INSTANCE = b'<data id="visit" version="1"><name>A</name><meta><instanceID>uuid:1</instanceID></meta></data>'


@dataclass
class Collect:
    """Authenticates as okhttp-digest does: takes the first Digest challenge, counts, and keeps it until a 401."""

    client: FlaskClient
    username: str
    password: str
    environ: dict[str, str]
    challenge: dict[str, str] | None = None
    count: int = 0

    def send(self, path: str, method: str = "GET", **options: object) -> TestResponse:
        response = self._once(path, method, options)
        if response.status_code == 401:
            previous = self.challenge
            self.challenge = digest_challenges(response)[0]
            self.count = 0
            if previous is None or self.challenge.get("stale") == "true":
                return self._once(path, method, options)
        return response

    def _once(self, path: str, method: str, options: dict[str, object]) -> TestResponse:
        headers = {"Authorization": self.header(path, method)} if self.challenge else {}
        return self.client.open(path, method=method, headers=headers, environ_overrides=self.environ, **options)  # type: ignore[arg-type]

    def header(self, uri: str, method: str = "GET") -> str:
        """Write the header word for word as the library does: nc, qop and algorithm stand without quotes."""
        assert self.challenge is not None
        self.count += 1
        algorithm, realm, nonce = (self.challenge[name] for name in ("algorithm", "realm", "nonce"))
        hashed = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]

        def h(text: str) -> str:
            return hashed(text.encode("ascii")).hexdigest()

        count, cnonce = f"{self.count:08x}", "0123456789abcdef"
        a1, a2 = h(f"{self.username}:{realm}:{self.password}"), h(f"{method}:{uri}")
        response = h(f"{a1}:{nonce}:{count}:{cnonce}:auth:{a2}")
        return (
            f'Digest username="{self.username}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}",'
            f' qop=auth, nc={count}, cnonce="{cnonce}", algorithm={algorithm}'
        )


def digest_challenges(response: TestResponse) -> list[dict[str, str]]:
    offered = [value for value in response.headers.getlist("WWW-Authenticate") if value.startswith("Digest")]
    return [
        {name: quoted or bare for name, quoted, bare in re.findall(r'([\w-]+)=(?:"([^"]*)"|([^,\s]+))', value)}
        for value in offered
    ]


def login(context: Context, name: str = "tablet 12") -> collect_settings.Reach:
    with context.database.transaction() as session:
        app_user = app_users.find_app_user(session, name)
        return collect_settings.give_access(
            session, app_user, base_url="http://localhost", tablet_secrets=context.tablets, user="manager", now=NOW
        )


def tablet(client: FlaskClient, context: Context, **environ: str) -> Collect:
    reach = login(context)
    assert reach.server_url == "http://localhost/projects/1"
    return Collect(client, reach.username, reach.password, environ)


def basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


def move_on(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    moved = datetime.now(NOW.tzinfo) + by
    monkeypatch.setattr(visitors, "utc_now", lambda: moved)


# Addresses


@pytest.mark.parametrize("prefix", ["/key/{token}", "/v1/key/{token}/projects/1"])
def test_every_address_that_is_given_leads_back_through_the_one_it_came_by(
    client: FlaskClient, context: Context, app_token: str, prefix: str
) -> None:
    publish(context)
    address = prefix.format(token=app_token)
    listed = client.get(f"{address}/formList").get_data(as_text=True)
    assert f"<downloadUrl>http://localhost{address}/forms/" in listed
    body = multipart([('name="xml_submission_file"; filename="a.xml"', INSTANCE)])
    sent = client.post(f"{address}/submission", data=body, content_type=MULTIPART)
    assert sent.headers["Location"] == f"http://localhost{address}/submission"


def test_a_token_is_good_for_its_own_project_only(sqlite_client: FlaskClient, app_token_sqlite: str) -> None:
    for method, path in (("GET", "formList"), ("HEAD", "submission"), ("POST", "submission")):
        answer = sqlite_client.open(f"/v1/key/{app_token_sqlite}/projects/2/{path}", method=method)
        assert answer.status_code == 404
        assert answer.headers["X-OpenRosa-Version"] == "1.0"
    assert sqlite_client.get(f"/v1/key/{app_token_sqlite}/projects/1/formList").status_code == 200


def test_no_answer_repeats_a_token(sqlite_client: FlaskClient, app_token_sqlite: str) -> None:
    for prefix in (f"/key/{app_token_sqlite}", f"/v1/key/{app_token_sqlite}/projects/1"):
        answer = sqlite_client.get(f"{prefix}/nothing", headers={"Accept": "text/html"})
        assert answer.status_code == 404
        assert app_token_sqlite not in answer.get_data(as_text=True)


def test_the_visitor_is_looked_up_at_every_request(client: FlaskClient, context: Context, app_token: str) -> None:
    publish(context)
    first = client.get(f"/key/{app_token}/formList")
    url = re.search("<downloadUrl>http://localhost(.*?)<", first.get_data(as_text=True))
    assert url is not None
    assert client.get(url[1]).status_code == 200
    with context.database.transaction() as session:
        app_users.revoke_app_user(session, name="tablet 12", user="manager", now=NOW)
    known = {"If-None-Match": first.headers["ETag"]}
    assert client.get(f"/key/{app_token}/formList", headers=known).status_code == 403
    assert client.get(url[1]).status_code == 403


# Digest


def test_a_challenge_comes_first_with_basic_only_over_https(sqlite_client: FlaskClient) -> None:
    plain = sqlite_client.get("/projects/1/formList")
    encrypted = sqlite_client.get("/projects/1/formList", environ_overrides=HTTPS)
    assert (plain.status_code, encrypted.status_code) == (401, 401)
    assert [one["algorithm"] for one in digest_challenges(plain)] == ["SHA-256", "MD5"]
    assert all(one["qop"] == "auth" and "stale" not in one for one in digest_challenges(plain))
    schemes = [value.partition(" ")[0] for value in encrypted.headers.getlist("WWW-Authenticate")]
    assert schemes == ["Digest", "Digest", "Basic"]
    assert "Basic" not in str(plain.headers)
    assert b"OpenRosaResponse" in plain.data


def test_collect_gets_the_list_and_the_form_and_sends_with_digest(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    xform = publish(context)
    collect = tablet(client, context)
    listed = collect.send("/projects/1/formList?deviceID=collect%3Aa%20b")
    assert listed.status_code == 200
    url = re.search("<downloadUrl>http://localhost(/projects/1/forms/.*?)<", listed.get_data(as_text=True))
    assert url is not None
    assert collect.send(url[1]).data == xform
    head = collect.send("/projects/1/submission?deviceID=a", "HEAD")
    assert head.status_code == 204
    body = multipart([('name="xml_submission_file"; filename="a.xml"', INSTANCE)])
    sent = collect.send("/projects/1/submission?deviceID=a", "POST", data=body, content_type=MULTIPART)
    assert (sent.status_code, sent.headers["Location"]) == (201, "http://localhost/projects/1/submission")
    assert collect.count == 4
    assert len(stored(context)) == 2


def test_both_algorithms_are_taken(sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str) -> None:
    collect = tablet(sqlite_client, sqlite_context)
    for one in digest_challenges(sqlite_client.get("/projects/1/formList")):
        collect.challenge = one
        header = {"Authorization": collect.header("/projects/1/formList")}
        assert sqlite_client.get("/projects/1/formList", headers=header).status_code == 200


def test_a_proof_is_for_one_method_and_one_address(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str
) -> None:
    collect = tablet(sqlite_client, sqlite_context)
    collect.challenge = digest_challenges(sqlite_client.get("/projects/1/formList"))[0]
    header = {"Authorization": collect.header("/projects/1/formList?a=1")}
    assert sqlite_client.get("/projects/1/formList?a=1", headers=header).status_code == 200
    assert sqlite_client.get("/projects/1/formList?a=2", headers=header).status_code == 401
    assert sqlite_client.head("/projects/1/submission", headers=header).status_code == 401
    head = {"Authorization": collect.header("/projects/1/submission", "POST")}
    assert sqlite_client.head("/projects/1/submission", headers=head).status_code == 401


def test_an_old_nonce_is_stale_and_is_answered_without_asking_the_person(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect = tablet(sqlite_client, sqlite_context)
    assert collect.send("/projects/1/formList").status_code == 200
    move_on(monkeypatch, timedelta(minutes=59))
    assert collect.send("/projects/1/formList").status_code == 200
    assert collect.count == 2
    move_on(monkeypatch, timedelta(minutes=62))
    header = {"Authorization": collect.header("/projects/1/formList")}
    refused = sqlite_client.get("/projects/1/formList", headers=header)
    assert (refused.status_code, digest_challenges(refused)[0]["stale"]) == (401, "true")
    assert collect.send("/projects/1/formList").status_code == 200


def test_a_wrong_password_is_never_called_stale(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str
) -> None:
    collect = tablet(sqlite_client, sqlite_context)
    collect.password = "wrong"
    collect.challenge = {"algorithm": "SHA-256", "realm": "Passerelle", "nonce": "of-nobody"}
    header = {"Authorization": collect.header("/projects/1/formList")}
    refused = sqlite_client.get("/projects/1/formList", headers=header)
    assert refused.status_code == 401
    assert "stale" not in digest_challenges(refused)[0]


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("qop=auth, ", ""),
        ("qop=auth", "qop=auth-int"),
        ("nc=00000001", "nc=1"),
        ("algorithm=SHA-256", "algorithm=SHA-512"),
        ('realm="Passerelle"', 'realm="Other"'),
        ("Digest ", "Digest, "),
        ("Digest ", "Bearer "),
        ('response="', 'response="é'),
        ('username="tablet-1"', 'username="tablet-é"'),
        ('username="tablet-1"', 'username="tablet-9"'),
        ('username="tablet-1", ', ""),
    ],
)
def test_a_torn_proof_is_a_401_and_no_5xx(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str, was: str, becomes: str
) -> None:
    collect = tablet(sqlite_client, sqlite_context)
    collect.challenge = digest_challenges(sqlite_client.get("/projects/1/formList"))[0]
    header = collect.header("/projects/1/formList").replace(was, becomes)
    assert header != ""
    assert sqlite_client.get("/projects/1/formList", headers={"Authorization": header}).status_code == 401


@given(header=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80))
def test_whatever_follows_the_scheme_is_judged_and_never_raises(header: str) -> None:
    for scheme in ("Digest ", "Basic "):
        given_ = MemoryRequest({"HTTP_AUTHORIZATION": scheme + header}).authorization
        username = credentials.username_of(given_, is_encrypted=True)
        if given_ is None or username is None:
            continue
        asked = Asked("GET", "/projects/1/formList", b"")
        secret = DigestSecret.of("tablet-1", "password")
        assert credentials.verdict(given_, secret, asked=asked, secrets=SECRETS, now=0) is Verdict.WRONG


class _OneSecret:
    """What `TabletSecrets` asks a key store for."""

    def derived_key(self, label: bytes) -> bytes:
        return hashlib.sha256(label).digest()


SECRETS = TabletSecrets(_OneSecret())  # type: ignore[arg-type] # a key store takes a second to make


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("md5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("sha256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616_section_3_9_1_comes_out(algorithm: str, expected: str) -> None:
    first = hashlib.new(algorithm, b"Mufasa:http-auth@example.org:Circle of Life").hexdigest()
    made = credentials.digest_response(
        algorithm,
        first,
        method="GET",
        uri="/dir/index.html",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        count="00000001",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert made == expected


@given(now=st.integers(0, 1 << 40), later=st.integers(0, 10_000), cut=st.integers(0, 42), bit=st.integers(0, 255))
def test_only_our_own_nonces_have_an_age(now: int, later: int, cut: int, bit: int) -> None:
    nonce = SECRETS.nonce(now)
    assert SECRETS.nonce_age(nonce, now + later) == later
    assert SECRETS.nonce_age(nonce[:cut], now) is None
    raw = bytearray(base64.urlsafe_b64decode(nonce))
    raw[bit // 8] ^= 1 << bit % 8
    assert SECRETS.nonce_age(base64.urlsafe_b64encode(bytes(raw)).decode(), now) is None


@given(username=st.text("abc-123", min_size=1), password=st.text(max_size=40))
def test_what_is_kept_of_a_password_opens_under_its_own_name_only(username: str, password: str) -> None:
    sealed = SECRETS.seal(username, password)
    assert SECRETS.open(username, sealed) == DigestSecret.of(username, password)
    with pytest.raises(Exception, match="altered"):
        SECRETS.open(username + "x", sealed)


# Basic


def test_basic_counts_only_over_https(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str
) -> None:
    reach = login(sqlite_context)
    right = basic(reach.username, reach.password)
    url = "/projects/1/formList"
    assert sqlite_client.get(url, headers=right, environ_overrides=HTTPS).status_code == 200
    assert sqlite_client.get(url, headers=right).status_code == 401
    wrong = basic(reach.username, reach.password + "x")
    assert sqlite_client.get(url, headers=wrong, environ_overrides=HTTPS).status_code == 401


# Both


def test_an_app_user_is_let_into_its_own_project_only(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str
) -> None:
    collect = tablet(sqlite_client, sqlite_context)
    assert collect.send("/projects/2/formList").status_code == 404
    assert collect.send("/projects/1/formList").status_code == 200


def test_whoever_is_revoked_gets_nothing_and_delivers_into_quarantine(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str
) -> None:
    publish(sqlite_context)
    collect = tablet(sqlite_client, sqlite_context)
    assert collect.send("/projects/1/formList").status_code == 200
    with sqlite_context.database.transaction() as session:
        app_users.revoke_app_user(session, name="tablet 12", user="manager", now=NOW)
    assert collect.send("/projects/1/formList").status_code == 403
    body = multipart([('name="xml_submission_file"; filename="a.xml"', INSTANCE)])
    assert collect.send("/projects/1/submission", "POST", data=body, content_type=MULTIPART).status_code == 201
    assert stored(sqlite_context)[-1][1:3] == ("quarantined", "after-revocation")


def test_guessing_is_turned_away_after_some_failures_and_others_are_not(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    collect = tablet(client, context)
    right = collect.password
    collect.challenge = digest_challenges(client.get("/projects/1/formList"))[0]
    collect.password = "wrong"
    answers = [
        client.get("/projects/1/formList", headers={"Authorization": collect.header("/projects/1/formList")})
        for _ in range(admit_tablet.FAILURES + 1)
    ]
    assert [answer.status_code for answer in answers] == [401] * (admit_tablet.FAILURES - 1) + [429, 429]
    assert answers[-1].headers["Retry-After"] == "60"
    collect.password = right
    headers = {"Authorization": collect.header("/projects/1/formList")}
    assert client.get("/projects/1/formList", headers=headers).status_code == 429
    elsewhere = client.get("/projects/1/formList", headers=headers, environ_overrides={"REMOTE_ADDR": "192.0.2.9"})
    assert elsewhere.status_code == 200


def test_who_guesses_names_is_no_longer_written_down_and_right_ones_beside_are_let_in(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    collect = tablet(client, context)
    limit = admit_tablet.FAILURES_OF_AN_ADDRESS
    guesses = [
        client.get("/projects/1/formList", headers=basic(f"nobody-{number}", "x"), environ_overrides=HTTPS).status_code
        for number in range(limit + 20)
    ]
    assert guesses == [401] * (limit - 1) + [429] * 21
    with context.database.read() as session:
        assert len(session.scalars(select(FailedLogin)).all()) == 2 * limit
    right = client.get(
        "/projects/1/formList", headers=basic(collect.username, collect.password), environ_overrides=HTTPS
    )
    assert right.status_code == 200


def test_a_name_that_is_nobodys_fails_like_a_wrong_password(sqlite_client: FlaskClient) -> None:
    refused = sqlite_client.get("/projects/1/formList", headers=basic("nobody", "x"), environ_overrides=HTTPS)
    assert refused.status_code == 401
    assert "WWW-Authenticate" in refused.headers


def test_a_password_is_typable_and_no_two_are_the_same(context: Context, app_token: str) -> None:
    drawn = {login(context).password for _ in range(5)}
    assert len(drawn) == 5
    assert all(re.fullmatch("([a-hj-kmnp-z2-9]{4}-){6}[a-hj-kmnp-z2-9]{4}", password) for password in drawn)


def test_of_a_password_nothing_is_stored_that_lets_anybody_in(
    sqlite_context: Context, sqlite_database: Database, app_token_sqlite: str, tmp_path: object
) -> None:
    reach = login(sqlite_context)
    kept = DigestSecret.of(reach.username, reach.password)
    found = sqlite_database.glance(lambda connection: visitor_queries.by_username(connection, reach.username))
    assert found is not None
    assert found.secret is not None
    for secret in (reach.password.encode(), bytes.fromhex(kept.md5), bytes.fromhex(kept.sha256)):
        assert secret not in found.secret


def test_a_fresh_password_stops_the_token_and_a_fresh_token_the_password(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str
) -> None:
    collect = tablet(sqlite_client, sqlite_context)
    assert sqlite_client.get(f"/key/{app_token_sqlite}/formList").status_code == 404
    assert collect.send("/projects/1/formList").status_code == 200
    with sqlite_context.database.transaction() as session:
        app_user = app_users.find_app_user(session, "tablet 12")
        reach = collect_settings.give_access(
            session, app_user, base_url="", tablet_secrets=None, user="manager", now=NOW
        )
    assert collect.send("/projects/1/formList").status_code == 401
    assert sqlite_client.get(f"{reach.server_url}/formList").status_code == 200


def test_it_works_while_the_key_store_is_locked(keystore: KeyStore) -> None:
    secrets = TabletSecrets(keystore)
    keystore._vault = None
    assert secrets.open("tablet-1", TabletSecrets(keystore).seal("tablet-1", "p")) == DigestSecret.of("tablet-1", "p")


def test_a_name_is_turned_away_for_a_minute_and_a_flood_of_names_fills_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocked, "REMEMBERED", 3)
    now = [0.0]
    turned_away = blocked.Blocked(lambda: now[0])
    turned_away.add(b"a")
    now[0] = 59.9
    assert turned_away.holds(b"a")
    now[0] = 60.0
    assert not turned_away.holds(b"a")
    for key in (b"b", b"c", b"d", b"e"):
        turned_away.add(key)
    assert [turned_away.holds(key) for key in (b"b", b"c", b"d", b"e")] == [False, True, True, True]
