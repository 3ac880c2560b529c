"""The questionnaire of a form on paper: one HTML page that a browser shows and prints.

Modules are headings, questions are numbered, codes have boxes, conditions stand in words, and a repeat is a table with
questions down and its rows across. With two languages each text stands twice, side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from forms.codebook.answer_space import add_answer_space
from forms.codebook.languages import Language, tag, text_in
from forms.codebook.layout import Asked, Block, Item, Layout, LongList, Roster, Shown, is_long, lay_out
from forms.codebook.pages import add, add_text, page, rendered
from forms.codebook.paper_words import PAPER_WORDS, PaperWords
from forms.codebook.variables import Category
from forms.definition import FormDefinition
from forms.model import Texts

MOST_LANGUAGES: Final = 2


@dataclass(frozen=True, slots=True)
class _Voice:
    """One language of the page: the form's, and ours that stands beside it."""

    form_language: str
    default: str
    ours: Language
    words: PaperWords

    @property
    def tag(self) -> str:
        return tag(self.form_language) if self.form_language else self.ours


def questionnaire_page(definition: FormDefinition, languages: Sequence[str] = ()) -> str:
    """Return the printable questionnaire as HTML.

    Args:
        definition: of the form version.
        languages: one or two languages of the form by their tags, such as ``fr``; none means its default one.

    Raises:
        ValueError: the form has no such language, or more than two are wanted.
    """
    voices = [_voice(definition, wanted) for wanted in dict.fromkeys(languages)] or [_voice(definition, None)]
    if len(voices) > MOST_LANGUAGES:
        raise ValueError(f"at most {MOST_LANGUAGES} languages stand side by side")
    layout = lay_out(definition)
    html, main = page(language=voices[0].tag, title=f"{definition.title} ({definition.form_id} {definition.version})")
    _Writer(layout, voices).write(main)
    return rendered(html)


def _voice(definition: FormDefinition, wanted: str | None) -> _Voice:
    known = {tag(language): language for language in definition.languages}
    if wanted is None or (not known and wanted in PAPER_WORDS):
        chosen = definition.default_language
    elif wanted in known or wanted in definition.languages:
        chosen = known.get(wanted, wanted)
    else:
        raise ValueError(f"the form has no language “{wanted}”, but {', '.join(known) or 'one without a name'}")
    short = (tag(chosen) if chosen else wanted or "en").partition("-")[0]
    ours: Language = "fr" if short == "fr" else "en"
    return _Voice(chosen, definition.default_language, ours, PAPER_WORDS[ours])


