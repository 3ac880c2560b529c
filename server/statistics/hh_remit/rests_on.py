"""Which figures rest on which question, so that a change of a question says what it would move.

Questions by their names in every version so far; figures are published ones, and MIG-02, which the programme of the
survey has and no release shows yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_RECEIVED: Final = ("REM-01", "REM-02", "REM-04")
_AMOUNTS: Final = ("REM-02", "REM-04")
_RESIDENCE: Final = ("REM-04",)
_COSTS: Final = ("RCT-01",)

RESTS_ON: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("d_n", "d_country"), ("MIG-01",)),
    **dict.fromkeys(("c_ret", "c_ret_back"), ("MIG-02",)),
    **dict.fromkeys(("f_any", "f_anykind", "f_n", "f_months", "f_kind"), _RECEIVED),
    **dict.fromkeys(("f_basis", "f_cur", "f_amt", "f_times", "f_band", "f_kind_val"), _AMOUNTS),
    **dict.fromkeys(("f_type", "f_mig", "d_left"), _RESIDENCE),
    "d_12": ("REM-04", "RCT-01"),
    **dict.fromkeys(
        (
            "c_ret_country", "c_ret_reason", "c_ret_12", "c_ret_job", "c_ret_start",
            "d_reason", "d_job", "d_start",
            "e_lump", "e_lump_st", "e_lump_cur", "e_lump_amt", "e_lump_band",
            "e_items", "k_st", "k_cur", "k_amt", "e_paid",
            "e_recov", "e_recov_amt", "e_loan", "e_loan_int",
            "e_fullmonth", "e_earn_st", "e_earn_cur", "e_earn", "e_earn_band", "e_earn_ded",
        ),
        _COSTS,
    ),
}  # fmt: skip
