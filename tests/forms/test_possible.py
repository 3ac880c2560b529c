"""What the linter calls impossible is impossible: tried against the evaluator over every answer of a small form."""

from hypothesis import given, settings
from hypothesis import strategies as st

from forms.definition import FormDefinition
from forms.instance import parse_instance
from forms.validation import check
from forms.workbook.lint.cycles import circles
from forms.workbook.lint.form import read_form
from forms.workbook.lint.formulas import MARK, masked, read_formulas
from forms.workbook.lint.possible import Reasoner
from forms.workbook.reading import read_workbook
from forms.xlsform import convert
from forms.xpath.syntax import XPathError, parse
from tests.forms.conftest import NOW

NUMBERS = ["", *(str(number) for number in range(-2, 9)), "2.5"]
CODES = ["", "1", "2", "x"]

operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
number_texts = st.sampled_from(["-1", "0", "1", "2", "3", "2.5", "'2'", "''"])
code_texts = st.sampled_from(["'1'", "'2'", "'x'", "''", "1", "2", "'9'"])


def _swapped(left: str, sign: str, right: str, is_swapped: bool) -> str:
    return f"{right} {sign} {left}" if is_swapped else f"{left} {sign} {right}"


atoms = st.one_of(
    st.builds(_swapped, st.just("${n}"), operators, number_texts, st.booleans()),
    st.builds(_swapped, st.just("${d}"), operators, number_texts, st.booleans()),
    st.builds(_swapped, st.just("${s}"), operators, code_texts, st.booleans()),
    st.builds(lambda code: f"selected(${{s}}, {code})", st.sampled_from(["'1'", "'x'", "'9'"])),
    st.sampled_from(["${n} > ${d}", "true()", "false()", "string-length(${s}) = 1"]),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a}) and ({b})", inner, inner),
        st.builds(lambda a, b: f"({a}) or ({b})", inner, inner),
        st.builds(lambda a: f"not({a})", inner),
    ),
    max_leaves=6,
)


def workbook(condition: str) -> bytes:
    cell = condition.replace("|", r"\|")
    return (
        "| survey | | | | |\n| | type | name | label | relevant |\n| | integer | n | N | |\n| | decimal | d | D | |\n"
        f"| | select_one l | s | S | |\n| | text | q | Q | {cell} |\n"
        "| choices | | | |\n| | list_name | name | label |\n| | l | 1 | A |\n| | l | 2 | B |\n| | l | x | C |\n"
    ).encode()


def is_ever_true(condition: str) -> bool:
    definition = FormDefinition.parse(convert(workbook(condition), "a.md").xform)
    for n in NUMBERS:
        for d in NUMBERS:
            for s in CODES:
                if n == "2.5" or not _matters(condition, n=n, d=d, s=s):
                    continue
                xml = f'<data id="a"><n>{n}</n><d>{d}</d><s>{s}</s><q>here</q></data>'
                found = check(definition, parse_instance(xml.encode()), now=NOW)
                if not any(one.code == "irrelevant" for one in found):
                    return True
    return False


def _matters(condition: str, **answers: str) -> bool:
    """Try each value only of the answers that a condition reads."""
    return all(value == "" or f"${{{name}}}" in condition for name, value in answers.items())


@settings(max_examples=80)
@given(conditions.filter(lambda condition: condition not in ("true()", "false()")))
def test_a_condition_called_impossible_is_true_for_no_answer(condition: str) -> None:
    form = read_form(read_workbook(workbook(condition), "a.md"))
    (formula,) = [one for one in read_formulas(form) if one.column == "relevant"]
    assert formula.tree is not None
    ways = Reasoner(form).alternatives(formula.tree, formula.item)
    if ways == []:
        assert not is_ever_true(condition)


def test_the_evaluator_says_what_is_possible() -> None:
    assert is_ever_true("${n} = 8 or ${s} = '9'")
    assert is_ever_true("${n} = ''")
    assert not is_ever_true("${n} > 3 and ${n} < 2")


@given(st.text(alphabet="${}ab .=()'1", max_size=30))
def test_a_masked_expression_is_as_long_as_the_cell(text: str) -> None:
    hidden = masked(text)
    if "${}" not in text:
        assert len(hidden) == len(text)
    assert MARK not in text
    for offset in _offsets_of_errors(hidden):
        assert 0 <= offset <= len(hidden)


def _offsets_of_errors(expression: str) -> list[int]:
    try:
        parse(expression)
    except XPathError as error:
        return [error.offset]
    return []


graphs = st.dictionaries(st.integers(0, 9), st.sets(st.integers(0, 9), max_size=4), max_size=10)


def _reaches(edges: dict[int, set[int]], start: int, goal: int) -> bool:
    seen: set[int] = set()
    waiting = list(edges.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node == goal:
            return True
        if node not in seen:
            seen.add(node)
            waiting.extend(edges.get(node, ()))
    return False


@given(graphs)
def test_circles_are_what_leads_back_to_itself(edges: dict[int, set[int]]) -> None:
    found = circles(edges)
    members = [node for circle in found for node in circle]
    assert sorted(members) == [node for node in range(10) if _reaches(edges, node, node)]
    for circle in found:
        assert all(_reaches(edges, one, other) for one in circle for other in circle)
