import hashlib
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forms import library
from sync_protocol.enrolment import parse_link
from tests.office import XFORM
from tests.server.cli.conftest import Shell, frame_arguments, one_line
from tests.server.fieldwork.frames import DRAW, FILES, KEYS

Write = Callable[[str, str], str]
MARKDOWN = """
| survey   |      |      |       |
|          | type | name | label |
|          | text | q1   | Why?  |
| settings |         |         |
|          | form_id | version |
|          | small   | 1       |
"""


def test_init_says_where_the_root_key_lies_and_shows_secrets_once(empty_shell: Shell, tmp_path: Path) -> None:
    text = empty_shell.succeeds("init", "--root-key", str(tmp_path / "stick" / "root.pem"))
    assert str(tmp_path / "stick" / "root.pem") in text
    assert "OFFLINE" in text
    assert stat.S_IMODE((tmp_path / "stick" / "root.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(empty_shell.data.stat().st_mode) == 0o700
    assert empty_shell.json("user", "list")[0] | {"created_at": ""} == {
        "user_id": 1, "name": "admin", "role": "administrator", "created_at": "", "has_password": True, "tokens": 1,
        "team": "", "enumerator": "", "projects": None, "disabled_at": None,
    }  # fmt: skip


def test_init_changes_nothing_where_an_office_is(shell: Shell) -> None:
    before = {path: path.read_bytes() for path in (shell.data / "keys").iterdir()}
    assert "already; nothing was changed" in shell.refuses("init")
    assert {path: path.read_bytes() for path in (shell.data / "keys").iterdir()} == before


def test_init_refuses_the_database_of_another_office(shell: Shell, empty_shell: Shell) -> None:
    url = f"sqlite:///{shell.data / 'passerelle.db'}"
    other = Shell(empty_shell.data, {"PASSERELLE_DATABASE_URL": url, "PASSERELLE_PASSPHRASE": None})
    assert "belongs to an office already" in other.refuses("init")
    assert not (empty_shell.data / "keys").exists()


def test_init_with_a_passphrase_leaves_no_key_file(empty_shell: Shell) -> None:
    empty_shell.succeeds("init", "--ask-passphrase", with_input="correct horse\ncorrect horse\n")
    assert not (empty_shell.data / "keys" / "vault.key").exists()
    assert "PASSERELLE_PASSPHRASE" in empty_shell.refuses("verify")
    assert "PASSERELLE_PASSPHRASE" in empty_shell.refuses("rebuild")


def test_a_folder_without_an_office_is_refused_with_what_to_do(empty_shell: Shell) -> None:
    assert "Make one with `passerelle --data" in empty_shell.refuses("form", "list")


def test_no_folder_at_all_is_refused_with_what_to_do() -> None:
    from click.testing import CliRunner

    from server.cli import main

    result = CliRunner().invoke(main, ["form", "list"], env={"PASSERELLE_DATA": None})
    assert "PASSERELLE_DATA" in one_line(result)


def test_the_library_s_form_is_published_once_listed_and_shown(shell: Shell) -> None:
    assert "Published hh_remit" in shell.succeeds("form", "publish", "hh_remit")
    assert "Unchanged" in shell.succeeds("form", "publish", "hh_remit")
    (version,) = shell.json("form", "list")
    assert version["form_id"] == "hh_remit"
    shown = shell.json("form", "show", "hh_remit")
    names = {store: {column["name"] for column in columns} for store, columns in shown["columns"].items()}
    assert "household_key" in names["analysis"]
    assert "j_phone" in names["identifiers"]
    assert "j_phone" in shell.succeeds("form", "show", "hh_remit")


def test_the_library_s_workbook_can_be_downloaded(shell: Shell, tmp_path: Path) -> None:
    shell.succeeds("form", "export", "hh_remit", str(tmp_path / "out.xlsx"))
    assert (tmp_path / "out.xlsx").read_bytes() == library.workbook("hh_remit")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("missing.xlsx", "there is no file missing.xlsx"),
        ("no_such_form", "neither a file nor a form of the library ("),
    ],
)
def test_a_form_that_is_not_there_is_refused(shell: Shell, source: str, line: str) -> None:
    assert line in shell.refuses("form", "publish", source)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("broken.xlsx", "not a zip"),
        ("odd.md", MARKDOWN.replace("text", "nonsense")),
        ("page.pdf", "%PDF"),
        ("x.xml", "<x"),
    ],
)
def test_a_workbook_that_makes_no_form_is_one_line_and_stores_nothing(
    shell: Shell, write: Write, name: str, text: str
) -> None:
    shell.refuses("form", "publish", write(name, text))
    assert shell.json("form", "list") == []