class _Writer:
    """Writes a layout into a page."""

    def __init__(self, layout: Layout, voices: Sequence[_Voice]) -> None:
        self.layout, self.voices = layout, voices
        self.is_first = True

    def write(self, main: etree._Element) -> None:
        definition = self.layout.definition
        add(main, "h1", definition.title)
        for voice in self.voices:
            add(
                main,
                "p",
                voice.words.version.format(definition.form_id, definition.version),
                class_="meta",
                lang=voice.ours,
            )
        for module in self.layout.modules:
            self._module(main, module)
        if self.layout.lists:
            self._heading(main, "h2", self._words("lists"))
            for listed in self.layout.lists:
                self._long_list(main, listed)
        if self.layout.worked_out:
            self._worked_out(main)

    def _module(self, main: etree._Element, module: Block) -> None:
        section = add(main, "section")
        if module.labels:
            self._heading(section, "h2", module.labels)
        elif len(self.layout.modules) == 1:
            self._heading(section, "h2", self._words("questions"))
        self._condition(section, module.condition, "module_only")
        self._items(section, module.items)

    def _heading(self, parent: etree._Element, level: str, texts: Texts) -> None:
        heading = add(parent, level)
        if level == "h2" and self.is_first:
            heading.set("class", "first")
            self.is_first = False
        shown = dict.fromkeys(self._in(texts, voice) for voice in self.voices)
        heading.text = " / ".join(text for text in shown if text)

    def _items(self, parent: etree._Element, items: Sequence[Item]) -> None:
        for item in items:
            match item:
                case Asked():
                    self._question(parent, item)
                case Shown():
                    box = add(parent, "div", class_="shown")
                    self._condition(box, item.condition)
                    self._say(box, item.texts)
                case Block():
                    if item.labels:
                        self._heading(parent, "h3", item.labels)
                    self._condition(parent, item.condition)
                    self._items(parent, item.items)
                case Roster():
                    self._roster(parent, item)

    def _question(self, parent: etree._Element, asked: Asked) -> None:
        box = add(parent, "div", class_="question")
        add(box, "span", asked.number, class_="number")
        self._ask(box, asked)
        if asked.variable.categories is not None and not is_long(asked.variable):
            self._boxes(box, asked.variable.categories)
        else:
            add_answer_space(box, asked, self.voices[0].words)
        self._after(box, asked)

    def _ask(self, box: etree._Element, asked: Asked) -> None:
        self._condition(box, asked.condition)
        self._say(box, asked.variable.labels or {"": asked.variable.name}, class_="text")
        for texts in (asked.variable.hints, asked.variable.guidance):
            if texts:
                self._say(box, texts, class_="hint", before="hint")
        for note in self._how(asked):
            self._say_ours(box, note, class_="hint")

    def _how(self, asked: Asked) -> list[Mapping[Language, str]]:
        """Return how to answer, by kind of question."""
        variable = asked.variable
        notes: list[Mapping[Language, str]] = []
        ways = {"select_multiple": "mark_all", "rank": "rank"}
        if variable.kind in ways:
            notes.append(self._ours(ways[variable.kind]))
        if is_long(variable):
            notes.append(self._ours("code_from", variable.choice_list or variable.name))
        elif variable.choice_list and variable.categories is None:
            notes.append(self._ours("file_list", variable.choice_list))
        if asked.is_filtered:
            notes.append(self._ours("filtered"))
        if variable.source == "asked" and variable.required["en"] == "no":
            notes.append(self._ours("optional"))
        return notes

    def _after(self, box: etree._Element, asked: Asked) -> None:
        variable = asked.variable
        if variable.constraint_messages:
            self._say(box, variable.constraint_messages, class_="check", before="check")
        elif variable.constraint_expression:
            said = {one: f"{PAPER_WORDS[one].check} {text}" for one, text in asked.check.items()}
            self._say_ours(box, said, class_="check")
        add(box, "span", variable.name, class_="name")

    def _boxes(self, parent: etree._Element, categories: Sequence[Category]) -> None:
        codes = add(parent, "ul", class_="codes")
        for category in categories:
            line = add(codes, "li")
            add(line, "span", class_="box", aria_hidden="true")
            add(line, "span", category.code, class_="code")
            add_text(line, " ")
            self._label(line, category)

    def _label(self, parent: etree._Element, category: Category) -> None:
        shown = {self._in(category.labels, voice): voice for voice in reversed(self.voices)}
        for place, (text, voice) in enumerate(reversed(shown.items())):
            if place:
                add_text(parent, " / ")
            add(parent, "span", text, lang=voice.tag)

    def _roster(self, parent: etree._Element, roster: Roster) -> None:
        nested = [item for item in roster.items if isinstance(item, Roster)]
        self._heading(parent, "h3", roster.labels)
        self._condition(parent, roster.condition)
        if any(roster.count.values()):
            self._say_ours(
                parent,
                {one: PAPER_WORDS[one].rows_count.format(said) for one, said in roster.count.items()},
                class_="count",
            )
        else:
            self._say_ours(parent, self._ours("rows_until"), class_="count")
        if roster.above:
            self._which_row(parent, roster)
        title = self._in(roster.labels, self.voices[0])
        around = add(parent, "div", class_="scroll", tabindex="0", role="region", aria_label=title)
        table = add(around, "table", class_="roster")
        self._roster_head(table, roster, title)
        self._roster_rows(add(table, "tbody"), roster.items, roster.rows)
        self._say_ours(parent, self._ours("more_rows"), class_="count")
        for inner in nested:
            self._roster(parent, inner)

    def _which_row(self, parent: etree._Element, roster: Roster) -> None:
        voice = self.voices[0]
        line = add(parent, "p", voice.words.for_each.format(self._in(roster.above, voice)), lang=voice.ours)
        digits = add(line, "span", class_="digits", aria_hidden="true")
        add(digits, "i")
        add(digits, "i")

    def _roster_head(self, table: etree._Element, roster: Roster, title: str) -> None:
        words = self.voices[0].words
        add(add(table, "caption"), "span", title, class_="hidden")
        row = add(add(table, "thead"), "tr")
        add(row, "th", words.question, scope="col", class_="ask")
        for number in range(1, roster.rows + 1):
            add(row, "th", str(number), scope="col", aria_label=f"{words.row} {number}")

    def _roster_rows(self, body: etree._Element, items: Sequence[Item], rows: int) -> None:
        for item in items:
            match item:
                case Asked():
                    line = add(body, "tr")
                    head = add(line, "th", scope="row", class_="ask")
                    add(head, "strong", f"{item.number} ")
                    self._ask(head, item)
                    self._inline_codes(head, item)
                    self._after(head, item)
                    for _ in range(rows):
                        add(line, "td")
                case Shown() | Block():
                    cell = add(add(body, "tr"), "th", class_="within", colspan=str(rows + 1), scope="rowgroup")
                    self._condition(cell, item.condition)
                    self._say(cell, item.texts if isinstance(item, Shown) else item.labels)
                    if isinstance(item, Block):
                        self._roster_rows(body, item.items, rows)

    def _inline_codes(self, parent: etree._Element, asked: Asked) -> None:
        if asked.variable.categories is None or is_long(asked.variable):
            return
        codes = add(parent, "ul", class_="inline")
        for category in asked.variable.categories:
            line = add(codes, "li")
            add(line, "strong", f"{category.code} ")
            self._label(line, category)

    def _long_list(self, main: etree._Element, listed: LongList) -> None:
        words = self.voices[0].words
        add(main, "h3", listed.name)
        self._say_ours(main, self._ours("used_by", ", ".join(listed.used_by)), class_="count")
        codes = add(main, "ul", class_="codes")
        codes.set("aria-label", f"{words.lists}: {listed.name}")
        for category in listed.categories:
            line = add(codes, "li")
            add(line, "span", category.code, class_="code")
            add_text(line, " ")
            self._label(line, category)

    def _worked_out(self, main: etree._Element) -> None:
        self._heading(main, "h2", self._words("worked_out"))
        self._say_ours(main, self._ours("worked_out_note"), class_="count")
        values = add(main, "dl")
        for value in self.layout.worked_out:
            add(values, "dt", value.name, class_="name")
            for voice in self.voices:
                add(values, "dd", value.calculation[voice.ours], lang=voice.ours)

    def _condition(self, parent: etree._Element, condition: Mapping[Language, str], word: str = "only") -> None:
        if any(condition.values()):
            said = {one: getattr(PAPER_WORDS[one], word).format(text) for one, text in condition.items()}
            self._say_ours(parent, said, class_="only")

    def _say(self, parent: etree._Element, texts: Texts, *, class_: str = "", before: str = "") -> None:
        """Write a text of the form in each language of the page; once where it is the same."""
        shown = {self._in(texts, voice): voice for voice in reversed(self.voices)}
        around = add(parent, "div", class_="pair") if len(shown) > 1 else parent
        for text, voice in reversed(shown.items()):
            said = f"{getattr(voice.words, before)} {text}" if before else text
            paragraph = add(around, "p", said, lang=voice.tag)
            if class_:
                paragraph.set("class", class_)

    def _say_ours(self, parent: etree._Element, said: Mapping[Language, str], *, class_: str) -> None:
        languages = dict.fromkeys(voice.ours for voice in self.voices)
        around = add(parent, "div", class_="pair") if len(languages) > 1 else parent
        for language in languages:
            add(around, "p", said[language], class_=class_, lang=language)

    def _ours(self, word: str, *parts: str) -> dict[Language, str]:
        return {language: getattr(words, word).format(*parts) for language, words in PAPER_WORDS.items()}

    def _words(self, word: str) -> Texts:
        return {voice.form_language: getattr(voice.words, word) for voice in self.voices}

    def _in(self, texts: Texts, voice: _Voice) -> str:
        return text_in(texts, voice.form_language, voice.default)
