"""Running seeds, and what to say of them."""

import shutil
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from server.db.engine import Database
from server.keystore import KeyStore
from server.migrations import upgrade
from tests.simulator.checks import Violation
from tests.simulator.faults import Fault
from tests.simulator.world import World

MEMORY: Final = Path("/dev/shm")


@dataclass
class Figures:
    """What a run of seeds did."""

    seeds: int = 0
    exchanges: int = 0
    interviews: int = 0
    receipts: int = 0
    duplicates: int = 0
    audits: int = 0
    deleted: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    traces: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Figures") -> None:
        """Add the figures of another run."""
        for name in ("seeds", "exchanges", "interviews", "receipts", "duplicates", "audits", "deleted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.faults += other.faults
        self.traces += other.traces
        self.violations += other.violations


def run_seed(seed: int, exchanges: int, *, mutant: str = "") -> Figures:
    """Run one seed; a violation is told with the command that repeats it."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="simulator-", dir=MEMORY if MEMORY.is_dir() else None))
    figures = Figures(seeds=1)
    try:
        KeyStore.create(folder / "keys", None, folder / "root.pem", now=datetime(2026, 11, 24, tzinfo=UTC))
        template = Database(f"sqlite:///{folder / 'template.db'}")
        upgrade(template)
        template.dispose()
        world = World(seed, folder / "world", folder / "template.db", KeyStore.open(folder / "keys", None))
        try:
            world.run(exchanges)
        except Violation as violation:
            figures.violations.append(f"seed {seed}: {violation}\n  again: {command(seed, exchanges, mutant)}")
        except Exception:  # noqa: BLE001 -- whatever ends a seed is told with the command that repeats it
            said = traceback.format_exc()
            figures.violations.append(f"seed {seed}: unforeseen\n{said}\n  again: {command(seed, exchanges, mutant)}")
        figures.exchanges = world.network.requests
        figures.interviews = world.interviews
        figures.receipts, figures.duplicates = world.ledger.receipts, world.ledger.duplicates
        figures.audits, figures.deleted = world.ledger.audits, world.ledger.deleted
        figures.faults = world.chance.made
        figures.traces = [world.trace]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures.seconds = time.monotonic() - began
    return figures


def command(seed: int, exchanges: int, mutant: str = "") -> str:
    """Return the command that repeats a seed."""
    planted = f" --mutant {mutant}" if mutant else ""
    return f"python -m tests.simulator --seed {seed} --exchanges {exchanges}{planted}"
