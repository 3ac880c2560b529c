import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from server.cli import main


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in sorted(group.commands.items()):
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = [pytest.param(path, command, id=" ".join(path)) for path, command in commands(main)]
LEAVES = [parameter for parameter in ALL if not isinstance(parameter.values[1], click.Group)]


def test_the_issue_s_commands_are_all_there() -> None:
    known = {" ".join(path) for path, _ in commands(main)}
    assert known >= {
        "init", "serve", "worker", "form publish", "form list", "form show", "form export", "device enrol",
        "device revoke", "device list", "tablet sync", "tablet enrol", "tablet draft",
        "tablet finalise", "tablet reopen", "tablet seal", "tablet status",
        "app-user create", "app-user list", "app-user revoke",
        "frame import", "frame show", "psu close", "psu lose", "psu list", "hold list", "hold settle",
        "quarantine list", "quarantine release", "progress", "estimate run", "estimate list", "release list",
        "release publish", "release show", "user add", "user list", "user token", "verify", "rebuild", "demo",
    }  # fmt: skip


@pytest.mark.parametrize(("path", "command"), ALL)
def test_every_command_explains_itself(path: tuple[str, ...], command: click.Command) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert command.help
    assert all(option.help or option.hidden or option.metavar or option.type for option in _options(command))


@pytest.mark.parametrize(("path", "command"), LEAVES)
def test_every_command_shows_an_example_that_parses(path: tuple[str, ...], command: click.Command) -> None:
    assert command.epilog is not None
    examples = [line.strip() for line in command.epilog.splitlines() if " ".join(path) in line]
    assert examples, command.epilog


def test_help_answers_without_loading_the_database_or_the_forms() -> None:
    heavy = {"sqlalchemy", "pyxform", "pyarrow", "flask", "rich"}
    check = f"import sys, server.cli; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def _options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]
