"""Functions of files beside the form, and of signed texts."""

from collections.abc import Mapping
from typing import Final

from forms.xpath.compiler import Builder, Compiler, Scope
from forms.xpath.functions.building import check_count
from forms.xpath.nodes import Context, Evaluate
from forms.xpath.syntax import Call, Literal, XPathError
from forms.xpath.values import Value, to_text


def _build_pulldata(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    """Compile ``pulldata('file', 'column', 'key column', key)``: the first row whose key is that; else empty."""
    check_count(call, scope, 4, 4)
    names: list[str] = []
    for argument in call.arguments[:3]:
        if not isinstance(argument, Literal):
            message = "pulldata() needs the quoted names of a file and two of its columns."
            raise XPathError("unknown-reference", message, scope.source, call.offset)
        names.append(to_text(argument.value))
    file, column, key_column = names
    key = compiler.value(call.arguments[3], scope)
    rows = compiler.lists.rows_of(file)
    if rows is None:
        scope.unknown.add(file if file.endswith(".csv") else f"{file}.csv")
        return lambda _context: ""
    index: dict[str, str] = {}
    for row in rows:
        index.setdefault(row.get(key_column, ""), row.get(column, ""))
    return lambda context: index.get(to_text(key(context)), "")


def _build_extract_signed(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    """Compile ``extract-signed(text, key)`` to something unknown: no signature is verified in this package."""
    check_count(call, scope, 2, 2)
    for argument in call.arguments:
        compiler.value(argument, scope)
    scope.unknown.add("extract-signed()")

    def evaluate(_context: Context) -> Value:
        return ""

    return evaluate


FUNCTIONS: Final[Mapping[str, Builder]] = {
    "pulldata": _build_pulldata,
    "extract-signed": _build_extract_signed,
}
