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
from forms.receiving import receive
from forms.rules import Program
from forms.tree import LiveTree
from forms.typed_values import typed_value
from forms.validation import check
from forms.workbook.findings import WorkbookError
from forms.xlsform import convert
from forms.xpath.values import to_text
from tests.forms.differences import (
    ABSENT_NODE,
    ADDED_ROWS,
    CLOCK,
    DROPPED_CODE,
    DROPPED_VALUE,
    NOT_EVALUATED,
    WRITTEN_OTHERWISE,
)
from tests.forms.mutants import MUTATIONS, mutants

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"
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


@dataclass(frozen=True)
class Form:
    """A form of the corpus that becomes a definition; ``path`` is its XForm as the engine reads it."""

    name: str
    path: Path
    definition: FormDefinition


def forms_of_the_corpus(folder: Path) -> Iterator[Form]:
    """Yield every form that our publishing takes; workbooks are converted into the folder."""
    for path in sorted(path for path in CORPUS.glob("*/*") if path.suffix in (".xml", ".xls", ".xlsx")):
        try:
            conversion = convert(path.read_bytes(), path.name)
        except WorkbookError:
            continue
        copy = path if path.suffix == ".xml" else folder / f"{path.name}.xml"
        if copy != path:
            copy.write_bytes(conversion.xform)
        yield Form(path.name, copy, FormDefinition.parse(conversion.xform))


