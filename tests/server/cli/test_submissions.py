from pathlib import Path

import pytest

from server.context import Context
from server.db.queries import audit
from server.folding.arrival_reasons import CODES, reason_of
from tests.server.cli.conftest import CLEAR, Shell
from tests.server.mixed import PICTURE, Mixed
from tests.server.opening.kit import open_all


@pytest.fixture
def office(mixed: Mixed, keys_dir: Path, tmp_path: Path) -> Shell:
    """A shell in the data folder of an office with a mixed intake."""
    import shutil

    shutil.copytree(keys_dir, tmp_path / "data" / "keys")
    return Shell(tmp_path / "data", CLEAR)


def test_arrivals_are_listed_with_their_reasons(office: Shell) -> None:
    told = office.succeeds("submission", "list", "--state", "needs-somebody", "--lang", "en")
    assert "after-revocation" in told
    assert reason_of("K2").en[1] in " ".join(told.split())
    assert len(office.json("submission", "list")) == 19
    assert len(office.json("submission", "list", "--person", "0012", "--form", "house")) == 2
    assert reason_of("conflict").fr[0] in " ".join(office.succeeds("submission", "list", "--lang", "fr").split())


def test_the_list_says_how_to_go_on(office: Shell) -> None:
    told = office.succeeds("submission", "list", "--limit", "5")
    before = told.rpartition("--before ")[2].strip()
    rest = office.json("submission", "list", "--before", before)
    assert len(rest) == 14


def test_a_submission_is_shown_without_answers(office: Shell, mixed: Mixed) -> None:
    told = office.json("submission", "show", mixed.without_roof)
    assert [(one["name"], one["exists"]) for one in told["attachments"]] == [("front.png", True), ("roof.png", False)]
    assert "Kwame" not in office.succeeds("submission", "show", mixed.conflict)


def test_xml_and_files_are_written_for_their_owner_and_noted(office: Shell, mixed: Mixed, tmp_path: Path) -> None:
    out = tmp_path / "out.xml"
    office.succeeds("submission", "xml", f"uuid:{mixed.with_photos}", "--out", str(out))
    assert b"front.png" in out.read_bytes()
    assert out.stat().st_mode & 0o777 == 0o600
    picture = tmp_path / "front.png"
    office.succeeds("submission", "attachment", mixed.with_photos, "front.png", "--out", str(picture))
    assert picture.read_bytes() == PICTURE
    context: Context = mixed.context
    with context.database.read() as session:
        assert [one.action for one in audit.latest(session, 2)] == ["read-medium", "read-answers"]


def test_an_interview_is_reviewed_and_it_is_said_when_nobody_can_get_it_back(office: Shell, mixed: Mixed) -> None:
    assert "say which" in office.refuses("submission", "review", mixed.opened)
    assert "what the enumerator should correct" in office.refuses("submission", "review", mixed.opened, "--return")
    assert "Noted." in office.succeeds("submission", "review", mixed.opened, "--return", "--note", "How old?")
    told = office.succeeds("submission", "review", mixed.with_photos, "--return", "--note", "Whose house?")
    assert "enumerator 0012 has no enrolled tablet" in told
    open_all(mixed.context)
    assert office.json("submission", "show", mixed.opened)["review"] == "returned"


def test_what_is_not_there_is_said_in_one_line(office: Shell, mixed: Mixed) -> None:
    assert "no submission of this name" in office.refuses("submission", "show", "uuid:none")
    assert "no file of this name" in office.refuses("submission", "attachment", mixed.with_photos, "x", "--out", "x")
    assert "no answers are opened" in office.refuses("submission", "xml", mixed.no_epoch, "--out", "x")


def test_the_quarantine_says_why_and_what_to_do(office: Shell) -> None:
    told = " ".join(office.succeeds("quarantine", "list", "--lang", "fr").split())
    for code in ("after-revocation", "malformed", "unknown-form-version"):
        assert " ".join(reason_of(code).fr[1].split()) in told


@pytest.mark.parametrize("code", CODES)
def test_every_reason_has_its_texts_in_both_languages(code: str) -> None:
    found = reason_of(code)
    assert all(len(text) > 3 for text in (*found.en, *found.fr))
    assert found.en != found.fr
