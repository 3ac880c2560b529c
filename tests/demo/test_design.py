import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.demo.country import Country
from server.demo.design import (
    DesignError,
    allocation,
    assign,
    check_digits,
    draw_psus,
    draw_survey,
    household_keys,
)
from server.demo.fieldwork import visit_households


def test_the_full_allocation_is_the_printed_one() -> None:
    assert allocation(320).tolist() == [
        22, 4, 10, 10, 8, 11, 8, 10, 9, 9, 7, 10, 7, 10, 6, 9, 6, 9, 9, 9,
        6, 9, 8, 8, 6, 9, 4, 8, 7, 8, 5, 8, 5, 7, 8, 7, 4, 8, 4, 8,
    ]  # fmt: skip


@given(st.integers(80, 400))
def test_every_allocation_sums_and_has_two_a_stratum(psus: int) -> None:
    share = allocation(psus)
    assert share.sum() == psus
    assert share.min() >= 2


def test_a_sample_of_less_than_two_psus_a_stratum_is_refused() -> None:
    with pytest.raises(DesignError):
        allocation(79)


def test_a_draw_has_the_sizes_of_the_reference(lamaria: Country) -> None:
    survey = draw_survey(lamaria, np.random.default_rng(1))
    assert survey.households.place.size == 4480
    assert np.bincount(survey.households.place).tolist() == [14] * 320
    one = np.bincount(survey.households.place, survey.households.listing_class == 1)
    assert one.max() <= 8 or (survey.listed[one > 8, 1] + one[one > 8] == 14).all()
    assert (survey.drawn <= survey.listed).all()
    assert survey.drawn.sum() == 4480
    assert np.unique(survey.psus.psu).size == 320


def test_inclusion_is_proportional_to_the_frame_over_many_draws(lamaria: Country) -> None:
    rng = np.random.default_rng(7)
    share = allocation(320)
    hits = np.zeros(lamaria.psus.code.size)
    for _ in range(400):
        hits[draw_psus(lamaria, rng, share).psu] += 1
    stratum = lamaria.psus.stratum
    expected = share[stratum] * lamaria.psus.frame / np.bincount(stratum, lamaria.psus.frame)[stratum]
    error = (hits / 400 - expected) / np.sqrt(expected * (1 - expected) / 400)
    assert abs(error.mean()) < 0.1
    assert 0.9 < error.std() < 1.1


def test_listed_households_are_those_of_the_psu(lamaria: Country) -> None:
    survey = draw_survey(lamaria, np.random.default_rng(2))
    people = survey.listing.household >= 0
    assert (
        lamaria.households.psu[survey.listing.household[people]] == survey.psus.psu[survey.listing.place[people]]
    ).all()
    assert people.sum() / lamaria.psus.households[survey.psus.psu].sum() == pytest.approx(0.97, abs=0.005)
    assert np.unique(survey.listing.household[people]).size == people.sum()


def test_check_digits_are_those_of_the_example_of_the_questionnaire() -> None:
    assert check_digits("072031112") == "64"


@given(st.integers(0, 999_999_999), st.integers(0, 8), st.integers(0, 9))
def test_one_wrong_digit_never_passes(nine: int, place: int, digit: int) -> None:
    text = f"{nine:09d}"
    key = text + check_digits(text)
    wrong = text[:place] + str(digit) + text[place + 1 :] + key[9:]
    assert int(key) % 97 == 1
    assert (int(wrong) % 97 == 1) == (wrong == key)


def test_keys_are_unique_and_name_their_psu(lamaria: Country) -> None:
    survey = draw_survey(lamaria, np.random.default_rng(3))
    keys = household_keys(lamaria, survey.psus, survey.households)
    assert np.unique(keys).size == keys.size
    assert all(
        key[:6] == code
        for key, code in zip(keys, lamaria.psus.code[survey.psus.psu][survey.households.place], strict=True)
    )


@pytest.mark.parametrize("enumerators", [1, 7, 100])
def test_each_psu_is_split_between_two_enumerators_of_one_team(lamaria: Country, enumerators: int) -> None:
    rng = np.random.default_rng(4)
    survey = draw_survey(lamaria, rng, psus=80)
    assignment = assign(rng, survey, enumerators=enumerators)
    for place in range(80):
        mine = survey.households.place == place
        assert np.unique(assignment.team[mine]).size == 1
        assert np.unique(assignment.enumerator[mine]).size == min(2, enumerators)
    assert np.unique(assignment.enumerator).size == enumerators


def test_outcomes_are_those_of_the_reference(lamaria: Country) -> None:
    eligible, complete = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        survey = draw_survey(lamaria, rng)
        outcomes = visit_households(lamaria, rng, survey)
        assert outcomes.lost.sum() == 4
        assert set(survey.psus.stratum[outcomes.lost] // 2) == {13, 19}
        eligible.append((~np.isin(outcomes.disposition, (410, 450, 460))).sum())
        complete.append(outcomes.responded.sum())
    assert np.mean(eligible) == pytest.approx(4405, abs=15)
    assert np.mean(complete) == pytest.approx(3935, abs=40)
