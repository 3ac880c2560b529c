import sys
from pathlib import Path

import pytest

from server.demo.served import ServedOffice, ServerDown, free_port

GREETER = """
import http.server, sys
class Greeter(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/sync/v1/hello" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Greeter).serve_forever()
"""


def office(tmp_path: Path, program: str) -> ServedOffice:
    port = free_port()
    return ServedOffice([sys.executable, "-c", program, str(port)], {}, port=port, log=tmp_path / "server.log")


def test_a_server_is_started_killed_and_started_again(tmp_path: Path) -> None:
    served = office(tmp_path, GREETER)
    served.start()
    try:
        assert served.answers()
        served.kill()
        assert not served.answers()
        served.start()
        assert served.answers()
        assert served.starts == 2
    finally:
        served.stop()
    assert not served.answers()


def test_a_server_that_ends_at_once_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ServerDown, match="status 3"):
        office(tmp_path, "raise SystemExit(3)").start()


def test_a_port_that_something_else_serves_is_refused(tmp_path: Path) -> None:
    first = office(tmp_path, GREETER)
    first.start()
    try:
        second = ServedOffice([sys.executable, "-c", "pass"], {}, port=first.port, log=tmp_path / "second.log")
        with pytest.raises(ServerDown, match="--port"):
            second.start()
    finally:
        first.stop()
