"""What takes two people, at the console: whoever is logged in at the machine is one of them."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from click.testing import Result

from server.cli import desk
from server.config import Config
from server.context import Context
from tests.server.cli.conftest import CLEAR, Shell
from tests.server.opening.kit import Answers, Tablet, deliver, number_id, open_all, publish, raw_id


@pytest.fixture
def collected(shell: Shell) -> Iterator[Context]:
    """The office of the shell, with one interview of one tablet."""
    context = Context.open(Config.in_directory(shell.data))
    publish(context)
    tablet = Tablet(context.keystore).enrol(context)
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1))])
    open_all(context)
    yield context
    context.close()


class Person(Shell):
    """A shell of one user of the machine."""

    def __init__(self, data: Path, name: str) -> None:
        super().__init__(data, CLEAR)
        self._name = name

    def run(self, *arguments: str, with_input: str | None = None) -> Result:
        with patch("pwd.getpwuid", lambda _: SimpleNamespace(pw_name=self._name)):
            return super().run(*arguments, with_input=with_input)


def person(shell: Shell, name: str) -> Shell:
    return Person(shell.data, name)


def test_the_environment_does_not_say_who_works_at_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "sami")
    with patch("pwd.getpwuid", lambda uid: SimpleNamespace(pw_name=f"user-{uid}")):
        assert desk.actor() == f"console:user-{os.getuid()}"
    with patch("pwd.getpwuid", side_effect=KeyError):
        assert desk.actor() == f"console:{os.getuid()}"


def test_an_interview_is_erased_by_two_people_at_the_console(shell: Shell, collected: Context) -> None:
    amina, sami = person(shell, "amina"), person(shell, "sami")
    assert "number 1" in amina.succeeds("submission", "erase", number_id(1), "--note", "they asked")
    (one,) = sami.json("proposal", "list")
    assert (one["action"], one["subject"], one["note"], one["proposed_by"]) == (
        "erase",
        raw_id(1).hex(),
        "they asked",
        "console:amina",
    )
    assert "takes two people" in amina.refuses("proposal", "agree", "1")
    assert "erases it" in sami.succeeds("proposal", "agree", "1")
    assert open_all(collected).opened == 2
    assert sami.json("submission", "show", number_id(1))["state"] == "erased"
    assert "all is as it should be" in shell.succeeds("verify")


def test_a_tablet_is_wiped_and_what_came_late_is_let_in(shell: Shell, collected: Context) -> None:
    amina, sami = person(shell, "amina"), person(shell, "sami")
    amina.succeeds("device", "wipe", "tablet-1", "--note", "stolen")
    assert "Declined" in amina.succeeds("proposal", "decline", "1")
    amina.succeeds("device", "wipe", "tablet-1", "--note", "stolen indeed")
    assert "hears it next" in sami.succeeds("proposal", "agree", "2")
    amina.succeeds("device", "revoke", "tablet-1")
    (one,) = amina.json("device", "list")
    assert (one["wipe"], one["backlog"], one["set_aside"]) == ("ordered", None, 0)
    assert "wipe ordered" in amina.succeeds("device", "list")
    assert "set aside" in amina.refuses("device", "release", "tablet-1")
    assert "stolen indeed" in amina.succeeds("proposal", "list")
