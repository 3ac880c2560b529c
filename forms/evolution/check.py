"""Whether a migration map is right: it names what there is, every old code has an image, its rules can be followed."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from forms.definition import FormDefinition
from forms.evolution.aspects import answer_kind
from forms.evolution.conversions import read_factor
from forms.evolution.crosswalk import codes_of, crosswalk
from forms.evolution.declared import (
    CHANGES,
    CONVERTED,
    DROPPED,
    KEPT,
    NOT_COMPARABLE,
    RECODED,
    RECOMPUTED,
    RENAMED,
    RETYPED,
    SAME_MEANING,
    MapRow,
    MigrationMap,
)
from forms.evolution.map_words import RULES, map_finding
from forms.evolution.matching import pair, paths_named, places
from forms.evolution.plan import column_tree
from forms.evolution.recomputation import RuleError
from forms.workbook.findings import WorkbookFinding

_USED: Final[Mapping[str, frozenset[str]]] = {
    RENAMED: frozenset({"from"}),
    RECODED: frozenset({"from", "to", "rule"}),
    RETYPED: frozenset(),
    CONVERTED: frozenset({"rule"}),
    KEPT: frozenset({"from"}),
    DROPPED: frozenset({"from"}),
    RECOMPUTED: frozenset({"rule"}),
    SAME_MEANING: frozenset({"from"}),
    NOT_COMPARABLE: frozenset(),
}
_NEEDED: Final[Mapping[str, tuple[tuple[str, tuple[str, str]], ...]]] = {
    RENAMED: (("from", ("Write the old name there.", "Écrivez-y l'ancien nom.")),),
    RECODED: (
        ("from", ("Write the old code there.", "Écrivez-y l'ancien code.")),
        ("to", ("Write the new code there.", "Écrivez-y le nouveau code.")),
    ),
    CONVERTED: (("rule", ("Write a factor there, such as “* 4”.", "Écrivez-y un facteur, tel que « * 4 ».")),),
    RECOMPUTED: (
        (
            "rule",
            ("Write an expression over the old version there.", "Écrivez-y une expression sur l'ancienne version."),
        ),
    ),
}
_NAME_IT: Final = ("Write the name of the question there.", "Écrivez-y le nom de la question.")
_FATES: Final = frozenset({CONVERTED, RECOMPUTED, NOT_COMPARABLE})
_NUMBERS: Final = frozenset({"integer", "decimal"})
SHOWN: Final = 6


def check_map(before: FormDefinition, after: FormDefinition, declared: MigrationMap) -> tuple[WorkbookFinding, ...]:
    """Return everything that is wrong with a map, errors first; findings stand on the sheet ``map``.

    The map is usable (``upgrade_between`` follows all of it) when no finding is an error.
    """
    found = list(_Checker(before, after, declared).findings())
    return tuple(sorted(found, key=lambda finding: finding.severity != "error"))


class _Checker:
    def __init__(self, before: FormDefinition, after: FormDefinition, declared: MigrationMap) -> None:
        self.before, self.after, self.declared = before, after, declared
        self.pairing = pair(before, after, declared)
        self.back = {new: old for old, new in self.pairing.pairs.items()}
        self.old, self.new = places(before), places(after)
        self.checks: Mapping[str, Callable[[MapRow], Iterator[WorkbookFinding]]] = {
            RENAMED: self._renamed,
            RECODED: self._recoded,
            RETYPED: self._retyped,
            CONVERTED: self._converted,
            KEPT: self._kept,
            DROPPED: self._kept,
            RECOMPUTED: self._recomputed,
            SAME_MEANING: self._same_meaning,
            NOT_COMPARABLE: self._not_comparable,
        }

    def findings(self) -> Iterator[WorkbookFinding]:
        for row in self.declared.rows:
            cells = list(self._cells(row))
            yield from cells
            if not any(finding.severity == "error" for finding in cells):
                yield from self.checks[row.change](row)
        yield from self._doubled()
        yield from self._without_image()

    def _cells(self, row: MapRow) -> Iterator[WorkbookFinding]:
        if row.change not in CHANGES:
            more = ", ".join(CHANGES)
            yield map_finding("map-unknown-change", row=row.row, column="change", about=row.change, more=more)
            return
        filled = {"from": row.old, "to": row.new, "rule": row.rule}
        if not row.question:
            yield self._missing(row, "question", _NAME_IT)
        for cell, mend in _NEEDED.get(row.change, ()):
            if not filled[cell]:
                yield self._missing(row, cell, mend)
        for cell, text in filled.items():
            if text and cell not in _USED[row.change]:
                yield map_finding(
                    "map-unneeded-cell", row=row.row, column=cell, severity="warning", about=cell, change=row.change
                )

    def _missing(self, row: MapRow, cell: str, more: tuple[str, str]) -> WorkbookFinding:
        return map_finding("map-missing-cell", row=row.row, column=cell, about=cell, change=row.change, more=more)

    def _named(self, row: MapRow, definition: FormDefinition, name: str, column: str) -> str | WorkbookFinding:
        """Return the one path of a name, or the finding that there is none, or more than one."""
        found = paths_named(definition, name)
        if len(found) == 1:
            return found[0]
        code = "map-ambiguous-name" if found else "map-unknown-name"
        return map_finding(code, row=row.row, column=column, about=name, more=definition.version or "?")

    def _paired(self, row: MapRow, *, only_questions: bool = True) -> tuple[str, str] | WorkbookFinding:
        """Return the paths of a question before and after, or the finding that it is not in both versions."""
        new = self._named(row, self.after, row.question, "question")
        if isinstance(new, WorkbookFinding):
            return new
        old = self.back.get(new)
        if old is None or (only_questions and self.new[new].kind != "leaf"):
            return map_finding("map-not-in-both", row=row.row, column="question", about=row.question, change=row.change)
        return old, new

    def _renamed(self, row: MapRow) -> Iterator[WorkbookFinding]:
        old = self._named(row, self.before, row.old, "from")
        new = self._named(row, self.after, row.question, "question")
        for found in (old, new):
            if isinstance(found, WorkbookFinding):
                yield found
        if isinstance(old, str) and isinstance(new, str) and self.pairing.pairs.get(old) != new:
            yield map_finding("map-not-one-question", row=row.row, column="from", about=row.question, more=row.old)

    def _recoded(self, row: MapRow) -> Iterator[WorkbookFinding]:
        yield from self._code(row)
        paths = self._paired(row)
        if isinstance(paths, WorkbookFinding):
            return
        news = codes_of(self.after, paths[1])
        if news is not None and row.new not in news and (not row.rule or " " in row.new):
            yield map_finding("map-target-not-in-list", row=row.row, column="to", about=row.question, more=row.new)

    def _code(self, row: MapRow) -> Iterator[WorkbookFinding]:
        """Check the code of a row: its question has choices in both versions, and the old list has the code."""
        paths = self._paired(row)
        if isinstance(paths, WorkbookFinding):
            yield paths
            return
        olds, news = codes_of(self.before, paths[0]), codes_of(self.after, paths[1])
        if olds is None or news is None:
            yield map_finding("map-no-choices", row=row.row, column="question", about=row.question)
        elif row.old not in olds:
            yield map_finding("map-unknown-code", row=row.row, column="from", about=row.question, more=row.old)
        elif row.change == KEPT and row.old in news:
            yield map_finding("map-code-still-there", row=row.row, column="from", about=row.question, more=row.old)

    def _retyped(self, row: MapRow) -> Iterator[WorkbookFinding]:
        paths = self._paired(row)
        if isinstance(paths, WorkbookFinding):
            yield paths
        elif answer_kind(self.before, paths[0]) == answer_kind(self.after, paths[1]):
            yield map_finding("map-not-needed", row=row.row, column="change", severity="warning", about=row.question)

    def _converted(self, row: MapRow) -> Iterator[WorkbookFinding]:
        if read_factor(row.rule) is None:
            yield map_finding("map-bad-rule", row=row.row, column="rule", about=row.question, more=RULES["factor"])
        paths = self._paired(row)
        if isinstance(paths, WorkbookFinding):
            yield paths
            return
        kinds = answer_kind(self.before, paths[0]), answer_kind(self.after, paths[1])
        if not _NUMBERS.issuperset(kinds):
            yield map_finding(
                "map-type-mismatch", row=row.row, column="question", about=row.question, more=" → ".join(kinds)
            )

    def _kept(self, row: MapRow) -> Iterator[WorkbookFinding]:
        if row.old:
            yield from self._code(row)
            return
        old = self._named(row, self.before, row.question, "question")
        if isinstance(old, WorkbookFinding):
            yield old
        elif old in self.pairing.pairs:
            yield map_finding("map-still-there", row=row.row, column="question", about=row.question)

    def _recomputed(self, row: MapRow) -> Iterator[WorkbookFinding]:
        new = self._named(row, self.after, row.question, "question")
        if isinstance(new, WorkbookFinding):
            yield new
            return
        place = self.new[new]
        scope = self.back.get(place.scope)
        if place.kind != "leaf" or scope is None:
            yield map_finding("map-not-in-both", row=row.row, column="question", about=row.question, change=row.change)
        elif place.store != "analysis":
            yield map_finding("map-identifying", row=row.row, column="question", about=row.question)
        else:
            yield from self._rule(row, scope)

    def _rule(self, row: MapRow, scope: str) -> Iterator[WorkbookFinding]:
        try:
            column_tree(self.before).compile(row.rule, scope)
        except RuleError as error:
            if error.code == "other-store":
                yield map_finding("map-identifying", row=row.row, column="rule", about=error.about)
                return
            english, french = (text.replace("{more}", error.about) for text in RULES[error.code])
            yield map_finding("map-bad-rule", row=row.row, column="rule", about=row.question, more=(english, french))

    def _same_meaning(self, row: MapRow) -> Iterator[WorkbookFinding]:
        if row.old:
            yield from self._code(row)
            return
        new = self._named(row, self.after, row.question, "question")
        if isinstance(new, WorkbookFinding):
            yield new

    def _not_comparable(self, row: MapRow) -> Iterator[WorkbookFinding]:
        new = self._named(row, self.after, row.question, "question")
        if isinstance(new, WorkbookFinding):
            yield new

    def _doubled(self) -> Iterator[WorkbookFinding]:
        first: dict[tuple[str, ...], int] = {}
        for row in self.declared.rows:
            for key in _keys(row):
                if key in first:
                    column = "from" if row.old else "question"
                    about = f"{row.question} {row.old}".strip()
                    yield map_finding("map-doubled", row=row.row, column=column, about=about, more=str(first[key]))
                    break
                first[key] = row.row

    def _without_image(self) -> Iterator[WorkbookFinding]:
        settled = {
            path
            for row in self.declared.rows
            if row.change in (RECOMPUTED, NOT_COMPARABLE)
            for path in paths_named(self.after, row.question)
        }
        for old, new in self.pairing.pairs.items():
            if self.old.get(old) is None or self.old[old].kind != "leaf" or new in settled:
                continue
            codes = crosswalk(self.before, self.after, old, new, self.declared)
            if codes is not None and codes.missing:
                yield self._no_image(new, codes.missing)

    def _no_image(self, path: str, codes: tuple[str, ...]) -> WorkbookFinding:
        shown = ", ".join(codes[:SHOWN]) + (" …" if len(codes) > SHOWN else "")
        rows = [row.row for row in self.declared.rows if paths_named(self.after, row.question) == (path,)]
        return map_finding(
            "map-no-image",
            row=rows[0] if rows else None,
            column="from",
            about=self.new[path].node.name,
            more=(f"code {shown}", f"le code {shown}") if len(codes) == 1 else (f"codes {shown}", f"des codes {shown}"),
        )


def _keys(row: MapRow) -> Iterator[tuple[str, ...]]:
    """Yield what a row decides: no two rows may decide the same."""
    if row.change == RENAMED:
        yield ("renamed from", row.old)
        yield ("renamed to", row.question)
    elif row.old:
        yield ("code", row.question, row.old)
    elif row.change in _FATES:
        yield ("fate", row.question)
    elif row.change in (KEPT, DROPPED):
        yield ("end", row.question)
    else:
        yield (row.change, row.question)
