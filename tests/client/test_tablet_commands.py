"""``passerelle tablet`` against a real office: from the enrolment link to a sealed, corrected interview."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server.cli import main
from sync_protocol.client.device import Device
from sync_protocol.enrolment import encode_link
from tests.client.model_transport import CHEAP, interview_xml, uuid_of
from tests.client.test_device_against_server import Office, office

__all__ = ["office"]
PIN = "481516"


class Tablet:
    """Runs the commands of one tablet."""

    def __init__(self, folder: Path, office: Office) -> None:
        self.folder = folder
        self.office = office

    def run(self, command: str, *arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(main, ["tablet", command, str(self.folder), *arguments], input=typed)

    def __call__(self, command: str, *arguments: str, typed: str | None = None) -> str:
        result = self.run(command, *arguments, typed=typed)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, command: str, *arguments: str) -> Any:
        return json.loads(self(command, *arguments, "--json"))

    def refused(self, command: str, *arguments: str, typed: str | None = None) -> str:
        result = self.run(command, *arguments, typed=typed)
        assert result.exit_code == 1, result.output
        assert result.stderr.splitlines()[-1].startswith("passerelle: ")
        return result.stderr


@pytest.fixture
def tablet(tmp_path: Path, office: Office) -> Tablet:
    """A tablet without a PIN that has the office's form."""
    office.publish()
    made = Tablet(tmp_path / "tablet", office)
    made("enrol", encode_link(office.link()))
    made("sync")
    return made


@pytest.fixture
def write(tmp_path: Path) -> Callable[[int, str], str]:
    def write_file(number: int, answer: str) -> str:
        file = tmp_path / f"{number}.xml"
        file.write_bytes(interview_xml(number, answer))
        return str(file)

    return write_file


def test_an_interview_goes_from_a_draft_to_the_office(tablet: Tablet, write: Callable[[int, str], str]) -> None:
    before = len(tablet.office.stored())
    assert "as a draft" in tablet("draft", write(1, "no"), "--psu", "P1")
    name = uuid_of(1).hex()[:8]
    assert "finished" in tablet("finalise", name)
    assert "wrong-state" in tablet.refused("draft", write(1, "yes"))
    assert "draft again" in tablet("reopen", name)
    file = tablet.folder.parent / "out.xml"
    tablet("read", name, "--to", str(file))
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (interview_xml(1, "no"), 0o600)
    tablet("draft", write(1, "yes"))
    tablet("finalise", name)
    assert [one["state"] for one in tablet.json("status")["drafts"]] == ["finalised"]
    report = tablet.json("sync")
    assert (report["outcome"], report["sealed"], report["waiting"]) == ("synced", 1, 0)
    assert len(tablet.office.stored()) == before + 2, "an epoch and an interview"
    assert "1 entretien sur 1 en sécurité" in tablet("status", "--lang", "fr")
    assert "no interview here" in tablet.refused("reopen", name)


def test_drafts_are_discarded_and_sealed_by_unit(tablet: Tablet, write: Callable[[int, str], str]) -> None:
    for number in (1, 2, 3):
        tablet("draft", write(number, "yes"), "--psu", f"P{number}")
    tablet("discard", uuid_of(1).hex(), "--yes")
    for number in (2, 3):
        tablet("finalise", uuid_of(number).hex())
    assert "Sealed 1" in tablet("seal", "--psu", "P2")
    assert "Sealed 1" in tablet("seal", uuid_of(3).hex())
    assert tablet.json("seal")["sealed"] == []
    assert tablet.json("status")["waiting"] == 3


def test_a_parcel_goes_by_another_tablet_and_by_stick(
    tablet: Tablet, write: Callable[[int, str], str], tmp_path: Path
) -> None:
    photo = tmp_path / "roof.jpg"
    photo.write_bytes(b"roof" * 100)
    tablet("draft", write(1, "yes"), "--medium", str(photo))
    tablet("finalise", uuid_of(1).hex())
    file, receipts = str(tmp_path / "one.passerelle"), str(tmp_path / "receipts.json")
    assert tablet.json("export", file)["envelopes"] == 2
    other = Tablet(tmp_path / "other", tablet.office)
    other("enrol", encode_link(tablet.office.link("0002")))
    carried = other.json("carry", file)
    assert (carried["envelopes"], carried["media"], carried["is_whole"]) == (2, 1, True)
    data = str(tablet.office.context.config.data_dir)
    taken = CliRunner().invoke(main, ["--data", data, "intake", file, "--receipts", receipts])
    assert taken.exit_code == 0, taken.output
    assert tablet.json("import-receipts", receipts) == {"covered": 2, "safe": 1, "interviews": 1}
    assert tablet.json("returned") == []
    assert "no interview here" in tablet.refused("take-up", uuid_of(1).hex())


def test_a_tablet_is_wiped_only_when_all_is_at_the_office(tablet: Tablet, write: Callable[[int, str], str]) -> None:
    tablet("draft", write(1, "yes"))
    assert "not-all-sent" in tablet.refused("wipe", "--yes")
    tablet("finalise", uuid_of(1).hex())
    tablet("sync")
    assert "empty" in tablet("wipe", "--yes")
    assert "device-wiped" in tablet.refused("status")


def test_a_form_that_the_tablet_lacks_is_named(tablet: Tablet, tmp_path: Path) -> None:
    file = tmp_path / "other.xml"
    file.write_bytes(interview_xml(1).replace(b'version="1"', b'version="9"'))
    assert "form visit version 9 is not on this tablet" in tablet.refused("draft", str(file))


def test_the_policy_is_shown_and_changed(tablet: Tablet) -> None:
    assert tablet.json("policy") == {"seal_after_hours": 72, "seals_drafts": True}
    assert "for 24 hours; drafts are not sent" in tablet("policy", "--hours", "24", "--no-drafts")
    assert tablet.json("policy") == {"seal_after_hours": 24, "seals_drafts": False}


def test_the_pin_is_asked_for_only_when_it_is_needed(
    tmp_path: Path, office: Office, write: Callable[[int, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in (Device.create.__func__, Device.change_pin):  # type: ignore[attr-defined]
        monkeypatch.setitem(method.__kwdefaults__, "pin_cost", CHEAP)
    office.publish()
    tablet = Tablet(tmp_path / "tablet", office)
    tablet("enrol", encode_link(office.link()), "--pin", typed=f"{PIN}\n{PIN}\n")
    tablet("sync")
    tablet("draft", write(1, "a canary"), typed=f"{PIN}\n")
    assert "pin-wrong" in tablet.refused("finalise", uuid_of(1).hex(), typed="481517\n")
    tablet("finalise", uuid_of(1).hex(), typed=f"{PIN}\n")
    assert b"canary" not in b"".join(path.read_bytes() for path in tablet.folder.rglob("*") if path.is_file())
    locked = tablet.run("sync", "--locked", "--lang", "fr")
    assert "1 entretien finalisé n’est ni scellé ni parti" in locked.stderr
    tablet("pin", typed=f"{PIN}\n150100\n150100\n")
    assert "1 sealed" in tablet("sync", typed="150100\n")
    assert "0 sealed" in tablet("sync"), "nothing to seal: no PIN is asked for"
