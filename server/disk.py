"""What is done when a disk fails to keep what it was given: the process ends.

After a failed fsync the kernel may drop the pages that it could not write, and call them clean: whatever is read
afterwards, or synced again with success, proves nothing. Only a process that begins anew, with what is on disk, may
acknowledge again. A full disk is no such failure.
"""

import errno
import logging
import os
from pathlib import Path
from typing import Final, NoReturn

LOG: Final = logging.getLogger(__name__)
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
ROOM_BYTES: Final = 1 << 20
STATUS: Final = 74
"""EX_IOERR."""


def synced(handle: int) -> None:
    """Put a file on disk; a disk that fails at it ends the process.

    Raises:
        OSError: the disk is full.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in FULL:
            raise
        end_process(f"a file could not be put on disk: {error.strerror}")


def is_nearly_full(folder: Path) -> bool:
    """Say whether a disk has no room left: an error without a reason is then taken for that."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < ROOM_BYTES


def end_process(why: str) -> NoReturn:
    """End the process at once, with one line in the log: nothing that it holds in memory may be acknowledged."""
    LOG.critical("%s; this process ends, because what it would read now may not be what is on disk", why)
    os._exit(STATUS)
