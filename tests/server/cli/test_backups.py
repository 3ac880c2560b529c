import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from server import metrics, migrations
from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.queries import backups, envelopes
from server.db.queries.envelopes import NewEnvelope
from server.db.tables import Envelope
from server.services import alarms
from tests.office import NOW, envelope
from tests.server.cli.conftest import CLEAR, Shell


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "free_space", lambda _: (1 << 40, 1 << 41))


def opened(shell: Shell) -> Context:
    return Context.open(Config.in_directory(shell.data))


def put(shell: Shell, *numbers: int, state: str = "opened") -> None:
    context = opened(shell)
    with context.database.transaction() as session:
        rows = [NewEnvelope.read(envelope(number)) for number in numbers]
        envelopes.store(session, rows, carrier="tablet", received_at=NOW)
        session.query(Envelope).update({"state": state})
    context.close()


def run_sql(shell: Shell, statement: str) -> None:
    context = opened(shell)
    with context.database.transaction() as session:
        session.execute(text(statement))
    context.close()


def test_an_office_comes_back_from_its_backup(shell: Shell, tmp_path: Path) -> None:
    put(shell, 1, 2)
    made = shell.run("backup", str(tmp_path / "place" / "one"), "--json")
    assert made.exit_code == 0
    assert json.loads(made.stdout)["sequence"] == 2
    assert "copy the folder elsewhere" in made.stderr
    assert "can open interviews" in made.stderr
    assert json.loads(shell.succeeds("backup", "verify", str(tmp_path / "place" / "one"), "--json"))["damaged"] == []
    new = shell.at(tmp_path / "new")
    said = new.succeeds("restore", str(tmp_path / "place" / "one"))
    assert "offer again" in said
    assert f"ERASED AFTER {json.loads(made.stdout)['made_at']} ARE BACK" in said
    assert new.json("user", "list") == shell.json("user", "list")
    context = opened(new)
    with context.database.read() as session:
        last = backups.last(session)
        assert envelopes.count_by_state(session) == {"opened": 2}
    context.close()
    assert last is not None
    assert last.sequence == 2
    assert not (new.data / "office-root-key.pem").exists()


def test_a_folder_is_given_to_one_backup_only(shell: Shell, tmp_path: Path) -> None:
    shell.succeeds("backup", str(tmp_path / "one"), "--without-keys")
    assert "there already" in shell.refuses("backup", str(tmp_path / "one"))
    assert "is no backup" in shell.refuses("backup", "verify", str(tmp_path))
    assert "not empty" in shell.refuses("restore", str(tmp_path / "one"))


def test_an_altered_backup_is_found(shell: Shell, tmp_path: Path) -> None:
    shell.succeeds("backup", str(tmp_path / "one"))
    database = tmp_path / "one" / "database.sqlite"
    content = bytearray(database.read_bytes())
    content[5000] ^= 1
    database.write_bytes(content)
    assert "database.sqlite" in shell.run("backup", "verify", str(tmp_path / "one")).stderr
    assert "database.sqlite" in shell.at(tmp_path / "new").refuses("restore", str(tmp_path / "one"))


def test_an_update_backs_up_migrates_and_verifies(shell: Shell, tmp_path: Path) -> None:
    assert "already" in shell.succeeds("upgrade")
    for file in shell.data.glob("passerelle.db*"):
        file.unlink()
    database = Database(Config.in_directory(shell.data).database_url)
    migrations.upgrade(database, to="0005")
    database.dispose()
    assert "--backup FOLDER" in shell.refuses("upgrade")
    done = shell.json("upgrade", "--backup", str(tmp_path / "before"))
    assert (done["before"], done["after"], done["verified"]) == ("0005", migrations.newest(), True)
    assert (done["backup"]["sequence"], done["backup"]["missing"]) == (None, [])
    assert shell.at(tmp_path / "new").json("restore", str(tmp_path / "before"))["has_keys"] is True


@pytest.mark.parametrize("command", [("upgrade",), ("serve", "--port", "1")])
def test_the_database_of_a_newer_program_is_refused(shell: Shell, command: tuple[str, ...]) -> None:
    run_sql(shell, "UPDATE alembic_version SET version_num = '9999'")
    assert "newer Passerelle" in shell.refuses(*command)


def test_the_status_ends_with_1_when_something_is_wrong(shell: Shell) -> None:
    assert shell.json("status")["alarms"] == []
    put(shell, 1, state="waiting-for-key")
    found = shell.run("status", "--json")
    assert found.exit_code == 1
    assert "waiting-for-key" in [alarm["code"] for alarm in json.loads(found.stdout)["alarms"]]
    in_words = shell.run("status")
    assert "ALARM  1 envelopes wait for the key" in in_words.stdout
    assert "backup     none" in in_words.stdout


def test_an_office_without_backups_says_it_at_every_start(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from server.cli import gunicorn_server

    monkeypatch.setattr(gunicorn_server, "Office", lambda _: SimpleNamespace(run=lambda: None))
    monkeypatch.setenv("PASSERELLE_BIND", "127.0.0.1:1")
    quiet = Shell(shell.data, {**CLEAR, "PASSERELLE_BACKUPS": "off"})
    assert "delete by receipts alone" in quiet.run("serve", "--port", "1").stderr
    assert "delete by receipts alone" in quiet.succeeds("status")
    assert "delete by receipts alone" not in shell.run("serve", "--port", "1").stderr


def test_all_processes_of_a_server_count_together(tmp_path: Path) -> None:
    """Two processes count, a third gives the sum: in processes of their own, for where to count is looked up once."""
    count = "from server import metrics; metrics.RECEIPTS.labels('stored').inc(3)"
    show = "from server import metrics; print(metrics.render([]).decode())"
    environment = {metrics.DIRECTORY: str(tmp_path)}
    for code in (count, count):
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, cwd=Path(__file__).parents[3])
    shown = subprocess.run(
        [sys.executable, "-c", show], env=environment, check=True, cwd=Path(__file__).parents[3], capture_output=True
    )
    assert b'passerelle_receipts_total{code="stored"} 6.0' in shown.stdout
