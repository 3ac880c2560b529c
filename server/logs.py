"""Lines for whoever watches the server: one an exchange, a job or a decision, as JSON or as text.

A line holds ids, codes and numbers, and nothing else can get into it: never an answer, a name, a token or an address.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Mapping
from typing import Final, TextIO

EVENTS: Final = logging.getLogger("server.events")
ROOT: Final = "server"
SAFE: Final = re.compile(r"[A-Za-z0-9._:+-]{0,100}")
KEPT_BACK: Final = "…"

Value = str | int | float | bool | None | Mapping[str, int]


def configure(kind: str, stream: TextIO | None = None) -> None:
    """Write the log of this process to a stream, the error stream if none is given.

    Args:
        kind: json | text.
        stream: for tests.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if kind == "json" else TextLines())
    logger = logging.getLogger(ROOT)
    logger.handlers[:] = [handler]
    logger.disabled = False  # a library that configures logging may have silenced it
    logger.setLevel(logging.INFO)
    logger.propagate = False


def event(name: str, **members: Value) -> None:
    """Write one line of what happened; a text that is no id and no code is kept back."""
    if EVENTS.isEnabledFor(logging.INFO):
        EVENTS.info("%s", name, extra={"members": {key: _safe(value) for key, value in members.items()}})


def _safe(value: Value) -> Value:
    if isinstance(value, str):
        return value if SAFE.fullmatch(value) else KEPT_BACK
    if isinstance(value, Mapping):
        return {str(_safe(str(key))): int(number) for key, number in value.items()}
    return round(value, 6) if isinstance(value, float) else value


class JsonLines(logging.Formatter):
    """An object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        members: Mapping[str, Value] | None = getattr(record, "members", None)
        head = {"at": _moment(record), "level": record.levelname.lower()}
        if members is not None:
            return json.dumps({**head, "event": record.getMessage(), **members}, separators=(",", ":"))
        said = {"event": "log", "logger": record.name, "message": record.getMessage()}
        return json.dumps({**head, **said}, separators=(",", ":"))


class TextLines(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        members: Mapping[str, Value] = getattr(record, "members", {})
        pairs = "".join(f" {key}={_shown(value)}" for key, value in members.items() if value is not None)
        return f"{_moment(record)} {record.levelname.lower()} {record.getMessage()}{pairs}"


def _shown(value: Value) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}:{number}" for key, number in value.items()) or "-"
    return str(value)


def _moment(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
