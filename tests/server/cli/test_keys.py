"""The command line's keys: what is listed, and a rotation as an office does it."""

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
