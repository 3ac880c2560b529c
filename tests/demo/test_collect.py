"""The scripted Collect keeps the app's own rules, against a server that answers whatever a test wants."""

import base64
import gzip
import hashlib
import http.server
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.demo.collect import (
    AppKilled,
    CollectError,
    Fault,
    Finalised,
    ScriptedCollect,
    Settings,
    Status,
    TabletFile,
    posting,
)
from server.demo.collect.credentials import Credentials
from server.demo.collect.entities import EntityList

FORM = b"<form/>"
LIST = """<xforms xmlns="http://openrosa.org/xforms/xformsList">{entries}</xforms>"""
ENTRY = """<xform><formID>hh_remit</formID><name>Households</name>
<version>1</version><hash>md5:{digest}</hash><downloadUrl>{base}/forms/hh_remit/1.xml</downloadUrl></xform>"""
MESSAGE = '<OpenRosaResponse xmlns="http://openrosa.org/http/response"><message>No room.</message></OpenRosaResponse>'


class Door(http.server.BaseHTTPRequestHandler):
    """A door that keeps what it was sent; ``statuses`` are the answers to the next POSTs."""

    protocol_version = "HTTP/1.1"
    requests: list[tuple[str, str, dict[str, str], bytes]]
    statuses: list[int]
    head: tuple[int, dict[str, str]]
    entries: str
    refuse: bool

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"X-OpenRosa-Version": "1.0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def keep(self) -> dict[str, str]:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {key.lower(): value for key, value in self.headers.items()}
        content = self.rfile.read(length)
        if len(content) == length:
            self.requests.append((self.command, self.path, headers, content))
        return headers

    def do_GET(self) -> None:
        headers = self.keep()
        base = f"http://127.0.0.1:{self.server.server_address[1]}/key/t"  # type: ignore[misc]
        if "/formList" in self.path:
            digest = hashlib.md5(FORM, usedforsecurity=False).hexdigest()
            body = gzip.compress(LIST.format(entries=self.entries.format(digest=digest, base=base)).encode())
            if headers.get("if-none-match") == '"list"':
                self.answer(304, ETag='"list"')
            else:
                self.answer(200, body, ETag='"list"', Content_Encoding="gzip", Content_Type="text/xml")
        else:
            self.answer(200, FORM, Cache_Control="no-store")

    def do_HEAD(self) -> None:
        self.keep()
        self.answer(self.head[0], **self.head[1])

    def do_POST(self) -> None:
        self.keep()
        self.answer(self.statuses.pop(0) if self.statuses else 201, MESSAGE.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def door() -> Iterator[http.server.HTTPServer]:
    Door.requests, Door.statuses, Door.head, Door.entries = [], [], (204, {}), ENTRY
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def collect(door: http.server.HTTPServer) -> Iterator[Callable[..., ScriptedCollect]]:
    """Return a function that starts the app at the door; ``faults`` happen to its first POSTs."""
    started: list[ScriptedCollect] = []

    def start(*faults: Fault, **more: Any) -> ScriptedCollect:
        waiting = list(faults)
        app = ScriptedCollect(
            more.pop("settings", Settings(f"http://127.0.0.1:{door.server_address[1]}/key/t/")),
            "collect:0010",
            now=lambda: datetime(2026, 10, 5, 15, 4, 5, tzinfo=UTC),
            fault=lambda: waiting.pop(0) if waiting else Fault.NONE,
            **more,
        )
        started.append(app)
        return app

    yield start
    for app in started:
        app.close()


Collect = Callable[..., ScriptedCollect]


def methods() -> list[str]:
    return [method for method, *_ in Door.requests]


def posts() -> list[list[Message]]:
    """Return the parts of each POST that arrived whole."""
    found = []
    for method, _, headers, body in Door.requests:
        if method == "POST":
            head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
            found.append(list(BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()))  # type: ignore[attr-defined]
    return found


def names(parts: list[Message]) -> list[str]:
    return [str(part.get_param("name", header="content-disposition")) for part in parts]


def test_every_request_has_the_apps_headers_and_device_id(collect: Collect) -> None:
    app = collect()
    assert app.download(app.forms()[0]).xform == FORM
    app.send(app.finalise(b"<data/>", name="one.xml"))
    assert methods() == ["GET", "GET", "HEAD", "POST"]
    for _, path, headers, _ in Door.requests:
        assert path.endswith("?deviceID=collect%3A0010")
        assert headers["x-openrosa-version"] == "1.0"
        assert headers["user-agent"].startswith("org.odk.collect.android/")
        assert headers["date"] == "Mon, 05 Oct 2026 03:04:05 GMT"


def test_a_list_that_has_not_changed_is_taken_from_the_cache_of_the_same_user(collect: Collect) -> None:
    app = collect()
    first = app.forms()
    again = collect(tablet=app.tablet)
    assert again.forms() == first
    assert again.counts["not modified"] == 1
    other = collect(tablet=app.tablet, settings=Settings(app.settings.server_url, username="b", password="c"))
    other.forms()
    assert other.counts["not modified"] == 0


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (ENTRY.replace("{digest}", "0" * 32), "hash"),
        (ENTRY.replace("md5:", ""), "no hash"),
        (ENTRY + ENTRY.replace("<name>Households</name>", "<name/>"), "spoils the whole list"),
        ("<", "parsed"),
    ],
)
def test_a_list_or_a_form_that_the_app_would_not_take_is_not_taken(collect: Collect, entry: str, said: str) -> None:
    Door.entries = entry
    app = collect()
    with pytest.raises(CollectError, match=said):
        app.download(app.forms()[0])


