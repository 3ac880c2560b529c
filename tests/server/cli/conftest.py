import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server import metrics
from server.cli import main


class Shell:
    """Runs commands in the data folder of one office."""

    def __init__(self, data: Path, environment: dict[str, str | None] | None = None) -> None:
        self.data = data
        # what `serve` sets for the processes that it starts is put back after each command
        self._environment = {metrics.DIRECTORY: "", **(environment or {})}

    def run(self, *arguments: str, with_input: str | None = None) -> Result:
        return CliRunner().invoke(main, ["--data", str(self.data), *arguments], env=self._environment, input=with_input)

    def succeeds(self, *arguments: str, with_input: str | None = None) -> str:
        result = self.run(*arguments, with_input=with_input)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.succeeds(*arguments, "--json"))

    def refuses(self, *arguments: str) -> str:
        """Run a command that must fail, and return its one line."""
        return one_line(self.run(*arguments))

    def at(self, data: Path) -> "Shell":
        return Shell(data, self._environment)


def one_line(result: Result) -> str:
    assert result.exit_code == 1, (result.exit_code, result.output)
    assert "Traceback" not in result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("passerelle: ")
    return lines[0].removeprefix("passerelle: ")


CLEAR: dict[str, str | None] = dict.fromkeys(
    ("PASSERELLE_DATA", "PASSERELLE_DATABASE_URL", "PASSERELLE_PASSPHRASE", "PASSERELLE_BIND", "PASSERELLE_BASE_URL")
)


@pytest.fixture(scope="session")
def made_office(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    data = tmp_path_factory.mktemp("cli") / "office"
    return data, Shell(data, CLEAR).json("init")


@pytest.fixture
def shell(made_office: tuple[Path, dict[str, Any]], tmp_path: Path) -> Shell:
    """A shell in a copy of an initialised office."""
    import shutil

    shutil.copytree(made_office[0], tmp_path / "office")
    return Shell(tmp_path / "office", CLEAR)


@pytest.fixture
def empty_shell(tmp_path: Path) -> Shell:
    """A shell whose data folder does not exist yet."""
    return Shell(tmp_path / "nothing here", CLEAR)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Return a function that writes a file and returns its path."""

    def write_file(name: str, text: str) -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write_file


def frame_arguments(folder: Path, files: dict[str, str], kinds: Sequence[str]) -> list[str]:
    """Write frame files and return the options that import them."""
    arguments = []
    for kind in kinds:
        path = folder / f"{kind}.csv"
        path.write_text(files[kind], encoding="utf-8")
        arguments += [f"--{kind}", str(path)]
    return arguments
