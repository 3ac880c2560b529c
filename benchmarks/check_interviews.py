"""How many full interviews of hh_remit one core checks in a second, and how many ODK Collect's engine does.

The interview has every module and four senders: 267 nodes or more. It is parsed before the clock starts, as the stage
that checks finds it. The engine (JavaRosa 5.1 from the jar of pyxform, where ../shared/collect-engine and Java are) is
asked to check the same XML; its own clock counts, without the pipe and without loading the form.
"""

import datetime
import importlib.util
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.open_per_core import _templates
from forms.definition import FormDefinition
from forms.instance import Instance, canonical_leaves, parse_instance
from forms.library import workbook
from forms.validation import check
from forms.xlsform import convert

NOW = datetime.datetime(2026, 11, 24, 8, tzinfo=datetime.UTC)
CHECKS = 600
ENGINE_CHECKS = 100
GOAL = 300
ENGINE = Path(__file__).parents[2].parent / "shared" / "collect-engine" / "engine.py"


def run() -> Iterator[dict[str, Any]]:
    """Check full interviews again and again; yield the figures."""
    xform = convert(workbook("hh_remit"), "hh_remit.xlsx").xform
    definition = FormDefinition.parse(xform)
    documents = sorted(_templates(definition), key=len)[-10:]
    instances = [parse_instance(xml) for xml in documents]
    per_second = _ours(definition, instances)
    nodes = sum(len(canonical_leaves(instance)) for instance in instances) // len(instances)
    yield {
        "what": "check_per_core",
        "value": round(per_second),
        "unit": "interviews/s of processor time",
        "nodes": nodes,
        "goal": GOAL,
    }
    theirs = _engine(xform, documents)
    if theirs is None:
        return
    yield {
        "what": "check_vs_collect_engine",
        "value": round(per_second),
        "unit": "interviews/s",
        "compared_with": "JavaRosa 5.1, the engine of ODK Collect",
        "compared_value": round(theirs),
        "ratio": round(per_second / theirs, 1),
    }


def _ours(definition: FormDefinition, instances: list[Instance]) -> float:
    for instance in instances:
        check(definition, instance, now=NOW)
    begin = time.process_time()
    for count in range(CHECKS):
        check(definition, instances[count % len(instances)], now=NOW)
    return CHECKS / (time.process_time() - begin)


def _engine(xform: bytes, documents: list[bytes]) -> float | None:
    """Return the engine's checks a second once it is warm; None where it is not here."""
    if not ENGINE.exists() or shutil.which("java") is None or shutil.which("javac") is None:
        return None
    spec = importlib.util.spec_from_file_location("collect_engine", ENGINE)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with tempfile.TemporaryDirectory() as folder, module.Engine() as collect:
        path = Path(folder) / f"{uuid.uuid4()}.xml"
        path.write_bytes(xform)
        texts = [xml.decode() for xml in documents]
        times = [
            collect(op="check", form=str(path), instance_xml=texts[count % len(texts)])["check_ms"]
            for count in range(2 * ENGINE_CHECKS)
        ]
    return 1000 * ENGINE_CHECKS / sum(times[ENGINE_CHECKS:])