def test_other_content_under_a_published_version_is_refused(shell: Shell, write: Write) -> None:
    shell.succeeds("form", "publish", write("one.md", MARKDOWN))
    line = shell.refuses("form", "publish", write("two.md", MARKDOWN.replace("Why?", "How?")))
    assert "raise the version" in line


def test_an_enrolment_link_pins_the_root_and_is_drawn_as_a_code(shell: Shell, tmp_path: Path) -> None:
    picture = tmp_path / "code.png"
    options = ("--enumerator", "0001", "--server", "https://survey.example", "--png", str(picture))
    link = parse_link(shell.json("device", "enrol", *options)["link"])
    assert link.base_url == "https://survey.example"
    assert len(link.root_key) == 32
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_mode & 0o777 == 0o600
    assert set("▀▄█") & set(shell.succeeds("device", "enrol", "--enumerator", "0001", "--qr"))
    assert shell.json("device", "list") == []


def test_devices_and_app_users_that_are_not_there_are_refused(shell: Shell) -> None:
    assert "device list" in shell.refuses("device", "revoke", "nobody")
    assert "nobody" in shell.refuses("app-user", "revoke", "nobody")
    assert "--server" in shell.refuses("device", "enrol", "--enumerator", "1", "--server", "survey.example")


def test_an_app_user_is_made_once_and_revoked(shell: Shell) -> None:
    made = shell.json("app-user", "create", "Tablet 12", "--enumerator", "0012", "--server", "https://survey.example/")
    assert made["url"].startswith("https://survey.example/key/")
    assert "taken" in shell.refuses("app-user", "create", "Tablet 12", "--enumerator", "0012")
    shell.succeeds("app-user", "revoke", "Tablet 12")
    (listed,) = shell.json("app-user", "list")
    assert listed["revoked_at"] is not None
    assert made["url"].rpartition("/")[2] not in shell.succeeds("app-user", "list")


def test_frame_files_are_imported_and_shown_with_their_hashes(shell: Shell, tmp_path: Path) -> None:
    arguments = frame_arguments(tmp_path, dict(FILES), list(FILES))
    assert "6 rows, imported" in shell.succeeds("frame", "import", *arguments)
    assert "6 rows, unchanged" in shell.succeeds("frame", "import", *arguments)
    hashes = {document["kind"]: document["hash"] for document in shell.json("frame", "show")}
    assert hashes["draw"] == hashlib.sha256(DRAW.encode()).hexdigest()
    assert shell.json("progress")["total"]["pending"] == 6
    table = shell.succeeds("progress", "--by", "psu")
    assert "011001" in table
    assert "By enumerator" not in table


def test_wrong_frame_files_list_every_error_and_end_in_one_line(shell: Shell, tmp_path: Path) -> None:
    files = dict(FILES) | {"draw": DRAW.replace(KEYS[0], KEYS[0][:-1] + "0").replace(",4\n", ",four\n")}
    result = shell.run("frame", "import", *frame_arguments(tmp_path, files, list(FILES)))
    assert one_line(result).startswith("draw.csv, line 2, household_key: fails its check digits")
    assert len(result.stdout.splitlines()) == 7
    assert shell.json("frame", "show") == []


