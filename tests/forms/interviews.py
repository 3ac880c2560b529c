"""Interviews of hh_remit that differ in the way they go through the form. All people are made up."""

import copy
from typing import Any

Answers = dict[str, Any]


def household_key(first_nine: str) -> str:
    """Return a key with its two check digits (ISO 7064 MOD 97-10)."""
    return f"{first_nine}{(1 - 100 * int(first_nine)) % 97:02d}"


def cover(*, outcome: str, visits: int = 1, key: str = "072031112") -> Answers:
    earlier = [{"v_date": f"2026-11-{20 - visits + place:02d}", "v_outcome": "31"} for place in range(1, visits)]
    return {
        "a_mode": "survey",
        "household_key": household_key(key),
        "a_replacement": "2",
        "enumerator_id": "0123",
        "int_date": "2026-11-20",
        "n_visits": visits,
        "visit": [*earlier, {"v_date": "2026-11-20", "v_outcome": outcome}],
    }


def member(name: str, sex: str, age: int, **more: Any) -> Answers:
    answers: Answers = {"c_name": name, "c_sex": sex, "c_age": age, "c_birth": "XLA", "c_citizen": "XLA", "c_away": 0}
    if age >= 5:
        answers["c_educ"] = "3"
    if age >= 15:
        answers |= {"c_activity": "1", "c_ret": "2"}
    return answers | more


COST_ITEMS: list[Answers] = [
    {"k_st": "1", "k_cur": "XTS", "k_amt": 2500.5, "k_payee": "3"},
    {"k_st": "2", "k_cur": "USD", "k_amt": 55, "k_payee": "2"},
]
WORKER: Answers = {
    "e_source": "1",
    "e_occ_txt": "mason on building sites",
    "e_isco1": "7",
    "e_isco2": "71",
    "e_isic": "F",
    "e_path": "1",
    "e_visa": "1",
    "e_contract": "1",
    "e_contract_lang": "1",
    "e_lump": "1",
    "e_lump_for": ["1", "2"],
    "e_lump_st": "1",
    "e_lump_cur": "XTS",
    "e_lump_amt": 90000,
    "e_items": "3 5",
    "cost": COST_ITEMS,
    "e_paid": "2025-02-01",
    "e_recov": "2",
    "e_fin": "1 3",
    "e_loan": 40000,
    "e_loan_int": 2.5,
    "e_fullmonth": "1",
    "e_earn_st": "1",
    "e_earn_cur": "SAR",
    "e_earn": 1800,
    "e_promised": 1900,
    "e_hours": 60,
    "e_idheld": "1",
}
RETURNED: Answers = {
    "c_ret": "1",
    "c_ret_country": "QAT",
    "c_ret_back": "2026-06-01",
    "c_ret_reason": "1",
    "c_ret_12": "1",
    "c_ret_job": "1",
    "c_ret_start": "2024-03-01",
}
ABROAD: Answers = {
    "d_name": "Omar",
    "d_sex": "1",
    "d_age": 27,
    "d_rel": "3",
    "d_educ": "3",
    "d_left": "2025-03-01",
    "d_country": "SAU",
    "d_reason": "1",
    "d_12": "1",
    "d_job": "1",
    "d_start": "2025-04-01",
    "d_contact": "1",
}
SENDER: Answers = {
    "f_type": "1",
    "f_mig": 1,
    "f_country": "SAU",
    "f_months": "1 2 3",
    "f_basis": "2",
    "f_cur": "SAR",
    "f_amt": 500,
    "f_times": 4,
    "f_chan1": "1",
    "f_chan1_10": 8,
    "f_chan2": "2",
    "f_fee_st": "1",
    "f_fee_pct": 2.5,
    "f_kind": "1",
    "f_kind_val": 3000,
}
HOUSING: Answers = {
    "g_tenure": "1",
    "g_wall": "1",
    "g_roof": "1",
    "g_water": "1",
    "g_toilet": "1",
    "g_assets": "1 2",
    "g_land": 1.5,
    "g_account": "1",
}
SPENDING: Answers = {
    "h_food7": 2000,
    "h_own7": 500,
    "h_rent": 3000,
    "h_util": 1200,
    "h_other": 800,
    "h_educ": 5000,
    "h_health": 2000,
}
CONSENT: Answers = {"a_lang": "fr", "b_consent": "1", "b_recontact": "1", "b_stop": "0"}
CLOSING: Answers = {
    "j_resp": 1,
    "j_phone": "+222 45 678 901",
    "j_private": "2",
    "j_gps": "14.6 -17.4 10.0 5.0",
    "j_result": "110",
    "j_coop": "1",
    "j_note": 'all well, "they" said <yes> & thanked us',
}
MONEY: Answers = {
    "f_any": "1",
    "f_anykind": "1",
    "f_n": 1,
    "sender": [SENDER],
    "f_use": "1 2",
    "f_use_main": "1",
    "f_other": "2",
    "f_out": "2",
}
NO_MONEY: Answers = {"f_any": "2", "f_anykind": "2", "f_other": "1", "f_other_amt": 1234.5, "f_out": "2"}

