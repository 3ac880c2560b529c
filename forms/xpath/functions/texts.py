"""Functions of texts."""

import base64
import binascii
import hashlib
import math
import re
import zlib
from collections.abc import Mapping
from typing import Final

from forms.xpath.compiler import Builder, Compiler, Scope
from forms.xpath.functions.building import bounded, check_count, of_lists, of_tree, of_values
from forms.xpath.functions.patterns import matches
from forms.xpath.nodes import Context, Evaluate
from forms.xpath.syntax import Call
from forms.xpath.values import Value, to_number, to_text


def substr(text: Value, start: Value, end: Value | None = None) -> str:
    """Return the characters from ``start`` (0-based) up to, not including, ``end``; negatives count from the end."""
    characters = to_text(text)
    first = _place(start, len(characters))
    last = len(characters) if end is None else _place(end, len(characters))
    return characters[first:last]


def _place(value: Value, length: int) -> int:
    number = to_number(value)
    if math.isnan(number):
        return 0
    place = int(max(min(number, 2**31), -(2**31)))
    return min(max(place + length if place < 0 else place, 0), length)


def substring(text: Value, start: Value, length: Value | None = None) -> str:
    """Return the characters from ``start`` (1-based), XPath 1.0 section 4.2."""
    characters = to_text(text)
    first = math.floor(to_number(start) + 0.5) if math.isfinite(to_number(start)) else None
    if first is None:
        return ""
    if length is None:
        return characters[max(first - 1, 0) :]
    count = to_number(length)
    last = len(characters) if math.isinf(count) else first - 1 + math.floor(count + 0.5) if count == count else 0
    return characters[max(first - 1, 0) : max(last, 0)]


def translate(text: Value, old: Value, new: Value) -> str:
    """Replace characters one for one; those without a counterpart are dropped."""
    targets = to_text(new)
    table: dict[int, str | None] = {}
    for place, character in enumerate(to_text(old)):
        table.setdefault(ord(character), targets[place] if place < len(targets) else None)
    return to_text(text).translate(table)


def selected(text: Value, code: Value) -> bool:
    """Say whether a code is among those of a multiple answer."""
    wanted, answer = to_text(code).strip(), to_text(text)
    # Most codes are not selected, and looking is quicker than taking the answer apart.
    return wanted in answer and f" {wanted} " in f" {' '.join(answer.split())} "


def selected_at(text: Value, place: Value) -> str:
    """Return the code at a 0-based place of a multiple answer, or an empty text."""
    codes = to_text(text).split()
    number = to_number(place)
    return codes[int(number)] if 0 <= number < len(codes) else ""


_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=]")
_DIGESTS: Final[Mapping[str, str]] = {
    "MD5": "md5",
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
}


def digest(text: Value, algorithm: Value, encoding: Value = "base64") -> str:
    """Return a digest of a text, in base64 or hex."""
    data, name = to_text(text).encode(), to_text(algorithm)
    if name == "CRC32":
        raw = zlib.crc32(data).to_bytes(4, "big")
    elif name in _DIGESTS:
        raw = hashlib.new(_DIGESTS[name], data, usedforsecurity=False).digest()
    else:
        return ""
    return raw.hex() if to_text(encoding) == "hex" else base64.b64encode(raw).decode()


def base64_decode(text: Value) -> str:
    """Decode base64 to a text as Collect does: other characters are passed over, what is cut off gives nothing."""
    letters = _NOT_BASE64.sub("", to_text(text))
    try:
        return base64.b64decode(letters).decode(errors="replace")
    except binascii.Error:
        return ""


def join(separator: str, values: list[Value]) -> str:
    """Join texts with a separator."""
    return bounded(separator.join([to_text(value) for value in values]))


def _build_join(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    check_count(call, scope, 1, None)
    separator = compiler.value(call.arguments[0], scope)
    values = compiler.values(call.arguments[1:], scope)

    def evaluate(context: Context) -> str:
        return join(to_text(separator(context)), values(context))

    return evaluate


def _before(text: Value, mark: Value) -> str:
    head, found, _ = to_text(text).partition(to_text(mark)) if mark else ("", "", "")
    return head if found else ""


def _after(text: Value, mark: Value) -> str:
    return to_text(text).partition(to_text(mark))[2] if mark else to_text(text)


FUNCTIONS: Final[Mapping[str, Builder]] = {
    "string": of_values(to_text, 1),
    "concat": of_lists(lambda values: join("", values), 0, None),
    "join": _build_join,
    "substr": of_values(substr, 2, 3),
    "substring": of_values(substring, 2, 3),
    "substring-before": of_values(_before, 2),
    "substring-after": of_values(_after, 2),
    "string-length": of_values(lambda text: float(len(to_text(text))), 1),
    "normalize-space": of_values(lambda text: " ".join(to_text(text).split()), 1),
    "translate": of_values(translate, 3),
    "contains": of_values(lambda text, part: to_text(part) in to_text(text), 2),
    "starts-with": of_values(lambda text, part: to_text(text).startswith(to_text(part)), 2),
    "ends-with": of_values(lambda text, part: to_text(text).endswith(to_text(part)), 2),
    "upper-case": of_values(lambda text: to_text(text).upper(), 1),
    "lower-case": of_values(lambda text: to_text(text).lower(), 1),
    "regex": of_tree(matches, 2, 2),
    "selected": of_values(selected, 2),
    "is-selected": of_values(selected, 2),
    "selected-at": of_values(selected_at, 2),
    "count-selected": of_values(lambda text: float(len(to_text(text).split())), 1),
    "digest": of_values(digest, 2, 3),
    "base64-decode": of_values(base64_decode, 1),
}
