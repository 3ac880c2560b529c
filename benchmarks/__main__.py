"""Run benchmarks: ``python -m benchmarks`` for all, ``python -m benchmarks NAME …`` for some or a group of them.

Each module of this package but this one is a benchmark with ``run() -> Iterator[dict]``; every dict is printed as one
JSON line with ``what``, ``value``, ``unit`` and what it was compared with in the same run. Figures on shared machines
are noisy: quote the ratios.
"""

import importlib
import json
import pkgutil
import sys
from pathlib import Path

GROUPS = {
    "forms": ("publish_forms", "check_interviews"),
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return the exit status."""
    known = sorted(
        module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if not module.name.startswith("_")
    )
    names = [one for name in names for one in GROUPS.get(name, (name,)) if name not in GROUPS or one in known]
    unknown = [name for name in names if name not in known]
    if unknown:
        there = ", ".join([*known, *GROUPS])
        print(f"No benchmark is called {', '.join(unknown)}; there are: {there}.", file=sys.stderr)
        return 2
    for name in names or known:
        for line in importlib.import_module(f"benchmarks.{name}").run():
            print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