COMPLETE: Answers = (
    cover(outcome="10", visits=2)
    | CONSENT
    | {
        "c_n": 3,
        "member": [
            member("Awa", "2", 44),
            member("Ali", "1", 50, c_rel="2", **RETURNED),
            member("Bébé", "1", 2, c_rel="3"),
        ],
    }
    | {"d_n": 1, "abroad": [ABROAD], "worker": [WORKER, WORKER | {"e_source": "2", "e_isco1": "9", "e_isco2": "91"}]}
    | MONEY
    | HOUSING
    | SPENDING
    | CLOSING
)

REFUSAL: Answers = cover(outcome="10") | {
    "a_lang": "en",
    "b_consent": "2",
    "b_refusal": "3",
    "j_gps": "14.1 -17.2 8.0 4.5",
    "j_result": "211",
}
NOBODY_MET: Answers = cover(outcome="31", visits=3) | {"j_result": "220"}
VACANT: Answers = cover(outcome="60") | {"j_gps": "14.1 -17.2 8.0 4.5", "j_result": "410"}


def _without(answers: Answers, *names: str) -> Answers:
    return {name: value for name, value in copy.deepcopy(answers).items() if name not in names}


def _no_migrants() -> Answers:
    answers = _without(COMPLETE, "abroad", "worker", "sender", *MONEY)
    answers["member"][1] = member("Ali", "1", 50, c_rel="2")
    return answers | NO_MONEY | {"d_n": 0}


def _broken_off() -> Answers:
    """Stop in module F, after the costs of the first job."""
    answers = _without(COMPLETE, *MONEY, *HOUSING, *SPENDING)
    return answers | {"b_stop": "6", "j_result": "120"}


def _broken_off_early() -> Answers:
    answers = _without(
        COMPLETE, "member", "abroad", "worker", "d_n", "c_n", "j_resp", "j_private", *MONEY, *HOUSING, *SPENDING
    )
    return answers | {"b_stop": "3", "j_result": "212"}


def _unpaid_worker() -> Answers:
    answers = copy.deepcopy(COMPLETE)
    unpaid = _without(WORKER, "e_earn_cur", "e_earn", "e_promised") | {"e_earn_st": "5"}
    answers["worker"] = [unpaid, _without(unpaid, "e_earn_st", "e_hours") | {"e_fullmonth": "2"}]
    return answers


def _costs_in_bands() -> Answers:
    answers = copy.deepcopy(COMPLETE)
    banded = _without(WORKER, "e_lump_cur", "e_lump_amt", "e_earn_cur", "e_earn", "e_promised", "e_loan", "e_loan_int")
    banded |= {
        "e_lump_st": "3",
        "e_lump_band": "3",
        "e_items": "0",
        "cost": [],
        "e_earn_st": "3",
        "e_earn_band": "2",
        "e_fin": "1",
    }
    recovered = _without(WORKER, "e_lump_for", "e_lump_st", "e_lump_cur", "e_lump_amt") | {
        "e_lump": "2",
        "e_recov": "1",
        "e_recov_amt": 300,
        "e_earn_ded": 50,
        "cost": [COST_ITEMS[0] | {"k_amt": 25000}, {"k_st": "3", "k_payee": "97"}],
    }
    answers["worker"] = [banded, recovered]
    return answers


def _many_senders() -> Answers:
    answers = copy.deepcopy(COMPLETE)
    stranger = _without(SENDER, "f_mig", "f_chan2") | {
        "f_type": "2",
        "f_sex": "2",
        "f_chan1_10": 10,
        "f_country": "FRA",
        "f_cur": "EUR",
        "f_amt": 55.25,
    }
    goods = _without(
        SENDER,
        "f_mig",
        "f_basis",
        "f_cur",
        "f_amt",
        "f_times",
        "f_chan1",
        "f_chan1_10",
        "f_chan2",
        "f_fee_st",
        "f_fee_pct",
    )
    goods |= {"f_type": "3", "f_sex": "1", "f_months": "0", "f_kind_val": 15000000}
    band = _without(SENDER, "f_cur", "f_amt", "f_times", "f_fee_pct", "f_kind_val") | {
        "f_basis": "3",
        "f_band": "4",
        "f_fee_st": "2",
        "f_kind": "2",
    }
    answers["sender"] = [SENDER, stranger, goods, band]
    return answers | {"f_n": 4}


def _implausible_amounts() -> Answers:
    """Bring up the soft checks that ask the respondent to confirm."""
    answers = copy.deepcopy(COMPLETE)
    dear = WORKER | {"e_lump_amt": 12345678.25, "e_earn": 310, "e_rci_ok": "1"}
    answers["worker"] = [dear, dear | {"e_lump_amt": 99999999}]
    answers["sender"] = [SENDER | {"f_amt": 25000000}]
    return answers | {"f_total_ok": "1", "h_food7": 9000000, "h_ok": "1"}


VARIED: dict[str, Answers] = {
    "complete": COMPLETE,
    "refusal": REFUSAL,
    "nobody met": NOBODY_MET,
    "vacant": VACANT,
    "no migrants": _no_migrants(),
    "broken off": _broken_off(),
    "broken off early": _broken_off_early(),
    "unpaid worker": _unpaid_worker(),
    "costs in bands": _costs_in_bands(),
    "many senders": _many_senders(),
    "implausible amounts": _implausible_amounts(),
}
