"""Forms that nobody here wrote, filled at random by ODK Collect's engine, read by us."""

import re
from collections import Counter
from pathlib import Path

import pytest

from forms.definition import FormDefinition
from forms.instance import InstanceError, canonical_leaves, parse_instance
from forms.structure import OpenedAnswers, read_answers
from forms.workbook.findings import WorkbookError
from forms.xlsform import convert
from tests.forms.comparison import CORPUS, Collect, compare_form, forms_of_the_corpus
from tests.forms.differences import FORMS, NOT_JUDGED, REASONS

NOT_READ_CLEANLY = {
    "sms_form.xml": "its blank form repeats questions inside one row, which no form can ask",
}


def files_of_the_corpus() -> list[Path]:
    return sorted(path for path in CORPUS.glob("*/*") if path.suffix in (".xml", ".xls", ".xlsx"))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, tuple[Path, FormDefinition]]:
    if not CORPUS.exists():
        pytest.skip("../shared/corpus is not here: the comparison over public forms is left out")
    folder = tmp_path_factory.mktemp("corpus")
    found = {}
    for path in files_of_the_corpus():
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
    for path in files_of_the_corpus():
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


def test_findings_agree_with_collect_in_random_and_in_spoilt_interviews(tmp_path: Path, collect: Collect) -> None:
    if not CORPUS.exists():
        pytest.skip("../shared/corpus is not here: the comparison over public forms is left out")
    outcomes: Counter[str] = Counter()
    unexpected: list[str] = []
    for form in forms_of_the_corpus(tmp_path):
        if any(form.name.endswith(name) for name in NOT_JUDGED):
            continue
        tally = compare_form(collect, form, seeds=range(3, 5), mutations=1)
        outcomes.update(tally.counts)
        if not any(form.name.endswith(name) for name in FORMS):
            unexpected.extend(tally.differences)
    print("corpus:", dict(outcomes))  # noqa: T201 - the report that pytest -s shows
    assert unexpected == []
    assert outcomes["agree to the letter"] + outcomes["agree for a reason"] >= 700


def test_every_difference_from_collect_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "collect-differences.md").read_text(encoding="utf-8")
    assert [sentence for sentence in (*REASONS, *FORMS.values(), *NOT_JUDGED.values()) if sentence not in page] == []
    assert [name for name in (*FORMS, *NOT_JUDGED) if name not in page] == []
