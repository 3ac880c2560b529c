"""Run benchmarks: ``python -m benchmarks`` for all, ``python -m benchmarks NAME …`` for some or a group of them.

Each module of this package but this one is a benchmark with ``run() -> Iterator[dict]``; every dict is printed as one
JSON line with ``what``, ``value``, ``unit`` and what it was compared with in the same run. Figures on shared machines
are noisy: quote the ratios.

The group `openrosa` measures an empty store on SQLite and on PostgreSQL; ``--store 100000`` or ``--store 500000`` (or
BENCH_STORE) one with so many interviews, made once in build/bench-stores, ``--database`` (or BENCH_DATABASE) one of
both.

The group `sync` measures synchronisation, from the link to the opening; ``ack_million_sqlite`` is not in it.
"""

import argparse
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

GROUPS = {
    "forms": ("publish_forms", "check_interviews"),
    "openrosa": ("openrosa_submit", "openrosa_forms", "openrosa_photos5"),
    "sync": (
        *("sync40_edge", "sync40_edge_photos", "sync40_gprs", "sync_lossy_bytes"),
        *("ack_batch40_sqlite", "ack_single_sqlite", "ack_batch40_postgresql", "open_per_core", "burst_600"),
    ),
}

SLOW = frozenset({"ack_million_sqlite", "burst_600"})
"""Minutes each: only when they are asked for."""


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all; return the exit status."""
    asked = _parsed(arguments)
    known = sorted(
        module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if not module.name.startswith("_")
    )
    names = [one for name in asked.names for one in GROUPS.get(name, (name,)) if name not in GROUPS or one in known]
    unknown = [name for name in names if name not in known]
    if unknown:
        there = ", ".join([*known, *GROUPS])
        print(f"No benchmark is called {', '.join(unknown)}; there are: {there}.", file=sys.stderr)
        return 2
    for name, value in (("BENCH_STORE", asked.store), ("BENCH_DATABASE", asked.database)):
        if value is not None:
            os.environ[name] = value
    for name in names or [name for name in known if name not in SLOW]:
        for line in importlib.import_module(f"benchmarks.{name}").run():
            print(json.dumps(line), flush=True)
    return 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--store", choices=("0", "100000", "500000"))
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
