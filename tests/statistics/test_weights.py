from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from server.statistics import estimators
from server.statistics.design import DesignError, collapse
from server.statistics.estimators import Rows
from server.statistics.response import adjust_nonresponse, eligibility_rate
from server.statistics.sample import RESPONDENT, DesignTables, take
from server.statistics.weights import Weighting, base_weights, index_of, psu_factors, weigh
from tests.statistics.made import SimulatedSurvey, make_households, make_tables


def weighing_of(survey: SimulatedSurvey) -> Weighting:
    households = survey.sample.households
    return weigh(households, survey.tables, np.isin(households.disposition, RESPONDENT))


def test_a_base_weight_is_the_inverse_of_both_draws_of_the_listing_class_and_of_the_segments() -> None:
    tables = make_tables(segments=np.array([1, 3, 1, 1]))
    households = make_households(tables)
    place = index_of(tables.psus.psu, households.psu, code="unknown-psu", what="PSU")
    base = base_weights(households, tables, place)
    of_psu = {("p1", 1): 1000 / (2 * 100), ("p2", 3): 1000 / (2 * 50)}
    for (psu, segments), factor in of_psu.items():
        for listing_class, within in ((1, 20 / 8), (2, 90 / 6)):
            mine = (households.psu == psu) & (households.listing_class == listing_class)
            assert base[mine] == pytest.approx(factor * within * segments, rel=1e-15)


def test_a_certainty_psu_is_drawn_with_probability_one() -> None:
    tables = make_tables(is_certain=np.array([True, False, False, False]))
    households = make_households(tables)
    place = index_of(tables.psus.psu, households.psu, code="unknown-psu", what="PSU")
    assert base_weights(households, tables, place)[0] == 20 / 8


def test_lost_units_are_carried_by_the_worked_ones_of_their_stratum_in_number() -> None:
    factor, notes = psu_factors(make_tables(worked=(True, False, True, True)).psus)
    assert factor.tolist() == [2.0, 0.0, 1.0, 1.0]
    assert notes == ()


def test_a_stratum_without_any_worked_unit_is_carried_by_its_province_at_its_size() -> None:
    factor, notes = psu_factors(make_tables(worked=(True, True, False, False)).psus)
    assert factor == pytest.approx([1.8, 1.8, 0.0, 0.0])  # 1000 + 800 households of the frame over 1000
    assert len(notes) == 1
    assert "s1 + s2" in notes[0]


def test_a_survey_without_any_worked_unit_is_refused() -> None:
    tables = make_tables(worked=(False, False, False, False))
    households = make_households(tables)
    with pytest.raises(DesignError) as refusal:
        weigh(households, tables, np.ones(households.key.size, dtype=bool))
    assert refusal.value.code == "too-small"


def test_a_stratum_with_one_worked_unit_is_joined_for_the_variance_and_the_join_is_logged() -> None:
    tables = make_tables(worked=(True, False, True, True))
    households = make_households(tables)
    weighting = weigh(households, tables, np.ones(households.key.size, dtype=bool))
    assert np.unique(weighting.design.psu_stratum).size == 1
    assert weighting.design.psu_stratum.size == 3
    assert any(note.startswith("variance: strata s1 + s2") for note in weighting.notes)


def test_households_are_the_units_of_the_variance_in_a_certainty_psu() -> None:
    tables = make_tables(is_certain=np.array([True, False, False, False]), worked=(True, True, True, True))
    households = make_households(tables)
    weighting = weigh(households, tables, np.ones(households.key.size, dtype=bool))
    first = weighting.design.psu[households.psu == "p1"]
    assert np.unique(first).size == 14
    assert np.unique(weighting.design.psu[households.psu == "p2"]).size == 1


@pytest.mark.parametrize("name", ["quarter_survey", "full_survey"])
def test_weights_add_up_to_the_known_households_of_each_province_and_area(
    name: str, request: pytest.FixtureRequest
) -> None:
    survey: SimulatedSurvey = request.getfixturevalue(name)
    tables = survey.tables
    weighting = weighing_of(survey)
    place = index_of(tables.psus.psu, survey.sample.households.psu, code="unknown-psu", what="PSU")
    assert not any("respondents are needed" in note for note in weighting.notes)
    for province, area, households in zip(
        tables.totals.province, tables.totals.area, tables.totals.households, strict=True
    ):
        mine = (tables.psus.province[place] == province) & (tables.psus.area[place] == area)
        assert weighting.final[mine].sum() == pytest.approx(households, abs=1e-6)


def test_the_final_weight_is_the_product_of_its_columns(full_survey: SimulatedSurvey) -> None:
    weighting = weighing_of(full_survey)
    product = weighting.base * weighting.psu_factor * weighting.nonresponse_factor * weighting.calibration_factor
    assert np.array_equal(product, weighting.final)
    assert np.array_equal(np.flatnonzero(weighting.final), weighting.rows)


