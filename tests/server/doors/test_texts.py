"""Messages to tablets: each in both languages, each with something to do, none with a placeholder left in it."""

import re

import pytest

from server.api.openrosa import texts
from server.errors import Problem, all_problems

DOOR_SLUGS = {
    "bad-request",
    "forbidden",
    "internal",
    "length-required",
    "maintenance",
    "malformed",
    "method-not-allowed",
    "not-authenticated",
    "not-found",
    "rate-limited",
    "storage-full",
    "submission-unreadable",
    "too-large",
}


def test_every_text_is_there_in_every_language_and_every_refusal_is_a_known_problem() -> None:
    assert all(set(said) == set(texts.LANGUAGES) for said in texts.TEXTS.values())
    slugs = {made.slug for made in all_problems()} | {Problem.slug}
    assert DOOR_SLUGS <= texts.TEXTS.keys() - {texts.SAFE, texts.PART} <= slugs


@pytest.mark.parametrize("language", [*texts.LANGUAGES, "", "sw"])
@pytest.mark.parametrize("made", [*all_problems(), Problem], ids=lambda made: made.slug)
def test_a_refusal_never_quotes_its_detail_and_is_whole(made: type[Problem], language: str) -> None:
    said = texts.refusal(made("a detail with an answer"), language)
    assert "answer with" not in said
    assert "a detail" not in said
    assert not re.search(r"[{}]", said)
    assert (" / " in said) == (language not in texts.LANGUAGES)


@pytest.mark.parametrize(
    ("count", "what"), [(0, "the form."), (1, "the form and 1 file."), (2, "the form and 2 files.")]
)
def test_files_are_counted_as_people_do(count: int, what: str) -> None:
    assert texts.received("en", file_count=count, is_part=False).endswith(what)
    assert texts.received("en", file_count=count, is_part=True).startswith("Part received and safe: " + what[:-1])
