"""``python -m tests.simulator``: seeds by the hundred, or one again."""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext

from tests.simulator.faults import Fault
from tests.simulator.mutants import MUTANTS
from tests.simulator.run import Figures, run_seed

EPILOG = """examples:
  python -m tests.simulator --seed 7 --exchanges 2000             one seed, again and again the same
  python -m tests.simulator --seeds 1000 --exchanges 1000         a million exchanges
  python -m tests.simulator --seed 7 --mutant delete-on-receipt   a planted mistake, which must be found
"""


def main() -> int:
    """Run seeds; print what they did; return 1 when an invariant did not hold."""
    asked = _arguments()
    numbers = [asked.seed] if asked.seed is not None else list(range(asked.first, asked.first + asked.seeds))
    total, began = Figures(), time.monotonic()
    with ProcessPoolExecutor(min(asked.jobs, len(numbers))) as pool:
        runs = [pool.submit(run_one, number, asked.exchanges, asked.mutant) for number in numbers]
        for done in as_completed(runs):
            figures = done.result()
            total.add(figures)
            for violation in figures.violations:
                print(violation, file=sys.stderr, flush=True)  # noqa: T201
            if asked.progress:
                print(  # noqa: T201
                    f"{total.seeds} of {len(numbers)} seeds, {total.exchanges} exchanges", file=sys.stderr, flush=True
                )
    total.seconds = time.monotonic() - began
    print(json.dumps(members(total)) if asked.json else table(total))  # noqa: T201
    return 1 if total.violations else 0


def run_one(seed: int, exchanges: int, mutant: str) -> Figures:
    """Run a seed, with a planted mistake if one is asked for."""
    with quiet(), MUTANTS[mutant]() if mutant else nullcontext():
        return run_seed(seed, exchanges, mutant=mutant)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the server's log out of the figures: it warns of every envelope that was spoilt on purpose."""
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def members(figures: Figures) -> dict[str, object]:
    """Return figures as JSON has them."""
    return {
        "seeds": figures.seeds,
        "exchanges": figures.exchanges,
        "interviews": figures.interviews,
        "receipts": figures.receipts,
        "duplicates": figures.duplicates,
        "audits": figures.audits,
        "deleted": figures.deleted,
        "faults": {fault.value: figures.faults[fault] for fault in Fault},
        "violations": figures.violations,
        "seconds": round(figures.seconds, 1),
    }


def table(figures: Figures) -> str:
    """Return figures as lines."""
    lines = [
        f"{'seeds':<42}{figures.seeds:>12}",
        f"{'exchanges':<42}{figures.exchanges:>12}",
        f"{'interviews sealed':<42}{figures.interviews:>12}",
        f"{'receipts':<42}{figures.receipts:>12}",
        f"{'  of them duplicates':<42}{figures.duplicates:>12}",
        f"{'envelopes deleted under the rule':<42}{figures.deleted:>12}",
        f"{'audits of all receipts':<42}{figures.audits:>12}",
    ]
    lines += [f"{'  ' + fault.value:<42}{figures.faults[fault]:>12}" for fault in Fault]
    lines.append(f"{'faults':<42}{sum(figures.faults.values()):>12}")
    lines.append(f"{'violations':<42}{len(figures.violations):>12}")
    lines.append(f"{'seconds':<42}{figures.seconds:>12.0f}")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulator",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="one seed only")
    parser.add_argument("--first", type=int, default=1, help="the first of many seeds (1)")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds (100)")
    parser.add_argument("--exchanges", type=int, default=2_000, help="exchanges of each seed (2000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one a core)")
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS], help="plant this mistake")
    parser.add_argument("--progress", action="store_true", help="say how far it is")
    parser.add_argument("--json", action="store_true", help="figures as one JSON line")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
