"""The command line's keys: what is listed, and a rotation as an office does it."""

from pathlib import Path

import pytest

from tests.server.cli.conftest import Shell


def test_keys_are_listed_and_rotated(shell: Shell) -> None:
    root = str(shell.data / "office-root-key.pem")
    assert "receipt" in shell.succeeds("key", "list")
    assert shell.json("key", "rotate", "survey", "--suite", "x25519", "--root-key", root) == {"serial": 2}
    assert "Keyring 3 is in force" in shell.succeeds("key", "rotate", "receipt", "--compromised", "--root-key", root)
    listed = shell.json("key", "list")
    assert (listed["serial"], listed["revocations"]) == (3, 0)
    surveys = [key for key in listed["keys"] if key["kind"] == "survey"]
    assert [key["suite"] for key in surveys if key["is_in_use"]] == [2, 2, 2]
    assert len(surveys) == 6
    assert [key["kind"] for key in listed["keys"]].count("receipt") == 1


def test_a_wrong_root_is_refused_in_one_line(shell: Shell) -> None:
    wrong = shell.data / "keys" / "keyring.json"
    assert "no office root key" in shell.refuses("key", "rotate", "all", "--root-key", str(wrong))


def test_a_passphrase_is_asked_for_twice(shell: Shell) -> None:
    assert "Changed" in shell.succeeds("key", "passphrase", with_input="correct horse\ncorrect horse\n")
    assert "is locked" in shell.refuses("key", "passphrase")


def test_a_sealed_server_and_its_offline_machine(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, results = str(tmp_path / "survey-keys.json"), str(tmp_path / "results.json")
    monkeypatch.setenv("PASSERELLE_SURVEY_PASSPHRASE", "two words")
    assert f"are in {keys} too" in shell.succeeds("key", "seal", keys, "--keep")
    assert "never overwritten" in shell.refuses("key", "seal", keys)
    sealed = shell.succeeds("key", "seal", str(tmp_path / "moved.json"))
    assert "not on this server any more" in sealed
    assert "taken off it before" in shell.refuses("key", "seal", str(tmp_path / "more.json"))
    assert "own machine" in shell.refuses("estimate", "run")
    assert "opens no interview" in shell.refuses("office", "results", results)
    shell.succeeds("backup", str(tmp_path / "stick"))
    office = shell.at(tmp_path / "offline")
    office.succeeds("restore", str(tmp_path / "stick"))
    monkeypatch.setenv("PASSERELLE_SURVEY_PASSPHRASE", "other words")
    assert "does not open" in office.refuses("key", "unseal", keys)
    monkeypatch.delenv("PASSERELLE_SURVEY_PASSPHRASE")
    assert "opened here now" in office.succeeds("key", "unseal", keys, with_input="two words\n")
    assert "office take" in office.succeeds("office", "results", results)
    assert "there already" in office.refuses("office", "results", results)
    assert Path(results).stat().st_mode & 0o777 == 0o600
    assert "opens its interviews itself" in office.refuses("office", "take", results)
    taken = shell.json("office", "take", results)
    assert taken == {"verdicts": 0, "erased": 0, "releases": 0, "decisions": 0, "keyring": 1}
    assert shell.succeeds("office", "take", results).startswith("New: 0 verdicts")