def test_a_missing_frame_file_and_no_file_are_refused(shell: Shell) -> None:
    assert "No such file or directory: nowhere.csv" in shell.refuses("frame", "import", "--draw", "nowhere.csv")
    assert "--listing" in shell.refuses("frame", "import")


def test_units_are_closed_lost_and_listed(shell: Shell, tmp_path: Path) -> None:
    shell.succeeds("frame", "import", *frame_arguments(tmp_path, dict(FILES), list(FILES)))
    shell.succeeds("psu", "lose", "012001", "--reason", "flood")
    assert "reopen" in shell.refuses("psu", "close", "012001")
    assert "Closed 2 units" in shell.succeeds("psu", "close", "--all")
    assert "--all" in shell.refuses("psu", "close")
    assert "psu list" in shell.refuses("psu", "close", "999")
    assert {unit["psu"]: unit["status"] for unit in shell.json("psu", "list")} == {
        "011001": "closed", "011002": "closed", "012001": "lost",
    }  # fmt: skip
    shell.succeeds("psu", "reopen", "012001")


def test_holds_and_quarantine_are_empty_at_first_and_wrong_ids_are_refused(shell: Shell) -> None:
    assert shell.json("hold", "list") == []
    assert shell.json("quarantine", "list") == []
    assert "32 hexadecimal digits" in shell.refuses("hold", "settle", "abc", "--keep", "--note", "x")
    assert "exactly one" in shell.refuses("hold", "settle", "00" * 16, "--note", "x")
    assert "hold list" in shell.refuses("hold", "settle", "00" * 16, "--exclude", "--note", "x")
    assert "quarantine list" in shell.refuses("quarantine", "release", "00" * 32)


def test_estimates_without_a_design_say_what_is_missing(shell: Shell) -> None:
    assert shell.json("estimate", "list") == []
    assert shell.json("release", "list") == []
    assert "import" in shell.refuses("estimate", "run")
    assert "no release 7" in shell.refuses("release", "publish", "7")
    assert "release 7" in shell.refuses("release", "show", "7")
    assert shell.run("estimate", "run", "--cut-off", "yesterday").exit_code == 2


def test_users_are_added_and_their_secrets_shown_once(shell: Shell) -> None:
    added: dict[str, Any] = shell.json("user", "add", "amina", "--role", "manager")
    assert len(added["password"]) >= 10
    assert "already" in shell.refuses("user", "add", "amina", "--role", "manager")
    token = shell.json("user", "token", "amina")["token"]
    assert token not in shell.succeeds("user", "list")
    assert shell.json("user", "token", "amina", "--revoke")["revoked"] == 1
    assert "user list" in shell.refuses("user", "token", "nobody")
    assert shell.succeeds("user", "password", "amina").strip() != ""
    assert "10 to" in shell.run("user", "password", "amina", "--ask", with_input="short\nshort\n").stderr


def test_users_are_placed_changed_shut_out_and_let_in(shell: Shell) -> None:
    shell.succeeds("project", "add", "Returns")
    shell.succeeds("user", "add", "sami", "--role", "supervisor", "--team", "01", "--project", "Returns")
    assert shell.json("user", "change", "sami", "--team", "02")["team"] == "02"
    sami = shell.json("user", "list")[1]
    assert (sami["name"], sami["team"], sami["projects"], sami["disabled_at"]) == ("sami", "02", [2], None)
    assert shell.json("user", "change", "sami", "--every-project")["projects"] is None
    assert shell.run("user", "change", "sami", "--every-project", "--project", "Returns").exit_code == 2
    shell.succeeds("user", "disable", "sami")
    assert shell.json("user", "list")[1]["disabled_at"] is not None
    assert "already" in shell.refuses("user", "disable", "sami")
    shell.succeeds("user", "enable", "sami")
    assert "last administrator" in shell.refuses("user", "disable", "admin")
    assert "no project" in shell.refuses("user", "add", "b", "--role", "manager", "--project", "Nowhere")


