"""What every command works with: the data folder, the open instance, and how results are printed."""

import json
import os
import pwd
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass, replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from server.cli.edge import Refusal
from server.persons import CONSOLE

if TYPE_CHECKING:
    from server.config import Config
    from server.context import Context

Command = TypeVar("Command", bound=Callable[..., Any])

DATA: Final = "PASSERELLE_DATA"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a command works: the folder of ``--data``, or of PASSERELLE_DATA."""

    data: Path | None

    def config(self) -> "Config":
        """Return the settings.

        Raises:
            ConfigError: when there is no data folder to be meant.
        """
        from server.config import Config

        environ = dict(os.environ)
        if self.data is not None:
            environ[DATA] = str(self.data)
        return Config.from_env(environ)

    @contextmanager
    def context(self) -> Iterator["Context"]:
        """Open the instance of the data folder, and close it afterwards.

        Raises:
            Refusal: when the folder was never initialised.
        """
        from server.context import Context

        config = self.config()
        if not config.keys_dir.exists():
            raise Refusal(
                f"there is no Passerelle in {config.data_dir}. "
                f"Make one with `passerelle --data {config.data_dir} init`."
            )
        context = Context.open(config)
        try:
            yield context
        finally:
            context.close()

    def at(self, data: Path) -> "Desk":
        """Return a desk in another folder."""
        return replace(self, data=data)


pass_desk = click.make_pass_decorator(Desk)


def actor() -> str:
    """Return who works at this desk, for the audit and for what takes two people.

    It is the user that the process runs as: LOGNAME and its like say whatever somebody has set.
    """
    try:
        return f"{CONSOLE}{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # a container's user need not have a name
        return f"{CONSOLE}{os.getuid()}"


def json_option(command: Command) -> Command:
    """Give a command ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def plain(value: object) -> Any:
    """Return a value as JSON knows it: dataclasses as objects, bytes as hex, times as ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(member) for key, member in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(member) for member in value]
    return value


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = ()
) -> None:
    """Print a table; the columns named in ``numbers`` stand to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    # A pipe has no width: a script or a pager gets whole lines.
    Console(width=None if sys.stdout.isatty() else 200, markup=False, highlight=False).print(table)


def cell(value: object) -> str:
    """Return a value as a table shows it."""
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, bytes):
        return value.hex()[:16]
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)


@contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal's error stream that something is going on; silent elsewhere.

    Yields:
        A function that changes the text.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status(text) as status:
        yield status.update


@contextmanager
def counting(text: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal's error stream; silent elsewhere.

    Yields:
        A function that takes how many are done.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(text, total=total)
        yield lambda done: progress.update(task, completed=done)
