"""A worker that opens and folds and does nothing else: checking by the form's rules is a later stage of its own.

``python -m benchmarks._opening`` with the environment of the server; the loop of `server.jobs.worker` without checks.
"""

import os
import signal
import threading

from server.clock import utc_now
from server.config import Config
from server.context import Context
from server.jobs import worker


def main() -> None:
    """Open until a signal comes."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    context = Context.open(Config.from_env(os.environ))
    worker.CHECK_SECONDS = float("inf")
    worker._check_some = lambda _: False  # noqa: SLF001 -- the stage that is left out
    worker.open_until(context, stop, clock=utc_now)
    context.close()


if __name__ == "__main__":
    main()
