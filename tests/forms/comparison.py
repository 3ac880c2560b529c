"""What ODK Collect's engine finds in an interview, and what we do, in the same words."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forms.definition import FormDefinition
from forms.instance import Instance, InstanceError, parse_instance
from forms.program import checking_program_of
from forms.rules import Program
from forms.typed_values import typed_value
from forms.validation import check
from forms.xpath.values import to_text
from tests.forms.mutants import mutants

Collect = Callable[..., dict[str, Any]]
Place = tuple[str, str]
"""Code and path of a finding."""

ENGINE_CODES = {
    "irrelevant-has-value": "irrelevant",
    "calculation-differs": "calculation",
    "missing-relevant-node": "missing-node",
}
NOT_COMPARED = {"not-evaluated", "not-finished", "missing-row"}


@dataclass
class Verdicts:
    """Both sides' findings of one interview, what only one of them has, and why."""

    ours: set[Place]
    theirs: set[Place]
    explained: Counter[str] = field(default_factory=Counter)

    @property
    def only_ours(self) -> set[Place]:
        return self.ours - self.theirs

    @property
    def only_theirs(self) -> set[Place]:
        return self.theirs - self.ours


def judge(collect: Collect, form: Path, definition: FormDefinition, xml: bytes, now: datetime) -> Verdicts | str:
    """Have an interview checked by both; a text where the engine does not check it."""
    instance = parse_instance(xml)
    found = check(definition, instance, now=now)
    answer = collect(op="check", form=str(form), instance_xml=xml.decode())
    if not answer["ok"]:
        refused = {(finding.code, finding.path) for finding in found}
        return f"refused: {answer['error']}" + ("" if refused else " BUT WE FIND NOTHING")
    ours = {(finding.code, finding.path) for finding in found}
    theirs = {(ENGINE_CODES.get(problem["kind"], problem["kind"]), problem["path"]) for problem in answer["problems"]}
    verdicts = Verdicts(ours, theirs)
    _explain(verdicts, checking_program_of(definition), answer["problems"], instance)
    return verdicts


def plain(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path)


def _explain(verdicts: Verdicts, program: Program, problems: list[dict[str, str]], instance: Instance) -> None:
    def drop(reason: str, places: set[Place]) -> None:
        for side in (verdicts.ours, verdicts.theirs):
            if side & places:
                verdicts.explained[reason] += 1
            side -= places

    both = verdicts.ours | verdicts.theirs
    # The engine reads its clock, its dice and the order of shuffled choices again.
    moving = _touched(program, program.volatile)
    drop("the clock and the dice", {place for place in verdicts.only_theirs if plain(place[1]) in moving})
    # What we could not evaluate: its node, and nothing else.
    unknown = {path for code, path in both if code == "not-evaluated"}
    drop("not evaluated", {place for place in both if place[0] in NOT_COMPARED - {"missing-row"}})
    drop("not evaluated", {place for place in verdicts.only_theirs if plain(place[1]) in unknown})
    # The engine empties a question whose code is not offered, and goes on without an answer.
    emptied = {path for code, path in verdicts.ours if code == "not-a-choice"}
    touched = _touched(program, {plain(path) for path in emptied}) | {plain(path) for path in emptied}
    is_dropped = {path for code, path in verdicts.theirs if code == "calculation" and path in emptied}
    if is_dropped:
        drop(
            "a code that is not offered is dropped, and the question is judged as not answered",
            {place for place in verdicts.ours ^ verdicts.theirs if plain(place[1]) in touched},
        )
    # A count makes the engine add rows, and judge them as not answered.
    short = {path for code, path in verdicts.ours if code == "missing-row"}
    if short:
        added = {place for place in verdicts.only_theirs if any(_is_below(place[1], path) for path in short)}
        drop(
            "rows that a count asks for are added empty, and judged", added | {("missing-row", path) for path in short}
        )
    # An answer that the engine would write otherwise.
    drop("written otherwise", {("calculation", path) for path in _rewritten(problems, program)} - verdicts.ours)


def _is_below(path: str, repeat: str) -> bool:
    return plain(path).startswith(plain(repeat) + "/")


def _touched(program: Program, paths: frozenset[str] | set[str]) -> set[str]:
    touched = set(paths)
    for path in paths:
        spec = program.specs.get(path)
        if spec is None:
            continue
        for index in spec.on_change:
            rule = program.rules[index]
            touched.add(rule.spec.path)
            if rule.spec.relevant is rule:
                touched |= {other for other in program.specs if other.startswith(rule.spec.path + "/")}
    return touched


def _rewritten(problems: list[dict[str, str]], program: Program) -> Iterator[str]:
    for problem in problems:
        spec = program.specs.get(plain(problem["path"]))
        if problem["kind"] != "calculation-differs" or spec is None or spec.calculate is not None:
            continue
        kind = program.models[spec.path].bind.type
        now = datetime(2026, 11, 20, tzinfo=UTC)
        sent, again = (typed_value(problem[side].strip(), kind, UTC, now) for side in ("sent", "recomputed"))
        if sent == again or to_text(sent).split() == to_text(again).split():
            yield problem["path"]
