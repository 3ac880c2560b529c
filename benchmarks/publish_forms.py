"""How long reading, linting and converting a workbook takes, and whether memory grows with it.

- `publish_150`: a workbook of 150 questions with conditions, lists and two languages, as .xlsx: from its bytes to the
  XForm and all findings. Processor time, warm: the median of ten runs.
- `publish_largest`: the workbook of the public corpus beside the project that takes longest; where there is no corpus,
  one of 1 500 questions, which is also measured by itself (`publish_1500`).
- `publish_memory`: what the process holds more after 1 000 publishes than after 100.

Compared with pyxform by itself on the same bytes, which reads the workbook, says one thing and writes the XForm: what
is over it is reading twice less and linting more.
"""

import gc
import io
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyxform.xls2xform import convert as pyxform_convert

from benchmarks._workbooks import written
from forms.workbook.lint import lint
from forms.workbook.reading import read_workbook
from forms.xlsform import convert

RUNS = 10
PUBLISHES = 1000
WARM = 100
GOALS = {"publish_150": 300, "publish_largest": 3000, "publish_1500": 3000}
MEMORY_GOAL_BYTES = 4 << 20
CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "pyxform"


def run() -> Iterator[dict[str, Any]]:
    """Publish; yield one figure each."""
    yield _measured("publish_150", made_workbook(150), "made.xlsx")
    content, name = _largest()
    yield _measured("publish_largest", content, name)
    yield _measured("publish_1500", made_workbook(1500), "made.xlsx")
    yield _memory()


def made_workbook(questions: int) -> bytes:
    """Make a workbook of groups of ten questions of four types, with conditions on those before."""
    survey = [["type", "name", "label::English (en)", "label::Français (fr)", "relevant", "constraint", "calculation"]]
    for number in range(questions):
        if number % 10 == 0:
            survey.append(["begin_group", f"g{number}", f"Part {number}", f"Partie {number}", "", "", ""])
        survey.append(_question(number))
        if number % 10 == 9 or number == questions - 1:
            survey.append(["end_group", "", "", "", "", "", ""])
    choices = [["list_name", "name", "label::English (en)", "label::Français (fr)"]]
    choices += [
        [f"l{place}", str(code), f"Choice {code}", f"Choix {code}"] for place in range(20) for code in range(12)
    ]
    return written({"survey": survey, "choices": choices, "settings": [["form_id", "version"], ["made", "1"]]})


def _question(number: int) -> list[str]:
    name, said, dit = f"q{number}", f"What is number {number}?", f"Quel est le numéro {number} ?"
    before = f"${{q{number - 3}}}" if number % 10 >= 3 else ""
    if number % 4 == 0:
        return ["integer", name, said, dit, "", ". >= 0 and . <= 120", ""]
    if number % 4 == 1:
        return [f"select_one l{number % 20}", name, said, dit, f"{before} > 3" if before else "", "", ""]
    if number % 4 == 2:
        return ["date", name, said, dit, "", ". <= today()", ""]
    return ["calculate", name, "", "", "", "", f"if({before} > 10, {before} * 2, 0)" if before else "1 + 1"]


def _largest() -> tuple[bytes, str]:
    if not CORPUS.exists():
        return made_workbook(1500), "made.xlsx"
    found = [(path.read_bytes(), path.name) for path in sorted(CORPUS.iterdir())]
    return max((one for one in found if _converts(*one)), key=lambda one: _milliseconds(lambda: convert(*one), runs=1))


def _converts(content: bytes, name: str) -> bool:
    try:
        convert(content, name)
    except Exception:  # noqa: BLE001 - broken on purpose: not what is measured
        return False
    return True


def _measured(what: str, content: bytes, name: str) -> dict[str, Any]:
    book = read_workbook(content, name)
    ours = _milliseconds(lambda: convert(content, name))
    alone = _milliseconds(lambda: _pyxform(content, Path(name).suffix))
    return {
        "what": what,
        "value": round(ours),
        "unit": "ms of processor time",
        "compared_with": "pyxform alone on the same bytes",
        "compared_value": round(alone),
        "ratio": round(ours / alone, 2),
        "reading_ms": round(_milliseconds(lambda: read_workbook(content, name))),
        "linting_ms": round(_milliseconds(lambda: lint(book))),
        "rows": sum(len(sheet.rows) for sheet in book.sheets.values()),
        "workbook": name,
        "goal": GOALS[what],
    }


def _pyxform(content: bytes, suffix: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyxform_convert(xlsform=io.BytesIO(content), file_type=suffix)


def _milliseconds(work: Callable[[], object], *, runs: int = RUNS) -> float:
    took = []
    for _ in range(runs + 1):
        start = time.process_time()
        work()
        took.append((time.process_time() - start) * 1000)
    return statistics.median(took[1:])


def _memory() -> dict[str, Any]:
    content = made_workbook(20)
    held = [0, 0]
    for number in range(1, PUBLISHES + 1):
        convert(content, "made.xlsx")
        if number in (WARM, PUBLISHES):
            gc.collect()
            held[number == PUBLISHES] = _resident_bytes()
    return {
        "what": "publish_memory",
        "value": held[1] - held[0],
        "unit": f"bytes more after {PUBLISHES} publishes",
        "compared_with": f"resident after {WARM}",
        "compared_value": held[0],
        "ratio": round(held[1] / held[0], 3),
        "goal": MEMORY_GOAL_BYTES,
    }


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("this system does not say how much memory a process holds")
