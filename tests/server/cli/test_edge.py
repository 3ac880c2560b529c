import errno

import click
import pytest
from click.testing import CliRunner

from forms.workbook.findings import WorkbookError, WorkbookFinding
from server.cli.edge import EdgeGroup, line_of
from server.config import ConfigError
from server.db.engine import DatabaseUnusable
from server.errors import Conflict, KeyStoreLocked, Maintenance
from server.keystore import KeyStoreError
from sync_protocol.client.transport import TransportError
from sync_protocol.errors import LocalError

SECRET = "the answer of somebody"
UNKNOWN_TYPE = WorkbookFinding(
    code="unknown-type",
    severity="error",
    sheet="survey",
    row=7,
    what={"en": "Unknown type."},
    mend={"en": "Choose another."},
)


@click.group(cls=EdgeGroup)
@click.option("--debug", is_flag=True)
def group(debug: bool) -> None: ...


@group.command()
def fail() -> None:
    try:
        raise KeyError(SECRET)
    except KeyError as cause:
        raise ValueError(SECRET) from cause


@group.command()
def stop() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Conflict("It is lost; open it again."), "It is lost; open it again."),
        (KeyStoreLocked("the key store is locked: set it"), "the key store is locked: set it"),
        (
            Maintenance("the database is away"),
            "the database is away. Nothing was stored. Wait and send the same again.",
        ),
        (LocalError("link-invalid", "the link is torn"), "the link is torn (link-invalid)"),
        (WorkbookError((UNKNOWN_TYPE,)), "survey:7: Unknown type. Choose another."),
        (ConfigError("PASSERELLE_DATA is not set"), "PASSERELLE_DATA is not set, or give --data FOLDER"),
        (KeyStoreError("the passphrase is wrong"), "the passphrase is wrong"),
        (DatabaseUnusable("SQLite is too old"), "SQLite is too old"),
        (
            TransportError("ConnectionRefusedError", was_sent=False),
            "The server cannot be reached (ConnectionRefusedError). Check the address and that it runs, and try again.",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/srv/x"),
            "No space left on device: /srv/x. Check the path, its permissions and the disk, and try again.",
        ),
    ],
)
def test_every_foreseen_error_is_one_line(error: Exception, line: str) -> None:
    assert line_of(error) == line


def test_an_unforeseen_error_tells_its_place_and_no_answer() -> None:
    result = CliRunner().invoke(group, ["fail"])
    assert result.exit_code == 70
    assert len(result.stderr.splitlines()) == 1
    assert "ValueError at" in result.stderr
    assert "--debug" in result.stderr
    assert SECRET not in result.output


def test_debug_shows_the_way_and_no_answer() -> None:
    result = CliRunner().invoke(group, ["--debug", "fail"])
    assert "test_edge.py" in result.stderr
    assert "KeyError" in result.stderr
    assert SECRET not in result.output


def test_a_stopped_command_says_so() -> None:
    result = CliRunner().invoke(group, ["stop"])
    assert result.exit_code in (1, 130)
    assert "Traceback" not in result.output
