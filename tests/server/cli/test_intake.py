import json
from pathlib import Path

from server.keystore import KeyStore
from sync_protocol.file_receipts import FileReceipts
from sync_protocol.parcel import Label, write_parcel
from tests.office import envelope
from tests.server.cli.conftest import Shell, one_line


def parcel(path: Path, *envelopes: bytes) -> Path:
    with path.open("wb") as file:
        label = Label(device_id="d", written_at="2026-11-24T08:00:00Z", envelopes=len(envelopes), media=0)
        write_parcel(file, label, envelopes, [])
    return path


def test_files_are_taken_in_and_receipted_and_the_same_again_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    one, two = parcel(tmp_path / "1", envelope(1), envelope(2)), parcel(tmp_path / "2", envelope(2))
    written = tmp_path / "receipts.json"
    assert "2 envelopes (2 stored), 0 media." in shell.succeeds("intake", str(one), "--receipts", str(written))
    found = shell.json("intake", str(one), str(two))
    assert [file["codes"] for file in found] == [{"duplicate": 2}, {"duplicate": 1}]
    keyring = KeyStore.open(shell.data / "keys", None).keyring
    receipts = FileReceipts.read(written.read_bytes(), keyring.receipt_keys)
    assert [sequence for _, _, sequence in receipts.receipts] == [1, 2]
    assert written.stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_taken_as_far_as_it_holds_and_the_command_says_so(shell: Shell, tmp_path: Path) -> None:
    whole = parcel(tmp_path / "whole", envelope(1), envelope(2)).read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-150])
    result = shell.run("intake", str(tmp_path / "cut"), "--json", "--receipts", str(tmp_path / "receipts.json"))
    assert "damaged or cut short" in one_line(result)
    (told,) = json.loads(result.stdout)
    assert (told["envelopes"], told["missing_envelopes"], told["is_complete"]) == (1, 1, False)
    assert b"receipts" in (tmp_path / "receipts.json").read_bytes()


def test_a_file_that_fails_does_not_stand_in_the_way_of_those_after_it(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "0\x1b[2J").write_bytes(b"not a parcel")
    whole = parcel(tmp_path / "1", envelope(1))
    result = shell.run("intake", str(tmp_path / "0\x1b[2J"), str(whole))
    assert result.exit_code == 1
    assert "0\ufffd[2J: not a parcel" in one_line(result)
    assert "1 envelopes (1 stored)" in result.stdout
    assert "\x1b" not in result.stdout


def test_another_file_is_refused_with_a_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8 not a parcel")
    assert "not a parcel" in shell.refuses("intake", str(tmp_path / "photo.jpg"))
