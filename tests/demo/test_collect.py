import hashlib
import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP

import pytest

from server.demo.collect import CollectError, ScriptedCollect

FORM = b"<form/>"
LIST = """<xforms xmlns="http://openrosa.org/xforms/xformsList"><xform><formID>hh_remit</formID><name>Households</name>
<version>1</version><hash>md5:{digest}</hash><downloadUrl>{base}/forms/hh_remit/1.xml</downloadUrl></xform></xforms>"""


class Door(http.server.BaseHTTPRequestHandler):
    """A door that keeps what it was sent; ``statuses`` are the answers to the next POSTs."""

    protocol_version = "HTTP/1.1"
    requests: list[tuple[str, str, dict[str, str], bytes]]
    statuses: list[int]
    digest: str

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("X-OpenRosa-Version", "1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def keep(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.requests.append((self.command, self.path, headers, self.rfile.read(length)))

    def do_GET(self) -> None:
        self.keep()
        if "/formList" in self.path:
            base = f"http://127.0.0.1:{self.server.server_address[1]}/key/t"
            self.answer(200, LIST.format(digest=self.digest, base=base).encode())
        else:
            self.answer(200, FORM)

    def do_HEAD(self) -> None:
        self.keep()
        self.answer(204)

    def do_POST(self) -> None:
        self.keep()
        status = self.statuses.pop(0)
        space = 'xmlns="http://openrosa.org/http/response"'
        body = f"<OpenRosaResponse {space}><message>No room.</message></OpenRosaResponse>".encode()
        self.answer(status, body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def door() -> Iterator[http.server.HTTPServer]:
    Door.requests, Door.statuses = [], []
    Door.digest = hashlib.md5(FORM, usedforsecurity=False).hexdigest()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def collect(server: http.server.HTTPServer, *, lost: list[bool] | None = None) -> ScriptedCollect:
    losses = lost or []
    return ScriptedCollect(
        f"http://127.0.0.1:{server.server_address[1]}/key/t/",
        "collect:0010",
        now=lambda: datetime(2026, 10, 5, 15, 4, 5, tzinfo=UTC),
        loses_answer=lambda: losses.pop(0) if losses else False,
    )


def test_every_request_has_the_apps_headers_and_device_id(door: http.server.HTTPServer) -> None:
    app = collect(door)
    form = app.forms()[0]
    assert app.download(form) == FORM
    for _, path, headers, _ in Door.requests:
        assert path.endswith("?deviceID=collect%3A0010")
        assert headers["x-openrosa-version"] == "1.0"
        assert headers["user-agent"].startswith("org.odk.collect.android/")
        assert headers["date"] == "Mon, 05 Oct 2026 03:04:05 GMT"


def test_a_form_with_another_hash_is_not_taken(door: http.server.HTTPServer) -> None:
    Door.digest = "0" * 32
    app = collect(door)
    with pytest.raises(CollectError, match="hash"):
        app.download(app.forms()[0])


def test_a_form_is_sent_as_multipart_after_one_head(door: http.server.HTTPServer) -> None:
    Door.statuses = [201, 202]
    app = collect(door)
    app.submit(b"<data/>", name="one.xml")
    app.submit(b"<data/>", name="two.xml")
    assert [method for method, *_ in Door.requests] == ["HEAD", "POST", "POST"]
    _, _, headers, body = Door.requests[1]
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {headers['content-type']}\r\n\r\n".encode() + body)
    (part,) = message.iter_parts()
    assert part.get_param("name", header="content-disposition") == "xml_submission_file"
    assert part.get_filename() == "one.xml"
    assert part.get_payload(decode=True) == b"<data/>"


@pytest.mark.parametrize("status", [200, 204, 400, 500])
def test_only_201_and_202_are_success(door: http.server.HTTPServer, status: int) -> None:
    Door.statuses = [status]
    with pytest.raises(CollectError) as caught:
        collect(door).submit(b"<data/>", name="one.xml")
    assert caught.value.status == status
    if status != 204:
        assert str(caught.value) == "No room."


def test_a_lost_answer_is_no_success_though_the_server_has_it(door: http.server.HTTPServer) -> None:
    Door.statuses = [201, 201]
    app = collect(door, lost=[True])
    with pytest.raises(CollectError):
        app.submit(b"<data/>", name="one.xml")
    app.submit(b"<data/>", name="one.xml")
    assert app.lost_answers == 1
    assert sum(method == "POST" for method, *_ in Door.requests) == 2