@dataclass
class Tally:
    """What the comparison of one form, or of many, came to."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


def compare_form(collect: Collect, form: Form, *, seeds: range, mutations: int | None) -> Tally:
    """Compare random interviews of a form, each as it was filled and with so many (or all) mistakes in it."""
    tally = Tally()
    for seed in seeds:
        rng = random.Random(f"{form.name} {seed}")
        names = list(MUTATIONS) if mutations is None else rng.sample(list(MUTATIONS), mutations)
        filled = collect(op="auto", form=str(form.path), seed=seed, max_repeats=3)
        try:
            xml = filled["xml"].encode()
            parse_instance(xml)
        except (KeyError, InstanceError):
            tally.counts["not filled"] += 1
            return tally
        tally.counts["interviews"] += 1
        for name, document in [("as filled", xml), *mutants(form.definition, xml, rng, names)]:
            tally.counts["mutants"] += name != "as filled"
            _compare(collect, form, document, f"{form.name}, seed {seed}, {name}", tally)
    return tally


def _compare(collect: Collect, form: Form, xml: bytes, what: str, tally: Tally) -> None:
    verdicts = judge(collect, form, xml, datetime.now(UTC))
    if verdicts is None:
        tally.counts["without a verdict of the engine"] += 1
        return
    tally.reasons.update(verdicts.explained)
    if verdicts.only_ours or verdicts.only_theirs:
        tally.counts["disagree"] += 1
        tally.differences.append(
            f"{what}: ours {sorted(verdicts.only_ours)[:3]}, theirs {sorted(verdicts.only_theirs)[:3]}"
        )
    else:
        tally.counts["agree for a reason" if verdicts.explained else "agree to the letter"] += 1


def judge(collect: Collect, form: Form, xml: bytes, now: datetime) -> Verdicts | None:
    """Have an interview checked by both; None where the engine does not come to a verdict."""
    instance = parse_instance(xml)
    ours = {(finding.code, finding.path) for finding in check(form.definition, instance, now=now)}
    answer = collect(op="check", form=str(form.path), instance_xml=xml.decode())
    if not answer["ok"]:
        return None
    theirs = {(ENGINE_CODES.get(problem["kind"], problem["kind"]), problem["path"]) for problem in answer["problems"]}
    verdicts = Verdicts(ours, theirs)
    _explain(verdicts, checking_program_of(form.definition), answer["problems"], instance)
    return verdicts


def plain(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path)


def _explain(verdicts: Verdicts, program: Program, problems: list[dict[str, str]], instance: Instance) -> None:
    def drop(reason: str, places: set[Place]) -> None:
        for side in (verdicts.ours, verdicts.theirs):
            if side & places:
                verdicts.explained[reason] += 1
            side.difference_update(places)

    both = verdicts.ours | verdicts.theirs
    # The engine reads its clock, its dice and the order of shuffled choices again.
    moving = _touched(program, program.volatile)
    drop(CLOCK, {place for place in verdicts.only_theirs if plain(place[1]) in moving})
    # What we could not evaluate: its node, and nothing else.
    unknown = {path for code, path in both if code == "not-evaluated"}
    drop(NOT_EVALUATED, {place for place in both if place[0] in NOT_COMPARED - {"missing-row"}})
    hanging = _touched(program, {plain(path) for path in unknown})
    drop(NOT_EVALUATED, {place for place in verdicts.ours ^ verdicts.theirs if plain(place[1]) in hanging})
    # The engine empties a question whose code is not offered, and goes on without an answer.
    emptied = {path for code, path in verdicts.ours if code == "not-a-choice"}
    touched = _touched(program, {plain(path) for path in emptied})
    is_dropped = {path for code, path in verdicts.theirs if code == "calculation" and path in emptied}
    if is_dropped:
        drop(
            DROPPED_CODE,
            {place for place in verdicts.ours ^ verdicts.theirs if plain(place[1]) in touched},
        )
    # So it does with a value that does not have its type; we say what is wrong with it.
    spoilt = {path for code, path in verdicts.only_ours if code == "bad-type"}
    lost = {
        (code, path) for code, path in verdicts.only_theirs if path in spoilt and code in ("calculation", "required")
    }
    drop(DROPPED_VALUE, lost | {("bad-type", path) for _, path in lost})
    # A node that is not there is not relevant to the engine, for good where no rule says when it is.
    absent = _absent_paths(program, instance)
    drop(
        ABSENT_NODE,
        {place for place in verdicts.ours ^ verdicts.theirs if plain(place[1]) in _touched(program, absent)},
    )
    # A count makes the engine add rows, and judge them as not answered.
    short = {path for code, path in verdicts.ours if code == "missing-row"}
    if short:
        added = {place for place in verdicts.only_theirs if any(_is_below(place[1], path) for path in short)}
        counted = _touched(program, {plain(path) for path in short})
        added |= {place for place in verdicts.ours ^ verdicts.theirs if plain(place[1]) in counted}
        drop(ADDED_ROWS, added | {("missing-row", path) for path in short})
    # An answer that the engine would write otherwise.
    drop(WRITTEN_OTHERWISE, {("calculation", path) for path in _rewritten(problems, program)} - verdicts.ours)


def _absent_paths(program: Program, instance: Instance) -> set[str]:
    """Return the paths of leaves that some place of the interview lacks."""
    tree = LiveTree(program, now=datetime.now(UTC), new_uuid=str, properties={})
    receive(tree, instance.root)
    absent = set()
    waiting = [tree.root]
    while waiting:
        node = waiting.pop()
        inner = [child for group in node.children.values() for child in group]
        waiting.extend(inner)
        if not tree.was_sent(node) and node.spec is not None and not inner and tree.is_relevant(node):
            absent.add(node.spec.path)
    return absent


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
    filtered = {
        path
        for path, asked in program.asked.items()
        if asked.offer is not None and asked.offer.select is not None and asked.offer.select.references & touched
    }
    return touched | _judged_by(program, touched) if filtered <= touched else _touched(program, touched | filtered)


def _judged_by(program: Program, paths: set[str]) -> set[str]:
    """Return the nodes whose constraint or requirement names one of the paths, by its last step."""
    names = {path.rpartition("/")[2] for path in paths}
    found = set()
    for path, node in program.models.items():
        words = set(re.findall(r"[\w.-]+", f"{node.bind.constraint} {node.bind.required}"))
        if words & names:
            found.add(path)
    return found


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
