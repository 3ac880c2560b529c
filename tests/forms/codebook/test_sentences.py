"""Expressions in words: what can be said is said, the rest is quoted, and nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms.codebook.bounds import Bounds, bounds
from forms.codebook.languages import readable, tag
from forms.codebook.sentences import Speaker
from forms.codebook.written import written
from forms.definition import FormDefinition
from forms.structure import decimal
from forms.xpath.syntax import XPathError, parse


@pytest.fixture(scope="module")
def english(hh_remit: FormDefinition) -> Speaker:
    return Speaker.of(hh_remit, "en")


@pytest.fixture(scope="module")
def french(hh_remit: FormDefinition) -> Speaker:
    return Speaker.of(hh_remit, "fr")


def test_a_condition_names_the_question_and_the_choice(english: Speaker, french: Speaker) -> None:
    assert (
        english.universe("/data/a/a_repl_reason")
        == "every interview, if a_replacement (Is this an authorised replacement household?) = 1 Yes"
    )
    assert (
        french.universe("/data/a/a_repl_reason")
        == "chaque entretien, si a_replacement (Est-ce un ménage de remplacement autorisé ?) = 1 Oui"
    )


def test_conditions_of_everything_around_a_question_are_joined(english: Speaker) -> None:
    assert (
        english.universe("/data/b/b_refusal")
        == "every interview, if contact_ok = 1 and b_consent (Do you agree to the interview?) = 2 No"
    )
    assert english.universe("/data/c/member/c_educ").startswith(
        "each row of member (Member), if last_module ≥ 3 and c_age"
    )


@pytest.mark.parametrize(
    ("expression", "in_english", "in_french"),
    [
        ("true()", "always", "toujours"),
        ("false()", "never", "jamais"),
        (". >= 1 and . <= 6", "the answer is from 1 to 6", "la réponse va de 1 à 6"),
        (". > 0 and . <= 6", "the answer > 0 and ≤ 6", "la réponse > 0 et ≤ 6"),
        (". != ''", "the answer is answered", "la réponse a une réponse"),
        ("5 < /data/go", "go > 5", "go > 5"),
        (
            "/data/go = 1 or (/data/go = 2 and /data/go != 3)",
            "go = 1 or (go = 2 and go ≠ 3)",
            "go = 1 ou (go = 2 et go ≠ 3)",
        ),
        ("not(/data/go = 1)", "not (go = 1)", "pas (go = 1)"),
        ("string-length(/data/e_keys) > 0", "e_keys is answered", "e_keys a une réponse"),
        ("count-selected(/data/e_keys) = 0", "e_keys is not answered", "e_keys n'a pas de réponse"),
        ("/data/go = -1", "go = −1", "go = −1"),
        ("/data/go = 'a b'", "go = “a b”", "go = « a b »"),
        ("/data/go * (2 + /data/go) = 4", "go × (2 + go) = 4", "go × (2 + go) = 4"),
        ("odd-function(/data/go)", "“odd-function(/data/go)”", "« odd-function(/data/go) »"),
        ("/data/go = 1 and odd(3)", "go = 1 and “odd(3)”", "go = 1 et « odd(3) »"),
        ("/data/nowhere = 1", "“/data/nowhere = 1”", "« /data/nowhere = 1 »"),
        ("if(", "“if(”", "« if( »"),
        ("if(/data/go = 1, . = 2, . = 3)", "(the answer = 2) if go = 1, otherwise (the answer = 3)", None),
        ("today() > .", "today > the answer", None),
    ],
)
def test_expressions_are_said_in_both_languages(
    english: Speaker, french: Speaker, expression: str, in_english: str, in_french: str | None
) -> None:
    assert english.condition(expression, at="/data/a/n_visits") == in_english
    if in_french is not None:
        said = french.condition(expression, at="/data/a/n_visits")
        assert said.replace("\N{NO-BREAK SPACE}", " ") == in_french


def test_an_alternative_among_several_conditions_is_bracketed(english: Speaker) -> None:
    either = ("/data/e_n", "/data/go = 1 or /data/go = 2")
    assert english.conditions([either]) == "go = 1 or go = 2"
    assert english.conditions([either, ("/data/go", "/data/last_module > 3"), either]) == (
        "(go = 1 or go = 2) and last_module > 3"
    )


def test_selected_says_what_a_question_of_its_kind_can_hold(english: Speaker) -> None:
    several = "selected(/data/e/worker/e_items, '0')"
    assert english.condition(several, at="/data/go").endswith("includes 0 Nothing")
    assert english.condition(f"not({several})", at="/data/go").endswith("does not include 0 Nothing")
    one = english.condition("selected(/data/b/b_consent, '1')", at="/data/go")
    assert one == "b_consent (Do you agree to the interview?) = 1 Yes"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("position(..)", "the row number"),
        ("count(/data/c/member)", "the number of rows of member (Member)"),
        ("sum(/data/c/member/c_elig)", "the sum of c_elig"),
        ("if(/data/go = 1, 2, 3)", "2 if go = 1, otherwise 3"),
        ("round(/data/go div 3, 2)", "(go ÷ 3), rounded to 2 decimals"),
        ("substr(/data/e_keys, 0, 2)", "characters 1 to 2 of e_keys"),
        ("substr(/data/e_keys, 2, 3)", "character 3 of e_keys"),
        ("selected-at(/data/e_keys, position(..) - 1)", "choice number the row number in e_keys"),
        ("selected-at(/data/e_keys, 0)", "choice number 1 in e_keys"),
        ("/data/c/member[2]/c_elig", "c_elig of row 2 of member (Member)"),
        ("/data/c/member[c_elig = 1]/c_line", "c_line of the rows of member (Member) where c_elig = 1"),
        ("instance('currency')/root/item[name = /data/go]/rate", "rate in the list currency where name = go"),
        ("/data/go = 1", "go = 1"),
        ("some-thing(1)", "“some-thing(1)”"),
        ("", ""),
    ],
)
def test_calculations_are_said(english: Speaker, expression: str, said: str) -> None:
    assert english.calculation(expression, at="/data/h/h_month") == said


def test_required_is_yes_no_or_a_condition(hh_remit: FormDefinition, small_definition: FormDefinition) -> None:
    assert Speaker.of(hh_remit, "fr").required("/data/a/a_replacement") == "oui"
    speaker = Speaker.of(small_definition, "en")
    assert speaker.required("/data/a/age") == "yes"
    assert speaker.required("/data/a/tools") == "no"
    assert speaker.required("/data/a/old") == "if who (Who is it?) is answered"


names = st.sampled_from(["/data/go", ".", "..", "../x", "/data/c/member/c_age", "@a", "*", "//x", "current()/../c_age"])
literals = st.one_of(
    st.integers(0, 99).map(str), st.sampled_from(["'1'", "''", '"it\'s"', "'%d {0} {*}'", "0.5", "1e9"])
)
FUNCTIONS = (
    "selected not if count substr selected-at regex coalesce position concat uuid true indexed-repeat round boolean"
    " string-length jr:choice-name unheard-of instance pulldata"
)
functions = st.sampled_from(FUNCTIONS.split())


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(
        inner, st.sampled_from(["and", "or", "=", "!=", "<", ">=", "+", "-", "*", "div", "mod", "|"]), inner
    )
    return st.one_of(
        binary.map(lambda three: f"({three[0]} {three[1]} {three[2]})"),
        st.tuples(functions, st.lists(inner, max_size=4)).map(lambda pair: f"{pair[0]}({', '.join(pair[1])})"),
        st.tuples(names, inner).map(lambda pair: f"{pair[0]}[{pair[1]}]/y"),
        st.tuples(inner, inner).map(lambda pair: f"instance('l')/root/item[{pair[0]} = {pair[1]}]/n"),
        inner.map(lambda one: f"-({one})"),
    )


expressions = st.recursive(names | literals, calls, max_leaves=25)


@given(expression=expressions | st.text(max_size=40))
def test_every_expression_gives_a_sentence_and_none_raises(english: Speaker, french: Speaker, expression: str) -> None:
    for speaker in (english, french):
        said = speaker.condition(expression, at="/data/c/member/c_age")
        assert bool(said) == bool(expression.strip())
        assert bool(speaker.calculation(expression, at="/data/c/member/c_age")) == bool(expression.strip())


@given(expression=expressions)
def test_a_quoted_part_reads_back_as_the_same_expression(expression: str) -> None:
    try:
        tree = parse(expression)
    except XPathError:
        return
    again = parse(written(tree))
    assert written(again) == written(tree)


def test_an_expression_nested_beyond_sense_is_quoted_as_it_is(english: Speaker) -> None:
    chain = " + ".join(["1"] * 150)
    deep = "not(" * 70 + f"{chain} = 1" + ")" * 70
    assert english.condition(deep, at="/data/go") == f"“{deep}”"
    assert english.calculation(chain, at="/data/go") == f"“{chain}”"
    assert bounds(deep) is None


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (". >= 1 and . <= 6", Bounds("1", "6")),
        (". > 0 and . < 10.5 and . < 7", Bounds("0", "7", is_low_exclusive=True, is_high_exclusive=True)),
        (". >= -5", Bounds("-5", "")),
        (". <= 6 and . < 6", Bounds("", "6", is_high_exclusive=True)),
        (". >= 1 or . <= 6", None),
        ("../x >= 1", None),
        (". >= ../x", None),
        (". >=", None),
        ("", None),
    ],
)
def test_the_interval_of_a_constraint_is_read_where_it_is_plain(constraint: str, expected: Bounds | None) -> None:
    assert bounds(constraint) == expected


@given(low=st.integers(-99, 99), high=st.integers(-99, 99), more=st.integers(-99, 99))
def test_an_interval_is_never_wider_than_its_constraint(low: int, high: int, more: int) -> None:
    found = bounds(f". >= {low} and . < {high} and . > {more}")
    assert found is not None
    assert decimal(found.low) == max(low, more)
    assert found.is_low_exclusive == (more >= low)
    assert (decimal(found.high), found.is_high_exclusive) == (high, True)


def test_labels_are_readable_on_one_line() -> None:
    assert readable("**Who** is\n { /data/a/who }?  <b>Say</b>") == "Who is [who]? Say"
    assert readable("{ concat(1, 2) }") == "[…]"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("English (en)", "en"),
        ("Português (pt-BR)", "pt-BR"),
        ("fr", "fr"),
        ("Français", "fr"),
        ("Langue nationale 1", "x-Langue-national-e-1"),
        ("日本語", "und"),
        ("", "und"),
    ],
)
def test_every_language_name_has_a_tag(name: str, expected: str) -> None:
    assert tag(name) == expected
