"""Forms that nobody here wrote, filled at random by ODK Collect's engine, read by us."""

import re
from collections import Counter
from pathlib import Path

import pytest

from forms.definition import FormDefinition
from forms.instance import InstanceError, canonical_leaves, parse_instance
from forms.program import ProgramError
from forms.structure import OpenedAnswers, read_answers
from forms.validation import check
from forms.workbook.findings import WorkbookError
from forms.xlsform import convert
from tests.forms.conftest import NOW, SHARED, Collect

CORPUS = SHARED / "corpus"
ENGINE_CODES = {"irrelevant-has-value": "irrelevant", "calculation-differs": "calculation"}
# Where a finding of the two differs, and why.
DIFFERENT = {
    "forms_random.xml": "the engine draws random() again and calls the difference a finding",
    "8-outputs.xml": "the engine reads its clock again and calls the difference a finding",
    "forms_validate.xml": "the years 0 to 1582: the engine counts days by the Julian calendar",
    "5-select-types.xml": "codes of a numeric select: the engine writes 1 where the form's list says 1.0",
    "expr_randomize.xml": "the engine shuffles again and calls the difference a finding; its shuffle is its own",
}
NOT_READ_CLEANLY = {
    "sms_form.xml": "its blank form repeats questions inside one row, which no form can ask",
}


def forms_of_the_corpus() -> list[Path]:
    return sorted(path for path in CORPUS.glob("*/*") if path.suffix in (".xml", ".xls", ".xlsx"))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, tuple[Path, FormDefinition]]:
    if not CORPUS.exists():
        pytest.skip("../shared/corpus is not here: the comparison over public forms is left out")
    folder = tmp_path_factory.mktemp("corpus")
    found = {}
    for path in forms_of_the_corpus():
        try:
            conversion = convert(path.read_bytes(), path.name)
        except WorkbookError:
            continue
        copy = path if path.suffix == ".xml" else folder / f"{path.name}.xml"
        if copy != path:
            copy.write_bytes(conversion.xform)
        found[path] = (copy, FormDefinition.parse(conversion.xform))
    return found


def test_every_form_of_the_corpus_converts_or_is_refused_in_one_sentence() -> None:
    if not CORPUS.exists():
        pytest.skip("../shared/corpus is not here: the conversion of public forms is left out")
    outcomes: Counter[str] = Counter()
    sentences = []
    for path in forms_of_the_corpus():
        try:
            convert(path.read_bytes(), path.name)
        except WorkbookError as refusal:
            outcomes[refusal.findings[0].code] += 1
            sentences.extend(finding.message() for finding in refusal.findings)
        else:
            outcomes["converted"] += 1
    assert all(sentence and "\n" not in sentence for sentence in sentences)
    print("corpus:", dict(outcomes))  # noqa: T201 - the report that pytest -s shows
    # 280 of 298: of the others each is one that ODK Validate or the converter refuses; see test_lint_corpus.py.
    assert outcomes["converted"] >= 280


def values(opened: OpenedAnswers) -> int:
    def count(row: object) -> int:
        if isinstance(row, dict):
            return sum(count(value) for value in row.values())
        return sum(count(value) for value in row) if isinstance(row, list) else 1

    return count(opened.analysis) + count(opened.identifiers)


def answered(definition: FormDefinition, leaves: dict[str, str]) -> int:
    """Count the leaves that hold an answer of a question."""
    plain = Counter(re.sub(r"\[\d+\]", "", path) for path, text in leaves.items() if text)
    return sum(number for path, number in plain.items() if path in definition.questions)


def test_random_interviews_of_public_forms_are_read_back_leaf_by_leaf(
    converted: dict[Path, tuple[Path, FormDefinition]], collect: Collect
) -> None:
    outcomes: Counter[str] = Counter()
    unexpected = []
    for path, (form, definition) in converted.items():
        filled = collect(op="auto", form=str(form), seed=7, max_repeats=3)
        try:
            instance = parse_instance(filled["xml"].encode())
        except (KeyError, InstanceError):
            outcomes["the engine does not fill it, or without a form id"] += 1
            continue
        leaves = dict(canonical_leaves(instance))
        opened = read_answers(definition, instance)
        is_known = any(path.name.endswith(name) for name in NOT_READ_CLEANLY)
        if not is_known and (opened.findings or values(opened) != answered(definition, leaves)):
            unexpected.append((path.name, opened.findings[:2], values(opened), len(leaves)))
        again = parse_instance(filled["xml"].replace("><", ">\n  <").encode())
        assert dict(canonical_leaves(again)) == leaves
        outcomes["read"] += 1
        outcomes["leaves"] += len(leaves)
    print("corpus:", dict(outcomes))  # noqa: T201 - the report that pytest -s shows
    assert unexpected == []
    assert outcomes["read"] >= 265


def test_findings_in_random_interviews_agree_with_collect(
    converted: dict[Path, tuple[Path, FormDefinition]], collect: Collect
) -> None:
    outcomes: Counter[str] = Counter()
    disagreements = []
    for path, (form, definition) in converted.items():
        filled = collect(op="auto", form=str(form), seed=3, max_repeats=3)
        judged = collect(op="check", form=str(form), instance_xml=filled.get("xml", ""))
        if not judged["ok"]:
            outcomes["the engine does not fill or check it"] += 1
            continue
        try:
            ours = sorted(
                (found.code, found.path) for found in check(definition, parse_instance(filled["xml"].encode()), now=NOW)
            )
        except (ProgramError, InstanceError):
            outcomes["not evaluated by us"] += 1
            continue
        theirs = sorted((ENGINE_CODES.get(found["kind"], found["kind"]), found["path"]) for found in judged["problems"])
        outcomes["agree" if ours == theirs else "disagree"] += 1
        if ours != theirs and not any(path.name.endswith(name) for name in DIFFERENT):
            disagreements.append((path.name, ours[:3], theirs[:3]))
    print("corpus:", dict(outcomes))  # noqa: T201 - the report that pytest -s shows
    assert disagreements == []
    assert outcomes["agree"] >= 255
