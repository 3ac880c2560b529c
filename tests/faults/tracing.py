"""strace as an executioner: it kills a process at its n-th syscall of a name, or lets the syscall fail."""

import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

WRITING: Final = ("write", "pwrite64", "writev", "pwritev", "sendto", "sendmsg", "fdatasync", "fsync", "ftruncate")
"""Every syscall by which an exchange changes a file, asks for it to be on disk, or speaks to a database or a device."""
CALL: Final = re.compile(r"^(?:\[pid\s+)?(\d+)\]?\s+(\w+)\(")


def reason_against() -> str | None:
    """Say why strace cannot be used here, None when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-qq", "-e", "trace=write", "-e", "inject=write:error=EIO:when=1", sys.executable, "-c", "pass"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return None if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.decode(errors='replace')[:200]}"


@contextmanager
def traced(pid: int, log: Path, *injections: str) -> Iterator[None]:
    """Trace all threads of a process while the block runs; what is injected is in strace's own words."""
    command = ["strace", "-f", "-p", str(pid), "-o", str(log), "-e", f"trace={','.join(WRITING)}"]
    for injection in injections:
        command += ["-e", f"inject={injection}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert b"attached" in said, said
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:  # it may wait for ever for a thread of a process that is gone
                process.kill()


def counted(log: Path) -> Counter[str]:
    """Return how often each syscall was made, by the thread that made it most: strace counts each thread by itself."""
    by_thread: dict[str, Counter[str]] = {}
    for line in log.read_text(errors="replace").splitlines():
        found = CALL.match(line)
        if found is not None and "resumed" not in line[:40]:
            by_thread.setdefault(found.group(2), Counter())[found.group(1)] += 1
    return Counter({name: max(threads.values()) for name, threads in by_thread.items()})


def ended(pid: int, seconds: float = 20.0) -> bool:
    """Wait until a process is gone; return whether it is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
