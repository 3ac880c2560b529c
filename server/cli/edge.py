"""The edge of the command line: whatever goes wrong inside leaves as one line that says what, where and what to do.

Texts of foreseen errors are written for people and never hold an answer. The text of an unforeseen one might, so only
its type and place are shown, with ``--debug`` the whole way there.
"""

import sys
import traceback
from typing import Any, Final, NoReturn

import click

from server.config import ConfigError
from server.errors import Problem
from sync_protocol.errors import ProtocolError

REFUSED: Final = 1
UNFORESEEN: Final = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130

SELF_EXPLAINING: Final = frozenset(
    {"bad-request", "conflict", "form-version-exists", "frame-in-use", "frame-invalid", "key-store-locked", "not-found"}
)
"""Problems whose detail says what to do; the remedies of the others speak to the command line as well."""


class Refusal(click.ClickException):
    """A command cannot do what was asked; the message is one line."""

    exit_code = REFUSED

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))

    def show(self, file: Any = None) -> None:
        """Write the line to the error stream."""
        click.echo(f"passerelle: {self.message}", file=file if file is not None else sys.stderr)


class Interrupted(Refusal):
    """A person stopped the command."""

    exit_code = INTERRUPTED


class Unforeseen(Refusal):
    """Something went wrong that nobody thought of."""

    exit_code = UNFORESEEN


class EdgeGroup(click.Group):
    """The top group: the only place that turns errors into lines."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; see the module."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own: a reader that closed the pipe, such as `head`, is no failure to talk about
        except KeyboardInterrupt:
            raise Interrupted("stopped; what was acknowledged is on disk") from None
        except Exception as error:  # noqa: BLE001 - the edge: nothing may reach a user as a traceback
            if ctx.params.get("debug"):
                _show_way(error)
            _refuse(error)


def one_line(text: str) -> str:
    """Return a text without line breaks and doubled spaces."""
    return " ".join(text.split())


def line_of(error: Exception) -> str | None:
    """Return the line for a foreseen error, None for one that nobody foresaw."""
    if isinstance(error, Problem):
        return error.detail if error.slug in SELF_EXPLAINING else _joined(error.detail, error.remedy)
    if isinstance(error, ProtocolError):
        return _joined(error.detail, f"({error.code})")
    if isinstance(error, ConfigError):
        return f"{error}, or give --data FOLDER" if "PASSERELLE_DATA is not set" in str(error) else str(error)
    if isinstance(error, OSError):
        place = f": {error.filename}" if error.filename else ""
        what = error.strerror or type(error).__name__
        return f"{what}{place}. Check the path, its permissions and the disk, and try again."
    return _line_of_a_library(error)


def _line_of_a_library(error: Exception) -> str | None:
    # Imported late: these pull in the database, pyxform and lxml, which `--help` does not need.
    from forms.instance import InstanceError
    from forms.workbook.findings import WorkbookError
    from server.db.engine import DatabaseUnusable
    from server.keystore import KeyStoreError
    from sync_protocol.client.transport import TransportError

    if isinstance(error, WorkbookError):
        return str(error)
    if isinstance(error, TransportError):
        return f"The server cannot be reached ({error.reason}). Check the address and that it runs, and try again."
    if isinstance(error, DatabaseUnusable | KeyStoreError | InstanceError):
        return str(error)
    return None


def _refuse(error: Exception) -> NoReturn:
    line = line_of(error)
    if line is not None:
        raise Refusal(line) from None
    place = traceback.extract_tb(error.__traceback__)[-1]
    raise Unforeseen(
        f"an error that nobody foresaw ({type(error).__name__} at {place.filename}:{place.lineno}). "
        "Nothing was stored half. Run it again with --debug and report what it shows."
    ) from None


def _joined(what: str, remedy: str) -> str:
    what = what.rstrip()
    stop = "" if what.endswith((".", "!", "?", "…")) or remedy.startswith("(") else "."
    return f"{what}{stop} {remedy}"


def _show_way(error: BaseException) -> None:
    """Print types and places of an error and its causes; neither texts nor values, which might be answers."""
    seen: BaseException | None = error
    while seen is not None:
        for frame in traceback.extract_tb(seen.__traceback__):
            click.echo(f"  {frame.filename}:{frame.lineno} in {frame.name}", err=True)
        click.echo(type(seen).__qualname__, err=True)
        seen = seen.__cause__ or seen.__context__
