"""Forms at the command line: everything that is found, in a table a manager can read; exit status 1 when it is no."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from server.cli import main
from server.config import Config
from server.db.engine import Database
from server.db.tables import FormVersion
from tests.server.cli.conftest import Shell
from tests.server.forms.test_lifecycle import AGE, AGE_IN_WORDS, QUESTIONS, SEX, workbook
from tests.server.forms.test_media import MEDIA
from tests.server.forms.test_media import workbook as workbook_with_media

Write = Callable[[str, str], str]
MAP = "question,change,from,to,rule,note\nage,not-comparable,,,,\n"


@pytest.fixture
def first(write: Write) -> str:
    return write("visit1.md", workbook("1").decode())


@pytest.fixture
def breaking(write: Write) -> str:
    return write("visit2.md", workbook("2", questions=QUESTIONS + AGE_IN_WORDS).decode())


def test_linting_needs_no_survey(write: Write) -> None:
    file = write("a.md", workbook(questions="| | tixt | a | A |").decode())
    result = CliRunner().invoke(main, ["form", "lint", file, "--lang", "fr"])
    assert result.exit_code == 1
    assert "Constats" in result.stdout
    assert "tixt" in result.stdout
    assert len(result.stderr.splitlines()) == 1
    good = CliRunner().invoke(main, ["form", "lint", write("b.md", workbook().decode())])
    assert good.exit_code == 0
    assert "error" not in good.stdout


def test_a_dry_run_tells_all_and_stores_nothing(shell: Shell, first: str) -> None:
    told = shell.json("form", "publish", first, "--dry-run")
    assert (told["outcome"], told["difference"], told["version"]) == ("published", None, "1")
    assert "would be published" in shell.succeeds("form", "publish", first, "--dry-run")
    assert shell.json("form", "list") == []


def test_a_breaking_change_is_refused_with_its_changes_by_verdict(shell: Shell, first: str, breaking: str) -> None:
    shell.succeeds("form", "publish", first)
    for more in ((), ("--dry-run",)):
        result = shell.run("form", "publish", breaking, "--lang", "en", *more)
        assert result.exit_code == 1
        assert "Needs a map (1)" in result.stdout
        assert "Safe (1)" in result.stdout
        assert result.stdout.index("Needs a map") < result.stdout.index("Safe")
        assert len(result.stderr.splitlines()) == 1
    assert [one["version"] for one in shell.json("form", "list")] == ["1"]
    in_french = shell.run("form", "publish", breaking, "--lang", "fr")
    assert "Demande une table de passage" in in_french.stdout
    as_json = json.loads(shell.run("form", "publish", breaking, "--json").stdout)
    assert as_json["problem"] == "form-change-breaks"
    assert as_json["changes"][0]["name"] == "age"


def test_a_map_lets_it_through(shell: Shell, first: str, breaking: str, write: Write) -> None:
    shell.succeeds("form", "publish", first)
    told = shell.json("form", "publish", breaking, "--map", write("map.csv", MAP), "--note", "words now")
    assert (told["is_new"], told["state"]) == (True, "published")
    assert [event["note"] for event in shell.json("form", "events", "visit", "2")] == ["words now"]


def test_media_come_one_by_one_or_as_a_folder(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    for medium in MEDIA:
        (tmp_path / "media" / medium.name).write_bytes(medium.content)
    (tmp_path / "media" / ".hidden").write_bytes(b"x")
    file = tmp_path / "visit.md"
    file.write_bytes(workbook_with_media())
    told = shell.json("form", "publish", str(file), "--media-folder", str(tmp_path / "media"))
    assert {one["code"] for one in told["findings"]} == {"pii-not-marked"}
    files = [part for medium in MEDIA for part in ("--media", str(tmp_path / "media" / medium.name))]
    assert shell.json("form", "publish", str(file), *files)["is_new"] is False
    assert "villages.csv" in shell.succeeds("form", "show", "visit")


def test_a_version_is_closed_reopened_and_retired(shell: Shell, first: str) -> None:
    shell.succeeds("form", "publish", first)
    assert "2" in shell.refuses("form", "close", "visit", "2", "--note", "x")
    shell.succeeds("form", "close", "visit", "1", "--note", "pause")
    shell.succeeds("form", "reopen", "visit", "1")
    assert "closed" in shell.refuses("form", "retire", "visit", "1", "--note", "over")
    shell.succeeds("form", "close", "visit", "1", "--note", "over")
    shell.succeeds("form", "retire", "visit", "1", "--note", "over")
    (listed,) = shell.json("form", "list")
    assert listed["state"] == "retired"
    assert "retired" in shell.succeeds("form", "events", "visit")


def test_where_two_are_asked_for_one_person_at_this_computer_cannot_do_both(
    shell: Shell, first: str, write: Write
) -> None:
    shell.succeeds("form", "publish", first)
    shell.succeeds("form", "policy", "visit", "--needs-approval")
    second = write("visit3.md", workbook("3", questions=QUESTIONS + AGE + SEX).decode())
    assert "Submitted" in shell.succeeds("form", "publish", second)
    assert "second person" in shell.refuses("form", "approve", "visit", "3")
    assert [one["state"] for one in shell.json("form", "list")] == ["published", "draft"]
    assert "draft" in shell.succeeds("form", "show", "visit", "3")
    assert "no form" in shell.refuses("form", "policy", "nothing", "--no-approval")


def test_the_list_says_which_version_cannot_be_offered_and_why(shell: Shell) -> None:
    shell.succeeds("form", "publish", "hh_remit")
    assert [one["fault"] for one in shell.json("form", "list")] == [None]
    database = Database(Config.in_directory(shell.data).database_url)
    with database.transaction() as session:
        session.execute(update(FormVersion).values(md5="0" * 32))
    database.dispose()
    result = shell.run("form", "list")
    assert result.exit_code == 0
    assert "Not offered to ODK Collect: hh_remit" in result.stderr
    assert "bytes" in shell.json("form", "list")[0]["fault"]
