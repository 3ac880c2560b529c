"""How long a tablet of the demonstration waits for a server that was killed: it is back within seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from server.demo.collect import CollectError
from server.demo.problems import DemoError
from sync_protocol.client.transport import TransportError

PAUSES: Final = 120
LONGEST_WAIT_SECONDS: Final = 0.5

T = TypeVar("T")


def until_answered(request: Callable[[], T]) -> T:
    """Repeat a request until it is answered, as a person would who sees “no network”.

    Raises:
        DemoError: it was refused, or not answered in a minute.
    """
    deadline = time.monotonic() + PAUSES * LONGEST_WAIT_SECONDS
    while True:
        try:
            return request()
        except (TransportError, CollectError) as error:
            refused = isinstance(error, CollectError) and error.status is not None and 400 <= error.status < 500
            if refused or time.monotonic() > deadline:
                raise DemoError(f"no answer from the server: {error}") from error
            time.sleep(LONGEST_WAIT_SECONDS / 5)