def test_forms_that_vanish_from_the_list_vanish_from_a_tablet_that_matches_it(collect: Collect) -> None:
    app = collect()
    app.settings = Settings(app.settings.server_url, matches_exactly=True)
    app.download(app.updates()[0])
    assert app.updates() == []
    assert len(app.tablet.forms) == 1
    Door.entries = ""
    app.tablet.caches.clear()
    again = collect(tablet=app.tablet, settings=app.settings)
    again.refresh()
    assert app.tablet.forms == []


def test_the_xml_goes_first_with_the_name_of_its_file_and_files_in_the_order_of_the_folder(collect: Collect) -> None:
    app = collect(order=lambda files: list(reversed(files)))
    files = [
        TabletFile("a.amr", b"1"),
        TabletFile("é b.jpg", b"2"),
        TabletFile("audit.csv", b"3"),
        TabletFile(".x", b""),
    ]
    app.send(app.finalise(b"<data/>", name="one.xml", files=files))
    ((xml, *others),) = posts()
    assert (xml.get_filename(), xml.get_content_type(), xml.get_payload(decode=True)) == (
        "one.xml",
        "text/xml",
        b"<data/>",
    )
    assert [part.get_content_type() for part in others] == ["text/csv", "image/jpeg", "audio/amr"]
    assert names([xml])[0] == "xml_submission_file"
    assert 'name="é b.jpg"; filename="é b.jpg"'.encode() in Door.requests[-1][3]


def test_a_post_is_full_when_the_next_file_would_pass_the_limit(collect: Collect) -> None:
    Door.head = (204, {"X-OpenRosa-Accept-Content-Length": "30"})
    app = collect()
    sizes = {"a": 50, "b": 10, "c": 10, "d": 1}
    app.send(app.finalise(b"<data/>..", name="x.xml", files=[TabletFile(n, b"." * s) for n, s in sizes.items()]))
    assert [names(parts) for parts in posts()] == [
        ["xml_submission_file", "a", "*isIncomplete*"],
        ["xml_submission_file", "b", "c", "d"],
    ]
    assert posts()[0][-1].get_payload(decode=True) == b"yes"
    assert posts()[0][-1].get_filename() is None


@given(st.lists(st.integers(0, 40), max_size=230), st.integers(0, 60), st.integers(0, 50))
def test_every_file_is_in_exactly_one_post_in_order(sizes: list[int], limit: int, xml: int) -> None:
    files = [TabletFile(str(number), b"." * size) for number, size in enumerate(sizes)]
    found = list(posting.parts(Finalised("x.xml", b"." * xml), files, limit=limit))
    assert [file for taken, _ in found for file in taken] == files
    assert [more for _, more in found] == [True] * (len(found) - 1) + [False]
    for taken, _ in found:
        assert len(taken) <= 101
        assert len(taken) <= 1 or xml + sum(len(file.content) for file in taken) <= limit


