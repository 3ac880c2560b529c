"""Compare our checks with those of ODK Collect's engine over all public forms: ``make compare-collect``.

Prints one JSON line a form that differs, and one of all; ends with 1 where a difference is not in ``differences``.
"""

import argparse
import importlib.util
import json
import select
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.forms.comparison import CORPUS, compare_form, forms_of_the_corpus
from tests.forms.differences import FORMS

PATIENCE_SECONDS = 20


class PatientEngine:
    """The engine, started anew where it does not answer: some interviews keep it going for ever."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._engine = module.Engine()

    def __call__(self, **request: object) -> dict[str, Any]:
        process = self._engine.process
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        if select.select([process.stdout], [], [], PATIENCE_SECONDS)[0]:
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer
        process.kill()
        process.wait()
        self._engine = self._module.Engine()
        return {"ok": False, "error": "no answer"}

    def close(self) -> None:
        self._engine.close()


def main() -> int:
    """Compare; return the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--interviews", type=int, default=20, help="random interviews a form")
    arguments.add_argument("--only", default="", help="forms whose name has this text")
    chosen = arguments.parse_args()
    source = CORPUS.parent / "collect-engine" / "engine.py"
    if not source.exists():
        print("../shared/collect-engine is not here: nothing to compare with")  # noqa: T201
        return 0
    spec = importlib.util.spec_from_file_location("collect_engine", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    engine, begin = PatientEngine(module), time.monotonic()
    total: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    unexpected = 0
    with tempfile.TemporaryDirectory() as folder:
        for form in forms_of_the_corpus(Path(folder)):
            if chosen.only not in form.name:
                continue
            tally = compare_form(engine, form, seeds=range(chosen.interviews), mutations=None)
            total.update(tally.counts)
            reasons.update(tally.reasons)
            if not tally.counts["interviews"]:
                total["forms the engine does not fill"] += 1
                continue
            total["forms"] += 1
            total["forms that agree"] += not tally.differences
            if tally.differences:
                reason = next((why for name, why in FORMS.items() if form.name.endswith(name)), None)
                unexpected += reason is None
                print(json.dumps({"form": form.name, "reason": reason, "first": tally.differences[:3]}), flush=True)  # noqa: T201
    engine.close()
    seconds = round(time.monotonic() - begin)
    print(json.dumps({**total, "seconds": seconds, "differences with a reason": dict(reasons)}, indent=1))  # noqa: T201
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
