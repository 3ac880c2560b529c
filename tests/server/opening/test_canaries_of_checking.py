"""Checking, scoring and listing leave no answer in clear on disk or in a log: the canaries of `test_canaries`."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from server.folding.opener import Opener
from server.jobs import scheduled
from server.services import list_findings
from server.services.list_findings import FindingFilter
from tests.forms.interviews import Answers
from tests.office import NOW
from tests.server.opening.kit import Tablet, deliver, open_all
from tests.server.opening.surveyed import bring, check, implausible, interview, open_office
from tests.server.opening.test_canaries import CANARIES, files_in, found_in, office, sealed


def planted(answers: Answers) -> None:
    implausible(answers)
    answers["member"][0]["c_name"] = CANARIES["name"]
    answers["j_note"] = CANARIES["note"]
    answers["worker"][0]["e_occ_txt"] = CANARIES["worker"]
    answers["worker"][0]["e_lump_amt"] = CANARIES["amount"]


@pytest.mark.parametrize("fails", [False, True])
def test_checking_leaves_no_answer_on_disk_or_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fails: bool
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    context = office(tmp_path / "data")
    deliver(context, sealed(Tablet(context.keystore).enrol(context)))
    tablet = open_office(context, device_id="tablet-2")
    with caplog.at_level(logging.DEBUG):
        open_all(context)
        if fails:
            monkeypatch.setattr(Opener, "read_interview", _fail)
        bring(context, tablet, (101, interview(101, planted)), (102, interview(102, planted)))
        check(context)
        scheduled.prepare(context, now=NOW)
        assert "scores" in scheduled.run_due(context, holder="one", clock=lambda: NOW + timedelta(days=1))
        with context.database.read() as session:
            page = list_findings.list_findings(session, context.keystore, FindingFilter())
    codes = {one.code for one in page.findings}
    assert codes >= ({"unforeseen"} if fails else {"E1", "Q4"})
    # Two of the spoilt interviews bear one instanceID: the current one of them, whichever it is, is checked.
    assert fails or codes & {"bad-type", "unknown-node"}
    (tmp_path / "log").write_text(caplog.text)
    assert found_in(files_in(tmp_path)) == set()
    context.close()
    assert found_in(files_in(tmp_path)) == set()


def _fail(*_: object) -> None:
    raise ValueError(" ".join(CANARIES.values()))
