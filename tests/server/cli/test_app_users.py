"""The command line's app users: what is printed, what the code says, what stops."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

from tests.server.cli.conftest import Shell


def scanned(payload: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(payload)))


def test_a_new_app_user_gets_an_address_and_a_code(shell: Shell, tmp_path: Path) -> None:
    png, svg = tmp_path / "code.png", tmp_path / "code.svg"
    made = shell.json(
        "app-user", "create", "Tablet 12", "--enumerator", "0012", "--team", "02", "--language", "fr",
        "--server", "https://survey.example", "--locked", "--admin-password", "4711", "--title", "Enquête",
        "--image-size", "medium", "--png", str(png), "--svg", str(svg),
    )  # fmt: skip
    assert made["url"].startswith("https://survey.example/key/")
    assert scanned(made["payload"]) == made["settings"]
    general = made["settings"]["general"]
    assert (general["server_url"], general["app_language"], general["image_size"]) == (made["url"], "fr", "medium")
    assert made["settings"]["project"]["name"] == "Enquête"
    assert made["settings"]["admin"]["change_server"] is False
    assert [file.stat().st_mode & 0o777 for file in (png, svg)] == [0o600, 0o600]
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()


def test_settings_make_a_new_access_and_say_that_the_old_one_stops(shell: Shell) -> None:
    first = shell.succeeds("app-user", "create", "Tablet 12", "--enumerator", "0012")
    result = shell.run("app-user", "settings", "Tablet 12", "--password", "--qr")
    assert result.exit_code == 0
    assert "has stopped" in result.stderr
    url, username, password = result.stdout.splitlines()[:3]
    assert url.endswith("/projects/1")
    assert url != first.strip()
    assert username == "user name  tablet-1"
    assert len(password.split()[1]) == 34
    assert "▀" in result.stdout or "█" in result.stdout


def test_an_app_user_may_be_given_some_forms_only(shell: Shell) -> None:
    assert "not in the project" in shell.refuses("app-user", "create", "T", "--enumerator", "1", "--form", "nothing")
    assert shell.json("app-user", "list") == []
    shell.succeeds("form", "publish", "hh_remit")
    shell.succeeds("app-user", "create", "T", "--enumerator", "1", "--form", "hh_remit")
    assert shell.json("app-user", "list")[0]["is_for_every_form"] is False


def test_a_wish_that_collect_does_not_know_makes_nobody(shell: Shell) -> None:
    line = shell.refuses("app-user", "create", "T", "--enumerator", "1", "--autosend", "always")
    assert "wifi_and_cellular" in line
    assert "password" in shell.refuses("app-user", "create", "T", "--enumerator", "1", "--locked")
    assert shell.json("app-user", "list") == []


def test_whoever_is_not_there_has_no_settings(shell: Shell) -> None:
    assert "Nobody" in shell.refuses("app-user", "settings", "Nobody")
