"""Files that hold answers or let a tablet in: nobody but their owner reads them, whatever the umask says."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o600


def write_privately(file: Path, chunks: Iterable[bytes]) -> None:
    """Write a file that only its owner reads, also where one of its name was there before."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as opened:
        with suppress(PermissionError):  # a stick whose file system knows no owners
            os.fchmod(descriptor, OWNER_ONLY)
        for chunk in chunks:
            opened.write(chunk)
        opened.flush()
        os.fsync(descriptor)
