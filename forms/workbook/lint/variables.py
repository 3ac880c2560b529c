"""What names become in Stata and SPSS, and whether personal data are marked.

Limits: Stata 18 User's Guide 11.3 (32 characters; reserved words); IBM SPSS Statistics 29, "Variable names" (64 bytes,
reserved words, case does not count).
"""

import re
from collections.abc import Iterator
from typing import Final

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint import vocabulary as words
from forms.workbook.lint.form import Form, Item

STATA_CHARACTERS: Final = 32
SPSS_BYTES: Final = 64
_STATA_WORDS: Final = frozenset(
    {"_all", "_b", "byte", "_coef", "_cons", "double", "float", "if", "in", "int", "long", "_n", "_N", "_pi", "_pred"}
    | {"_rc", "_skip", "strL", "using", "with"}
)
_SPSS_WORDS: Final = frozenset({"all", "and", "by", "eq", "ge", "gt", "le", "lt", "ne", "not", "or", "to", "with"})
_PERSONAL: Final = re.compile(
    r"(?:^|_)(?:phone|telephone|tel|mobile_number|cellphone|passport|national_id|nid|id_number|id_card|iban|account_number"
    r"|e?mail|first_name|last_name|full_name|surname|given_name|nom|prenom|nom_complet|respondent_name|person_name"
    r"|name_of_\w+|address|adresse|gps|latitude|longitude|birth_date|date_of_birth|dob|date_naissance|telephone"
    r"|portable|passeport)(?:_?\d*)(?:$|_)"
)


def _asked(form: Form) -> Iterator[Item]:
    for item in form.items:
        if item.name and not item.is_container and item.type not in words.NOTES | words.FILE_TYPES | {"audit"}:
            yield item


def lengths(form: Form) -> Iterator[WorkbookFinding]:
    """Find names that Stata or SPSS would cut or refuse."""
    for item in _asked(form):
        number, size = item.row.number, len(item.name.encode())
        if size > SPSS_BYTES:
            yield form.survey.find("name-too-long-for-spss", number, "name", name=item.name, length=size)
        elif len(item.name) > STATA_CHARACTERS:
            yield form.survey.find("name-too-long-for-stata", number, "name", name=item.name, length=len(item.name))
        if re.search(r"[^\w]", item.name) or item.name in _STATA_WORDS or item.name.lower() in _SPSS_WORDS:
            yield form.survey.find("name-not-for-statistics", number, "name", name=item.name)


def clashes(form: Form) -> Iterator[WorkbookFinding]:
    """Find names of one table (the form, or a repeat) that differ in case only, over the groups."""
    seen: dict[tuple[int, str], Item] = {}
    for item in _asked(form):
        table = item.repeats[0] if item.repeats else None
        key = (id(table), item.name.lower())
        other = seen.setdefault(key, item)
        if other.name != item.name and other.parent is not item.parent:
            yield form.survey.find(
                "column-names-clash",
                item.row.number,
                "name",
                name=item.name,
                other=other.name,
                row_of_other=other.row.number,
            )


def personal_data(form: Form) -> Iterator[WorkbookFinding]:
    """Find questions that may identify people and that nobody has marked."""
    for item in _asked(form):
        number, mark = item.row.number, item.row.get("pii")
        if mark:
            if mark not in words.PII_CLASSES:
                yield form.survey.find("pii-unknown", number, "pii", value=mark)
        elif _is_open(item):
            yield form.survey.find("pii-not-marked", number, "pii", name=item.name)
        elif _PERSONAL.search(item.name.lower()) and item.type not in words.PHONES and not item.list_name:
            yield form.survey.find("pii-in-analysis", number, "pii", name=item.name)


def _is_open(item: Item) -> bool:
    """Say whether answers are free text, positions or pictures, which are kept with the identifiers."""
    is_text = item.type in words.TEXTS and not item.row.get("calculation")
    return is_text or item.type in words.POINTS | words.FILES


RULES: Final = (lengths, clashes, personal_data)
