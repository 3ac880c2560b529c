"""The codebook as an HTML page, for one version or harmonised over all, in English or French."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from forms.codebook.harmonised import HarmonisedCategory, HarmonisedCodebook, HarmonisedVariable
from forms.codebook.languages import Language, form_language, tag, text_in
from forms.codebook.pages import add, add_text, page, rendered
from forms.codebook.variables import HOUSEHOLD, Codebook, Variable
from forms.model import Texts


@dataclass(frozen=True, slots=True)
class _Words:
    codebook: str
    version: str
    versions: str
    table: str
    household: str
    variables: str
    universe: str
    required: str
    check: str
    calculation: str
    codes: str
    kept: str
    leaves: str
    stays: str
    unclassified: str
    file: str
    changes: str
    earlier: str
    only_in: str
    from_to: str


_WORDS: Final[Mapping[Language, _Words]] = {
    "en": _Words(
        codebook="Codebook: {0}",
        version="Form {0}, version {1}",
        versions="Form {0}, versions {1}",
        table="Table {0}",
        household="One row an interview.",
        variables="{0} variables",
        universe="Universe",
        required="Answer required",
        check="Accepted if",
        calculation="Calculation",
        codes="Codes",
        kept="Kept in",
        leaves="{0}; leaves the office with the microdata; {1}",
        stays="{0}; never leaves the office; {1}",
        unclassified="not classified",
        file="in the file {0}",
        changes="Changes",
        earlier="Versions",
        only_in="only in {0}",
        from_to="{0} → {1}: ",
    ),
    "fr": _Words(
        codebook="Dictionnaire des variables : {0}",
        version="Formulaire {0}, version {1}",
        versions="Formulaire {0}, versions {1}",
        table="Table {0}",
        household="Une ligne par entretien.",
        variables="{0} variables",
        universe="Univers",
        required="Réponse obligatoire",
        check="Acceptée si",
        calculation="Calcul",
        codes="Codes",
        kept="Conservée dans",
        leaves="{0} ; sort du bureau avec les microdonnées ; {1}",
        stays="{0} ; ne sort jamais du bureau ; {1}",
        unclassified="non classée",
        file="dans le fichier {0}",
        changes="Changements",
        earlier="Versions",
        only_in="seulement dans {0}",
        from_to="{0} → {1} : ",
    ),
}


def codebook_page(codebook: Codebook, language: Language) -> str:
    """Return the codebook of one version as a page."""
    writer = _Writer(codebook, language)
    return writer.whole(
        writer.words.version.format(codebook.form_id, codebook.version),
        [(table.name, [(variable, None) for variable in table.variables]) for table in codebook.tables],
    )


def harmonised_page(codebook: HarmonisedCodebook, language: Language) -> str:
    """Return the codebook over all versions as a page."""
    writer = _Writer(codebook.latest, language)
    tables: dict[str, list[tuple[Variable, HarmonisedVariable | None]]] = {}
    for variable in codebook.variables:
        tables.setdefault(variable.latest.table, []).append((variable.latest, variable))
    meta = writer.words.versions.format(codebook.latest.form_id, ", ".join(codebook.versions))
    return writer.whole(meta, list(tables.items()), versions=codebook.versions)


class _Writer:
    def __init__(self, codebook: Codebook, language: Language) -> None:
        self.codebook, self.language, self.words = codebook, language, _WORDS[language]
        self.labels_in = form_language(codebook.languages, codebook.default_language, language)
        self.labels_tag = tag(self.labels_in) if self.labels_in else language

    def whole(
        self,
        meta: str,
        tables: Sequence[tuple[str, Sequence[tuple[Variable, HarmonisedVariable | None]]]],
        *,
        versions: tuple[str, ...] = (),
    ) -> str:
        title = self.words.codebook.format(self.codebook.title)
        html, main = page(language=self.language, title=title)
        add(main, "h1", title)
        add(main, "p", meta, class_="meta")
        for place, (name, variables) in enumerate(tables):
            section = add(main, "section")
            add(section, "h2", self.words.table.format(name), class_="first" if not place else "later")
            if name == HOUSEHOLD:
                add(section, "p", self.words.household, class_="meta")
            add(section, "p", self.words.variables.format(len(variables)), class_="meta")
            for variable, history in variables:
                self._variable(section, variable, history, versions)
        return rendered(html)

    def _variable(
        self, parent: etree._Element, variable: Variable, history: HarmonisedVariable | None, versions: tuple[str, ...]
    ) -> None:
        box = add(parent, "article")
        heading = add(box, "h3", variable.name)
        add_text(heading, " ")
        add(heading, "span", f"{variable.kind}, {variable.type}", class_="name")
        label = self._in(variable.labels)
        if label:
            add(box, "p", label, class_="text", lang=self.labels_tag)
        facts = add(box, "dl", class_="facts")
        self._fact(facts, self.words.universe, variable.universe[self.language])
        if variable.source == "asked":
            self._fact(facts, self.words.required, variable.required[self.language])
        self._fact(facts, self.words.check, variable.constraint[self.language])
        self._fact(facts, self.words.calculation, variable.calculation[self.language])
        if variable.choice_list and variable.categories is None:
            self._fact(facts, self.words.codes, self.words.file.format(variable.choice_list))
        kept = self.words.leaves if variable.is_exported else self.words.stays
        self._fact(facts, self.words.kept, kept.format(variable.store, variable.pii or self.words.unclassified))
        if history is None:
            self._codes(facts, [(one.code, one.labels, "") for one in variable.categories or ()])
        else:
            self._history(facts, history, versions)

    def _history(self, facts: etree._Element, history: HarmonisedVariable, versions: tuple[str, ...]) -> None:
        self._codes(facts, [self._code(one, history) for one in history.categories or ()])
        if history.versions != versions:
            self._fact(facts, self.words.earlier, ", ".join(history.versions))
        if history.notes:
            add(facts, "dt", self.words.changes)
        for note in history.notes:
            before = self.words.from_to.format(note.before, note.after)
            class_ = "note-grave" if note.is_grave else "note-slight"
            add(facts, "dd", f"{before}{note.text[self.language]}", class_=class_)

    def _code(self, one: HarmonisedCategory, history: HarmonisedVariable) -> tuple[str, Texts, str]:
        is_partial = one.versions != history.versions
        note = self.words.only_in.format(", ".join(one.versions)) if is_partial else ""
        return one.category.code, one.category.labels, note

    def _codes(self, facts: etree._Element, codes: Iterable[tuple[str, Texts, str]]) -> None:
        listed = list(codes)
        if not listed:
            return
        add(facts, "dt", self.words.codes)
        lines = add(add(facts, "dd"), "ul")
        for code, labels, note in listed:
            line = add(lines, "li")
            add(line, "strong", code)
            add_text(line, " ")
            add(line, "span", self._in(labels), lang=self.labels_tag)
            if note:
                add_text(line, f" ({note})")

    def _fact(self, facts: etree._Element, name: str, text: str) -> None:
        if text:
            add(facts, "dt", name)
            add(facts, "dd", text)

    def _in(self, texts: Texts) -> str:
        return text_in(texts, self.labels_in, self.codebook.default_language)