def test_tokens_are_listed_and_revoked_one_by_one(shell: Shell) -> None:
    made = shell.json("user", "token", "admin", "--label", "R at work", "--days", "30")["token"]
    first, second = shell.json("user", "tokens", "admin")
    assert [first["label"], second["label"]] == ["", "R at work"]
    assert second["expires_at"] is not None
    assert made not in shell.succeeds("user", "tokens", "admin")
    shell.succeeds("user", "revoke-token", "admin", second["token_id"])
    assert shell.json("user", "tokens", "admin")[1]["revoked_at"] is not None
    assert "no valid token" in shell.refuses("user", "revoke-token", "admin", second["token_id"])
    assert "12 hexadecimal" in shell.refuses("user", "revoke-token", "admin", "zz")


def test_projects_hold_forms_tablets_and_app_users(shell: Shell, write: Write) -> None:
    shell.succeeds("project", "rename", "Survey", "Labour migration")
    assert shell.json("project", "add", "Returns")["project_id"] == 2
    assert "--project NAME" in shell.refuses("device", "enrol", "--enumerator", "1")
    form = write("visit.xml", XFORM.format(form_id="visit", version="1", title="Visit"))
    assert "say in which project" in shell.refuses("form", "publish", form)
    shell.succeeds("form", "publish", form, "--project", "Returns")
    assert "unique on a server" in shell.refuses("form", "publish", form, "--project", "Labour migration")
    shell.succeeds("device", "enrol", "--enumerator", "1", "--project", "Returns")
    shell.succeeds("app-user", "create", "Tablet 1", "--enumerator", "1", "--project", "Returns")
    shell.succeeds("app-user", "forms", "Tablet 1", "visit")
    assert "not in the project" in shell.refuses("app-user", "forms", "Tablet 1", "other")
    shell.succeeds("app-user", "forms", "Tablet 1", "--every")
    shell.succeeds("project", "archive", "Returns")
    assert "archived" in shell.refuses("app-user", "create", "b", "--enumerator", "1", "--project", "Returns")
    assert [one["archived_at"] is None for one in shell.json("project", "list")] == [True, False]
    shell.succeeds("project", "archive", "Returns", "--undo")


def test_an_empty_store_verifies_and_rebuilds(shell: Shell) -> None:
    assert shell.json("verify")["difference_count"] == 0
    report = shell.json("rebuild")
    assert report["state_hash_before"] == report["state_hash_after"]


def test_sqlite_is_served_by_one_process_only(shell: Shell) -> None:
    assert "SQLite takes one web process" in shell.refuses("serve", "--processes", "2")


def test_a_damaged_key_store_and_an_open_key_file_are_refused(shell: Shell) -> None:
    service = shell.data / "keys" / "service.json"
    service.chmod(0o644)
    assert "chmod 600" in shell.refuses("form", "list")
    service.chmod(0o600)
    service.write_text("{")
    assert "damaged" in shell.refuses("form", "list")


def test_a_tablet_that_was_never_enrolled_cannot_sync(tmp_path: Path, shell: Shell) -> None:
    shell.refuses("tablet", "sync", str(tmp_path / "tablet"))
    assert "link-invalid" in shell.refuses("tablet", "enrol", str(tmp_path / "tablet"), "nonsense")
    assert not (tmp_path / "tablet").exists()


def test_a_server_that_does_not_answer_is_told_in_one_line(tmp_path: Path, shell: Shell) -> None:
    link = shell.json("device", "enrol", "--enumerator", "0001", "--server", "http://127.0.0.1:9")["link"]
    line = shell.refuses("tablet", "enrol", str(tmp_path / "tablet"), link)
    assert "cannot be reached" in line
