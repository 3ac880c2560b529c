"""The deflate dictionary of a form: what its interviews look like, made from the definition and never from answers.

A finished interview is mostly tags, and which tags follow each other is decided by the form's own rules. So made-up
interviews are led through the form, question by question, with choices of its lists and a few plain values; of these,
the ones that bring most of the pairs of neighbouring elements that were met often are written one after another, the
best last: deflate spends fewest bits on what is near. Made once, at publication, and kept: nobody has to be able to
make the same bytes again.
"""

import datetime
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from forms.asking import Prompt
from forms.definition import FormDefinition
from forms.model import ModelNode
from forms.rules import ProgramError
from forms.session import FormSession
from forms.xpath.nodes import Unevaluable

DICTIONARY_BYTES: Final = 32 << 10
"""Deflate looks back no further."""
INTERVIEWS: Final = 100
QUESTIONS: Final = 20_000
"""In all interviews together: a form of thousands of questions must not hold up its publication."""
ELEMENT_BYTES: Final = 300
"""Counted with each interview, so that the shortest are not always the best for their length."""
SLOPES: Final = (0.7, 1.5)
"""How much rarer each choice is than the one before it in its list: by a factor of e to the power of this."""
BLANK: Final = 0.2
"""The share of questions that may stay without an answer and do."""

_NOON: Final = datetime.datetime(2026, 10, 29, 12, 5, tzinfo=datetime.UTC)
_UUID: Final = "00000000-0000-4000-8000-000000000000"
_VALUES: Final = {
    "int": ("1", "2", "0", "35", "4", "12", "20", "2025", "100"),
    "decimal": ("0.0", "1000.0", "12.5", "2000.0", "1.0"),
    "date": ("2026-10-29", "2025-05-01", "2026-05-01"),
    "dateTime": ("2026-10-29T12:05:00.000Z",),
    "time": ("12:05:00.000Z",),
    "geopoint": ("0.0 0.0 0.0 0.0",),
}
_TEXTS: Final = ("0", "1", "01", "a")
_ELEMENT: Final = re.compile(rb"<[^/>][^>]*>[^<]+</[^>]*>|<[^>]*>")

Pair = tuple[bytes, bytes]


def make_dictionary(definition: FormDefinition, *, before: bytes = b"") -> bytes:
    """Return the dictionary of a form, at most 32 KiB; the same definition gives the same bytes.

    Args:
        definition: what is asked, and by which rules.
        before: what goes before an interview where it is deflated.
    """
    room = DICTIONARY_BYTES - len(before)
    chosen = _chosen([_Mock.of(xml[-room:]) for xml in _interviews(definition)], room)
    *others, nearest = [mock.xml for mock in reversed(chosen)] or [_outline(definition)[-room:]]
    return b"".join((*others, before, nearest))


@dataclass(frozen=True, slots=True)
class _Mock:
    """A made-up interview, and which elements stand next to each other in it."""

    xml: bytes
    pairs: frozenset[Pair]

    @classmethod
    def of(cls, xml: bytes) -> "_Mock":
        return cls(xml, frozenset(pairwise(_ELEMENT.findall(xml))))


def _chosen(mocks: list[_Mock], room: int) -> list[_Mock]:
    """Return the interviews that tell most, best first, as many as there is room for."""
    often = Counter(pair for mock in mocks for pair in mock.pairs)
    seen: set[Pair] = set()
    chosen: list[_Mock] = []
    while fitting := [mock for mock in mocks if len(mock.xml) <= room and not mock.pairs <= seen]:
        best = max(
            fitting, key=lambda mock: sum(often[pair] for pair in mock.pairs - seen) / (len(mock.xml) + ELEMENT_BYTES)
        )
        chosen.append(best)
        seen |= best.pairs
        room -= len(best.xml)
    return chosen


def _interviews(definition: FormDefinition) -> Iterator[bytes]:
    """Yield made-up interviews; none of a form whose rules cannot be followed."""
    rng = random.Random(definition.hash)  # noqa: S311 - made data, not a secret
    asked = 0
    for number in range(INTERVIEWS):
        try:
            session = FormSession(definition, now=_NOON, new_uuid=lambda: _UUID, device_id="")
            for prompt in session.questions(lambda _node, _spec: rng.randrange(3)):
                asked += 1
                if asked > QUESTIONS:
                    return
                _answer(session, prompt, rng, SLOPES[number % len(SLOPES)])
            yield session.finalise()
        except (ProgramError, Unevaluable, RecursionError):
            return


def _answer(session: FormSession, prompt: Prompt, rng: random.Random, slope: float) -> None:
    """Give a question the first made-up answer that it takes; a text that must be of some shape is given regardless."""
    if rng.random() < BLANK and session.answer(prompt, "") is None:
        return
    codes = _codes(session, prompt)
    if codes is not None:
        _choose(session, prompt, codes, rng, slope)
        return
    values = _VALUES.get(prompt.asked.spec.type, _TEXTS)
    shuffled = rng.sample(values, len(values))
    if all(session.answer(prompt, value) is not None for value in shuffled):
        session.tree.write(prompt.node, shuffled[0])


def _choose(session: FormSession, prompt: Prompt, codes: list[str], rng: random.Random, slope: float) -> None:
    for _ in range(4):
        if not codes:
            return
        if prompt.asked.takes_many:
            some = rng.sample(range(len(codes)), min(len(codes), rng.choice((1, 2, 3, 4, 6))))
            answer = " ".join(codes[place] for place in sorted(some))
        else:
            answer = codes[min(int(rng.expovariate(slope)), len(codes) - 1)]
        if session.answer(prompt, answer) is None:
            return


def _codes(session: FormSession, prompt: Prompt) -> list[str] | None:
    """Return the codes that a question offers now, in the order of its list; None where it has none."""
    offered = session.offered_codes(prompt)
    if offered is None:
        return None
    listed = session.program.definition.choices_of(prompt.asked.spec.path) or ()
    ordered = [choice.value for choice in listed if choice.value in offered]
    return ordered or sorted(offered)


def _outline(definition: FormDefinition) -> bytes:
    """Return the blank form in document order, for one whose rules nobody here can follow."""
    return _written(definition.root).encode()


def _written(node: ModelNode) -> str:
    if not node.children:
        return f"<{node.name}>{node.default}</{node.name}>"
    return f"<{node.name}>{''.join(_written(child) for child in node.children)}</{node.name}>"
