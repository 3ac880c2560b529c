"""Prove the OpenRosa door over every form: ``make prove-collect``.

Prints the figures as JSON; ends with 1 where anything that was sent is not read back equal.
"""

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from server.demo.office import Office
from server.demo.served import ServedOffice, free_port
from tests.forms.compare_collect import PatientEngine
from tests.openrosa.proof import CORPUS, Report, forms_to_prove, make_key, prove


def main() -> int:
    """Prove; return the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--interviews", type=int, default=3, help="random interviews a form")
    arguments.add_argument("--sample", type=int, default=None, help="so many forms of the corpus instead of all")
    chosen = arguments.parse_args()
    source = CORPUS.parent / "collect-engine" / "engine.py"
    if not source.exists():
        print("../shared is not here: there is nothing to prove with")  # noqa: T201
        return 0
    spec = importlib.util.spec_from_file_location("collect_engine", source)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["collect_engine"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    engine = PatientEngine(module)
    try:
        with tempfile.TemporaryDirectory(prefix="passerelle-proof-") as folder, _served(Path(folder)) as office:
            report = _prove(Path(folder), engine, office, chosen)
    finally:
        engine.close()
    print(json.dumps(report.figures(), indent=1))  # noqa: T201
    for line in report.different:
        print(line)  # noqa: T201
    return 1 if report.different else 0


def _prove(folder: Path, engine: PatientEngine, office: Office, chosen: argparse.Namespace) -> Report:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done)

        forms = list(forms_to_prove(make_key(office), sample=chosen.sample))
        return prove(folder, forms, engine, seeds=range(chosen.interviews), office=office, progress=progress)


@contextmanager
def _served(folder: Path) -> Iterator[Office]:
    office = Office(folder / "office", port=free_port())
    office.run("init")
    server = ServedOffice(office.serve_command, office.environment, port=office.port, log=folder / "server.log")
    server.start()
    try:
        yield office
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
