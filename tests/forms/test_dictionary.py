"""The dictionary of a form: made from the form alone, and worth its bytes."""

import itertools
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forms import dictionary
from forms.definition import FormDefinition
from forms.dictionary import DICTIONARY_BYTES, make_dictionary
from forms.filling import fill
from tests.forms.conftest import NOW
from tests.forms.interviews import COMPLETE, VARIED
from tests.forms.small import ask, bind, form

BEFORE = b'{"device_time":"2026-11-24T08:00:00+00:00"}'


def deflated(plain: bytes, zdict: bytes = b"") -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=zdict)
    return deflater.compress(plain) + deflater.flush()


def interview(definition: FormDefinition, name: str) -> bytes:
    numbers = itertools.count(1)
    return fill(definition, VARIED[name], now=NOW, new_uuid=lambda: f"{next(numbers):032x}", device_id="tablet 1").xml


@pytest.fixture(scope="module")
def of_hh_remit(hh_remit: FormDefinition) -> bytes:
    return make_dictionary(hh_remit, before=BEFORE)


def test_an_interview_takes_under_half_of_what_it_takes_without(hh_remit: FormDefinition, of_hh_remit: bytes) -> None:
    assert len(of_hh_remit) <= DICTIONARY_BYTES
    plain = {name: BEFORE + interview(hh_remit, name) for name in VARIED}
    with_it = {name: len(deflated(xml, of_hh_remit)) for name, xml in plain.items()}
    assert all(length < 0.5 * len(deflated(plain[name])) for name, length in with_it.items())
    assert sum(with_it.values()) < 0.4 * sum(len(deflated(xml)) for xml in plain.values())


def test_the_same_form_has_the_same_dictionary_without_answers(hh_remit: FormDefinition, of_hh_remit: bytes) -> None:
    assert make_dictionary(hh_remit, before=BEFORE) == of_hh_remit
    texts = [value for value in COMPLETE.values() if isinstance(value, str) and len(value) > 6]
    assert texts
    assert all(text.encode() not in of_hh_remit for text in texts if not text.startswith("2026"))


def test_what_goes_before_an_interview_stands_before_the_nearest_one(of_hh_remit: bytes) -> None:
    assert of_hh_remit.count(BEFORE) == 1
    assert of_hh_remit.rindex(BEFORE) == of_hh_remit.rindex(b"<?xml") - len(BEFORE)


def test_defaults_are_in_it() -> None:
    xform = form(
        instance="<colour/><n>7</n>",
        binds=bind("/data/colour") + bind("/data/n", "int"),
        body=ask("/data/colour"),
    )
    made = make_dictionary(FormDefinition.parse(xform))
    assert b"<n>7</n>" in made
    assert 0 < len(made) <= DICTIONARY_BYTES


def test_a_form_with_rules_that_cannot_be_followed_has_its_outline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictionary, "_interviews", lambda _: iter(()))
    made = make_dictionary(FormDefinition.parse(form(instance="<a>1</a><b/>")), before=BEFORE)
    assert made.startswith(BEFORE + b"<data><a>1</a><b></b>")


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400), st.integers(1, 60))
def test_a_long_form_has_no_longer_dictionary_and_does_not_take_for_ever(questions: int, length: int) -> None:
    names = [f"q{'x' * length}{number}" for number in range(questions)]
    xform = form(
        instance="".join(f"<{name}/>" for name in names),
        binds="".join(bind(f"/data/{name}", "int") for name in names),
        body="".join(ask(f"/data/{name}") for name in names),
    )
    patch = pytest.MonkeyPatch()
    patch.setattr(dictionary, "QUESTIONS", 400)
    made = make_dictionary(FormDefinition.parse(xform), before=BEFORE)
    patch.undo()
    assert 0 < len(made) <= DICTIONARY_BYTES