def test_a_location_is_asked_for_once_and_then_the_usual_limit_holds(collect: Collect) -> None:
    Door.head = (204, {"X-OpenRosa-Accept-Content-Length": "1", "Location": "http://127.0.0.1:{}/other"})
    app = collect()
    port = app.settings.server_url.split(":")[2].split("/")[0]
    Door.head[1]["Location"] = f"http://127.0.0.1:{port}/other"
    files = [TabletFile("a", b"1"), TabletFile("b", b"2")]
    app.send(app.finalise(b"<data/>", name="one.xml", files=files))
    app.send(app.finalise(b"<data/>", name="two.xml", files=files))
    assert methods() == ["HEAD", "POST", "POST", "POST"]
    assert Door.requests[-1][1] == "/other?deviceID=collect%3A0010"
    Door.head[1]["Location"] = "http://elsewhere.example/submission"
    with pytest.raises(CollectError, match="different host"):
        collect().send(app.finalise(b"<data/>", name="three.xml"))


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (200, "Network login"),
        (204, "java.lang"),
        (400, "No room."),
        (401, "(401)"),
        (409, "No room."),
        (500, "No room."),
    ],
)
def test_only_201_and_202_are_success_and_the_person_reads_why(collect: Collect, status: int, shown: str) -> None:
    Door.statuses = [status]
    app = collect()
    one = app.finalise(b"<data/>", name="one.xml")
    with pytest.raises(CollectError) as caught:
        app.send(one)
    assert caught.value.status == status
    assert shown in one.shown
    assert one.status is Status.FAILED


@pytest.mark.parametrize("status", [200, 201, 401])
def test_a_head_that_is_answered_in_an_unknown_way_is_a_failure(collect: Collect, status: int) -> None:
    Door.head = (status, {})
    app = collect()
    with pytest.raises(CollectError):
        app.send(app.finalise(b"<data/>", name="one.xml"))
    assert methods() == ["HEAD"]


def test_a_head_that_is_refused_does_not_keep_the_post_back(collect: Collect) -> None:
    Door.head = (503, {})
    app = collect()
    assert app.send(app.finalise(b"<data/>", name="one.xml")) == "No room."


def test_one_refused_post_of_several_ends_the_attempt_and_the_whole_is_sent_again(collect: Collect) -> None:
    Door.head = (204, {"X-OpenRosa-Accept-Content-Length": "1"})
    Door.statuses = [201, 503]
    app = collect()
    one = app.finalise(b"<data/>", name="one.xml", files=[TabletFile(name, name.encode()) for name in "abc"])
    assert app.send_all() == [one]
    assert app.send_all() == []
    assert [names(parts)[1] for parts in posts()] == ["a", "b", "a", "b", "c"]


@pytest.mark.parametrize(
    ("fault", "arrived"), [(Fault.ANSWER_LOST, 2), (Fault.CUT, 1), (Fault.REPEATED, 2), (Fault.NONE, 1)]
)
def test_a_fault_of_the_line_costs_a_repetition_and_nothing_else(collect: Collect, fault: Fault, arrived: int) -> None:
    app = collect(fault)
    one = app.finalise(b"<data/>", name="one.xml")
    while app.send_all():
        assert one.status is Status.FAILED
    assert one.status is Status.SENT
    assert len(posts()) == arrived


@pytest.mark.parametrize(("fault", "arrived"), [(Fault.KILLED_BEFORE, 1), (Fault.KILLED_AFTER, 2)])
def test_an_app_that_was_killed_sends_again_when_it_is_started_again(
    collect: Collect, fault: Fault, arrived: int
) -> None:
    app = collect(fault)
    one = app.finalise(b"<data/>", name="one.xml")
    with pytest.raises(AppKilled):
        app.send_all()
    assert one.status is Status.FAILED
    assert collect(tablet=app.tablet).send_all() == []
    assert one.status is Status.SENT
    assert len(posts()) == arrived


def test_thirteen_retries_with_doubled_pauses_and_then_no_more(collect: Collect) -> None:
    Door.statuses = [503] * 20
    pauses: list[float] = []
    app = collect()
    app.finalise(b"<data/>", name="one.xml")
    assert not app.auto_send(wait=pauses.append)
    assert pauses[:4] == [60, 120, 240, 480]
    assert (len(pauses), pauses[-1]) == (13, 18000)
    assert len(posts()) == 14


def test_one_failure_does_not_stop_the_rest_and_the_oldest_goes_first(collect: Collect) -> None:
    Door.statuses = [400, 201, 201]
    app = collect()
    for name in ("a.xml", "b.xml", "c.xml"):
        app.finalise(b"<data/>", name=name)
    assert [one.name for one in app.send_all()] == ["a.xml"]
    assert [parts[0].get_filename() for parts in posts()] == ["a.xml", "b.xml", "c.xml"]


