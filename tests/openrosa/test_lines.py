"""Every line of the list of what Collect needs on the wire has a test that names it."""

import ast
import re
from pathlib import Path

#: The lines: common, authentication, form list, manifest, entities, submission, settings code.
LINES = {
    *(f"C{number}" for number in range(1, 8)),
    *(f"A{number}" for number in range(1, 4)),
    *(f"F{number}" for number in range(1, 8)),
    *(f"M{number}" for number in range(1, 7)),
    "E1",
    *(f"S{number}" for number in range(1, 13)),
    *(f"Q{number}" for number in range(1, 4)),
}
LIST = Path(__file__).parents[2].parent / "shared" / "design" / "odk-clients.md"


def lines_with_a_test() -> set[str]:
    """Return the lines that docstrings of tests name."""
    found: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.update(re.findall(r"\b[CAFMESQ]\d{1,2}\b", ast.get_docstring(node) or ""))
    return found


def test_every_line_of_the_list_has_a_test() -> None:
    assert lines_with_a_test() == LINES


def test_the_lines_are_those_of_the_list() -> None:
    if not LIST.exists():
        return
    text = LIST.read_text(encoding="utf-8")
    assert {line for line in LINES if not re.search(rf"\b{line}\b", text)} == set()
    assert set(re.findall(r"\b[CAFMESQ]\d{1,2}\b", text)) - LINES == set()
