"""A sample of the proof; ``make prove-collect`` runs it over every form."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.demo.office import Office
from server.demo.served import ServedOffice, free_port
from tests.openrosa.proof import CORPUS, Report, forms_to_prove, make_key, prove

SAMPLE = 16


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Path]]:
    """An office with its worker, served by the command line; its log."""
    folder = tmp_path_factory.mktemp("proof")
    office = Office(folder / "office", port=free_port())
    office.run("init")
    log = folder / "server.log"
    server = ServedOffice(office.serve_command, office.environment, port=office.port, log=log)
    server.start()
    yield office, log
    server.stop()


@pytest.fixture(scope="module")
def report(served: tuple[Office, Path], collect: Any, tmp_path_factory: pytest.TempPathFactory) -> Report:
    if not CORPUS.exists():
        pytest.skip("../shared/corpus is not here: the proof over public forms is left out")
    forms = list(forms_to_prove(make_key(served[0]), sample=SAMPLE))
    return prove(tmp_path_factory.mktemp("forms"), forms, collect, seeds=[7], office=served[0])


def test_what_collect_fills_and_sends_is_read_back_leaf_by_leaf_and_byte_by_byte(report: Report) -> None:
    assert report.different == []
    assert report.submissions + len(report.not_filled) == report.forms
    assert report.submissions >= 16
    assert report.counts["POSTs: none"] > 0


def test_the_line_broke_and_apps_were_killed_on_the_way(report: Report) -> None:
    posts = sum(count for name, count in report.counts.items() if name.startswith("POSTs: "))
    assert posts > report.submissions
    assert report.counts["apps started again"] > 4


def test_no_token_is_in_the_log_of_the_server(served: tuple[Office, Path], report: Report) -> None:
    text = served[1].read_text()
    assert report.secrets
    assert all(secret not in text for secret in report.secrets)
    assert "/key/" not in text
