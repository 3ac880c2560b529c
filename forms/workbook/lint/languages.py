"""Languages: the same in every column, with a code, and with every text translated."""

import re
from collections.abc import Iterator
from typing import Final

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint.form import HEADER, Form, Page
from forms.workbook.lint.vocabulary import TRANSLATED

_CODE: Final = re.compile(r"\([A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*\)\s*$")
_LETTERS: Final = re.compile(r"\s*\([^)]*\)|[\W_]+")


def _pages(form: Form) -> tuple[Page, ...]:
    return (form.survey,) if form.choices is None else (form.survey, form.choices)


def _languages(form: Form) -> dict[str, tuple[Page, str]]:
    """Return each language with the page and the column where it is first."""
    found: dict[str, tuple[Page, str]] = {}
    for page in _pages(form):
        for header in page.headers:
            if header.language and header.column in TRANSLATED:
                found.setdefault(header.language, (page, header.column))
    return found


def names_of_languages(form: Form) -> Iterator[WorkbookFinding]:
    """Judge how languages are written."""
    languages = _languages(form)
    seen: dict[str, str] = {}
    for language, (page, column) in languages.items():
        alike = _LETTERS.sub("", language).casefold()
        if alike in seen:
            yield page.find("language-twice", HEADER, column, language=language, name=seen[alike], other=language)
        seen.setdefault(alike, language)
        if not _CODE.search(language) and language != "default":
            yield page.find("language-without-code", HEADER, column, language=language, name=language)
    default = form.settings.get("default_language", "")
    has_plain_labels = any("" in page.languages("label") for page in _pages(form))
    if default and languages and default not in languages and not has_plain_labels:
        known = ", ".join(languages)
        yield form.find_setting("default-language-unknown", "default_language", name=default, known=known)


def columns(form: Form) -> Iterator[WorkbookFinding]:
    """Find columns that a language lacks, and columns that name none."""
    default = form.settings.get("default_language", "") or "default"
    for page in _pages(form):
        present = {header.column for header in page.headers if header.column in TRANSLATED}
        spoken = [one for one in dict.fromkeys(h.language for h in page.headers if h.column in present) if one]
        if not spoken:
            continue
        for column in sorted(present):
            have = page.languages(column)
            if "" in have and default not in spoken:
                yield page.find("language-mixed", HEADER, column, language="", name=column, lang=", ".join(spoken))
                continue
            for language in spoken:
                if language not in have and not ("" in have and language == default):
                    yield page.find("translation-column-missing", HEADER, column, name=column, lang=language)


def cells(form: Form) -> Iterator[WorkbookFinding]:
    """Find texts that are written in some of the languages of their column only."""
    for page in _pages(form):
        translated = {
            column: page.languages(column) for column in TRANSLATED if len(set(page.languages(column)) - {""}) > 1
        }
        for row in page.rows:
            for column, languages in translated.items():
                filled = [language for language in languages if row.texts.get((column, language))]
                lacking = [language for language in languages if language and language not in filled]
                if filled and lacking and "" not in filled:
                    yield page.find(
                        "translation-missing",
                        row.number,
                        column,
                        language=lacking[0],
                        name=column,
                        lang=", ".join(lacking),
                    )


def other_choices(form: Form) -> Iterator[WorkbookFinding]:
    """Find or_other in a form of languages: its choice is in English only."""
    if _languages(form):
        for item in form.items:
            if item.has_other:
                yield form.survey.find("or-other-untranslated", item.row.number, "type")


RULES: Final = (names_of_languages, columns, cells, other_choices)
