"""What takes two people, at the console: whoever is logged in at the machine is one of them."""

from collections.abc import Iterator

import pytest

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


def person(shell: Shell, name: str) -> Shell:
    return Shell(shell.data, CLEAR | {"LOGNAME": name})


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