def test_a_person_who_sends_is_asked_for_the_password_once(collect: Collect) -> None:
    Door.head = (401, {})
    app = collect()
    for name in ("a.xml", "b.xml"):
        app.finalise(b"<data/>", name=name)
    assert len(app.send_all(by_hand=True)) == 1
    assert methods() == ["HEAD"]


def test_what_is_sent_is_deleted_where_the_settings_say_so(collect: Collect) -> None:
    app = collect()
    app.settings = Settings(app.settings.server_url, deletes_sent=True)
    app.finalise(b"<data/>", name="one.xml")
    assert app.send_all() == []
    assert app.tablet.finalised == []


def test_basic_is_for_tls_alone_and_digest_for_both() -> None:
    challenges = ['Basic realm="x"', 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5']
    plain, secret = Credentials("u", "p"), Credentials("u", "p")
    assert plain.take(challenges, scheme="http", sent="")
    assert plain.header("GET", "/x").startswith("Digest ")
    assert secret.take(challenges, scheme="https", sent="")
    assert secret.header("GET", "/x") == "Basic dTpw"
    assert not Credentials("u", "p").take(challenges[:1], scheme="http", sent="")


def test_a_wrong_password_is_said_once_and_a_stale_nonce_is_renewed() -> None:
    mine = Credentials("u", "p")
    assert mine.take(['Digest realm="r", nonce="n", qop="auth"'], scheme="http", sent="")
    sent = mine.header("GET", "/x")
    assert not mine.take(['Digest realm="r", nonce="m", qop="auth"'], scheme="http", sent=sent)
    assert mine.take(['Digest realm="r", nonce="m", qop="auth", stale=true'], scheme="http", sent=sent)
    assert 'nonce="m"' in mine.header("GET", "/x")


def test_the_proof_is_that_of_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    # RFC 7616, section 3.9.1.
    monkeypatch.setattr("secrets.token_hex", lambda _: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    mine = Credentials("Mufasa", "Circle of Life")
    challenge = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    for algorithm, proof in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        assert mine.take([challenge.format(algorithm)], scheme="http", sent="")
        assert f'response="{proof}"' in mine.header("GET", "/dir/index.html")


def test_settings_are_scanned_as_the_app_scans_them() -> None:
    document = {"general": {"server_url": "http://x/key/t", "delete_send": True, "new": 1}, "admin": {}}
    payload = base64.b64encode(zlib.compress(json.dumps(document).encode())).decode()
    assert Settings.scan(payload) == Settings("http://x/key/t", deletes_sent=True)
    del document["admin"]
    without = base64.b64encode(zlib.compress(json.dumps(document).encode())).decode()
    for broken in (without, "%%", "AAAA"):
        with pytest.raises(CollectError, match="invalid settings"):
            Settings.scan(broken)


UUID = "11111111-2222-4333-8444-555555555555"


def test_the_server_wins_over_an_older_entity_and_a_newer_one_of_the_tablet_is_kept() -> None:
    rows = EntityList()
    csv = f"name,label,__version,village\n{UUID},Home,{{}},A\n"
    assert rows.take(csv.format(2).encode(), hash="1", needs_approval=False)
    rows.update(UUID, "", {"village": "B"})
    assert rows.entities[UUID].version == 3
    rows.take(csv.format(2).encode(), hash="2", needs_approval=False)
    assert rows.entities[UUID].properties == {"village": "B"}
    rows.take(csv.format(3).encode(), hash="3", needs_approval=False)
    assert (rows.entities[UUID].properties, rows.entities[UUID].is_dirty) == ({"village": "A"}, False)
    rows.take(b"name,label,__version\n", hash="4", needs_approval=False)
    assert rows.entities == {}


def test_a_list_without_the_columns_that_the_app_needs_is_not_taken_and_nobody_is_told() -> None:
    rows = EntityList()
    assert not rows.take(b"name,label\na,b\n", hash="1", needs_approval=False)
    assert rows.hash == ""


def test_entities_are_made_offline_with_a_random_id_and_not_where_approval_is_needed() -> None:
    rows = EntityList()
    made = rows.create("Home", {}, entity_id=UUID)
    assert made is not None
    assert (made.version, made.trunk, made.is_offline) == (1, None, True)
    assert rows.create("Home", {}, entity_id="11111111-2222-1333-8444-555555555555") is None
    assert rows.create(" ", {}, entity_id=UUID) is None
    assert EntityList(needs_approval=True).create("Home", {}, entity_id=UUID) is None