def test_the_kish_factor_is_one_plus_the_squared_cv_of_the_weights(full_survey: SimulatedSurvey) -> None:
    weight = weighing_of(full_survey).design.weight
    assert weighing_of(full_survey).kish == pytest.approx(1 + weight.var() / weight.mean() ** 2)
    assert 1.7 < weighing_of(full_survey).kish < 2.5  # 2.09 by the reference of the made country


def test_large_weights_are_reported_by_stratum(full_survey: SimulatedSurvey) -> None:
    weighting = weighing_of(full_survey)
    for stratum in np.unique(weighting.stratum):
        inside = weighting.final[(weighting.stratum == stratum) & (weighting.final > 0)]
        is_noted = any(note.startswith(f"stratum {stratum}:") for note in weighting.notes)
        assert is_noted == bool((inside > 5 * np.median(inside)).any())


def test_silent_eligible_households_are_carried_by_their_class() -> None:
    tables = make_tables()
    households = make_households(tables)
    disposition = np.full(56, 110)
    disposition[[0, 14]] = (211, 220)  # class 1, area 1
    responds = disposition == 110
    area = np.repeat(["1", "1", "2", "2"], 14)
    factor, notes = adjust_nonresponse(
        replace(households, disposition=disposition),
        weight=np.ones(56),
        worked=np.ones(56, dtype=bool),
        responds=responds,
        province=np.full(56, "01"),
        area=area,
    )
    # No class has 30 respondents: all are pooled until the whole sample has.
    assert factor[responds] == pytest.approx(56 / 54)
    assert (factor[~responds] == 0).all()
    assert "pooled" in notes[0]


def test_a_class_that_holds_is_not_pooled_and_one_with_a_large_factor_is() -> None:
    count = 400
    listing_class = np.repeat([1, 2], 200)
    disposition = np.full(count, 110)
    disposition[:20] = 211
    disposition[200:350] = 211  # of class 2 three in four are silent: 4 is too large a factor
    tables = make_tables()
    households = replace(
        take(make_households(tables), np.zeros(count, dtype=np.int64)),
        listing_class=listing_class,
        disposition=disposition,
    )
    factor, notes = adjust_nonresponse(
        households,
        weight=np.ones(count),
        worked=np.ones(count, dtype=bool),
        responds=disposition == 110,
        province=np.full(count, "01"),
        area=np.full(count, "1"),
    )
    assert factor[150] == pytest.approx(200 / 180)
    assert factor[399] == pytest.approx(4.0)
    assert any("above 2" in note for note in notes)


def test_unknown_eligibility_counts_by_the_share_of_the_eligible() -> None:
    disposition = np.array([110, 110, 211, 460, 318])
    assert eligibility_rate(disposition, np.ones(5)) == 0.75
    households = take(make_households(make_tables()), np.arange(5))
    factor, _ = adjust_nonresponse(
        replace(households, disposition=disposition),
        weight=np.ones(5),
        worked=np.ones(5, dtype=bool),
        responds=disposition == 110,
        province=np.full(5, "01"),
        area=np.full(5, "1"),
    )
    assert factor[:2] == pytest.approx((3 + 0.75) / 2)


def test_a_household_of_an_unknown_unit_or_unlisted_class_is_refused_by_name() -> None:
    tables = make_tables()
    households = make_households(tables)
    everyone = np.ones(households.key.size, dtype=bool)
    with pytest.raises(DesignError, match=r"PSU p9 .* not in the design") as refusal:
        weigh(replace(households, psu=np.where(households.psu == "p1", "p9", households.psu)), tables, everyone)
    assert refusal.value.code == "unknown-psu"
    short = DesignTables(tables.psus, take(tables.listings, tables.listings.psu != "p1"), tables.totals)
    with pytest.raises(DesignError) as refusal:
        weigh(households, short, everyone)
    assert refusal.value.code == "not-listed"
    without = DesignTables(tables.psus, tables.listings, take(tables.totals, tables.totals.area == "1"))
    with pytest.raises(DesignError) as refusal:
        weigh(households, without, everyone)
    assert refusal.value.code == "no-total"


def test_strata_are_joined_within_the_province_before_the_next_one_is_touched() -> None:
    strata = [("a1", "a"), ("a2", "a"), ("b1", "b"), ("c1", "c")]
    joined = collapse(strata, {"a1": 1, "a2": 3, "b1": 1, "c1": 2}, minimum=2, what="worked PSUs")
    assert joined.group == {"a1": "a1", "a2": "a1", "b1": "b1", "c1": "b1"}
    assert len(joined.notes) == 2
    last = collapse(strata, {"a1": 2, "a2": 2, "b1": 2, "c1": 1}, minimum=2, what="worked PSUs")
    assert last.group["c1"] == last.group["b1"]


def test_what_weights_are_calibrated_to_has_no_sampling_error(full_survey: SimulatedSurvey) -> None:
    rows = Rows.of_households(weighing_of(full_survey).design)
    known = estimators.total(rows, np.ones(rows.household.size))
    assert known.value == pytest.approx(full_survey.tables.totals.households.sum(), abs=1e-6)
    assert known.se == pytest.approx(0, abs=1e-6)
