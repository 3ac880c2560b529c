"""What Collect puts on every request, and what it can bear in an answer. Each test names its line of the list."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from server.demo.collect import Status
from tests.office import MULTIPART, multipart, stored
from tests.openrosa.conftest import Door
from tests.openrosa.forms import filled, made_file

PARTS = [('name="xml_submission_file"; filename="a.xml"', filled())]


def test_what_the_app_puts_on_every_request_is_welcome_and_every_answer_bears_the_version(door: Door) -> None:
    """C1"""
    door.publish()
    app = door.collect()
    form = app.forms()[0]
    app.download(form)
    app.send(app.finalise(filled(), name="a.xml"))
    client = door.app.test_client()
    for method, path in (("GET", "formList"), ("HEAD", "submission"), ("POST", "submission"), ("GET", "forms/00.xml")):
        assert client.open(f"/key/{door.token}/{path}", method=method).headers["X-OpenRosa-Version"] == "1.0"


@pytest.mark.parametrize(
    "date", ["Tue, 24 Nov 2026 03:04:05 GMT", "Thu, 01 Jan 1970 12:00:00 GMT", "mar., 24 nov. 2026 03:04:05 GMT", "x"]
)
def test_no_date_of_a_tablet_is_read(door: Door, date: str) -> None:
    """C2"""
    door.publish()
    client, headers = door.app.test_client(), {"Date": date}
    assert client.get(f"/key/{door.token}/formList", headers=headers).status_code == 200
    assert client.head(f"/key/{door.token}/submission", headers=headers).status_code == 204
    posted = client.post(
        f"/key/{door.token}/submission", data=multipart(PARTS), headers={**headers, "Content-Type": MULTIPART}
    )
    assert posted.status_code == 201


def test_a_device_id_and_unknown_arguments_change_no_answer(door: Door) -> None:
    """C3"""
    door.publish()
    client, query = door.app.test_client(), "?deviceID=collect%3AAbC%2F1%202&x=1&deviceID=b&%ff=&formID=other"
    for method, path in (("GET", "formList"), ("HEAD", "submission")):
        plain = client.open(f"/key/{door.token}/{path}", method=method)
        asked = client.open(f"/key/{door.token}/{path}{query}", method=method)
        assert (asked.status_code, asked.data) == (plain.status_code, plain.data)
    posted = client.post(f"/key/{door.token}/submission{query}", data=multipart(PARTS), content_type=MULTIPART)
    assert posted.status_code == 201


def test_a_post_that_comes_slowly_is_waited_for_and_answered_at_once_after_its_last_byte(door: Door) -> None:
    """C4"""
    body = multipart([*PARTS, ('name="a.jpg"; filename="a.jpg"', made_file("a.jpg", 300_000).content)])
    head = (
        f"POST /key/{door.token}/submission HTTP/1.1\r\nHost: x\r\nContent-Type: {MULTIPART}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    port = int(door.base.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(head.encode())
        for start in range(0, len(body), 100_000):
            line.sendall(body[start : start + 100_000])
            time.sleep(0.2)
        begin = time.monotonic()
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 201")
    assert time.monotonic() - begin < 10


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """An old address that sends everyone on to the new one."""

    target = ""
    status = 307

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Location", self.target + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_POST = answer  # noqa: N815 - names that the library looks for

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def old_address(door: Door) -> Iterator[str]:
    Elsewhere.target = door.base
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [307, 308])
def test_an_office_that_has_moved_is_reached_by_a_redirect(door: Door, old_address: str, status: int) -> None:
    """C5"""
    Elsewhere.status = status
    door.publish()
    app = door.collect(url=f"{old_address}/key/{door.token}")
    assert [form.form_id for form in app.forms()] == ["visit"]
    one = app.finalise(filled(), name="a.xml")
    app.send(one)
    assert one.status is Status.SENT


def test_what_has_not_changed_is_not_sent_again(door: Door) -> None:
    """C6"""
    door.publish(more='<instance id="list" src="jr://file-csv/list.csv"/>')
    app = door.collect()
    app.download(app.forms()[0])
    again = door.collect(tablet=app.tablet)
    again.download(again.forms()[0])
    asked = again.counts["GET requests"]
    assert asked >= 1
    assert again.counts["not modified"] == asked


def test_answers_may_come_compressed_and_are_the_same(door: Door) -> None:
    """C7"""
    xform = door.publish(title="Visit " * 160)
    app = door.collect()
    assert app.download(app.forms()[0]).xform == xform  # the app says Accept-Encoding: gzip
    client = door.app.test_client()
    path = app.forms()[0].download_url.removeprefix(door.base)
    assert client.get(path).headers.get("Content-Encoding") is None
    assert client.get(path).data == xform


def test_what_was_sent_is_stored(door: Door) -> None:
    """C1, S5"""
    door.publish()
    app = door.collect()
    app.send(app.finalise(filled(), name="a.xml"))
    assert [kind for kind, _, _, _ in stored(door.context)] == [1, 2]
