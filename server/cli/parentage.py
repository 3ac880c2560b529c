"""End with the process that started this one, however it ended."""

import ctypes
import os
import signal
import sys
import threading
import time
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>
POLL_SECONDS: Final = 0.5


def end_with(parent: int) -> None:
    """End this process when its parent ends, even when that is killed and can tell nobody.

    On Linux the kernel does it at once; elsewhere a thread looks twice a second. A worker may end at any instant: what
    it has not committed is done again by the next.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we could ask to be told
        os._exit(0)
    threading.Thread(target=_watch, args=(parent,), name="parentage", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(0)
