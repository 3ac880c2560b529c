"""Which published figures rest on which question of ``hh_remit``: what a change of the question would break.

The names are those that the rules of this package read, whatever version they come from; a test holds the two together.
MIG-02 is not computed here yet, but the questionnaire asks for it ("also fed", questionnaire of the main job, §4).
"""

from collections.abc import Mapping
from typing import Final

from server.statistics.hh_remit.derive import FORM_ID

_EVERY: Final = ("MIG-01", "REM-01", "REM-02", "REM-04", "RCT-01")
_REMITTANCES: Final = ("REM-01", "REM-02", "REM-04")
_COSTS: Final = ("RCT-01",)

_USES: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    _EVERY: ("int_date", "j_result", "last_module", "member", "c_sex", "abroad"),
    ("MIG-01",): ("d_n",),
    ("MIG-01", *_COSTS): ("d_country",),
    ("MIG-02",): ("c_ret", "c_ret_back"),
    _REMITTANCES: (
        "sender", "f_any", "f_anykind", "f_line", "f_type", "f_country", "f_sex", "f_months", "f_kind", "f_kind_val",
        "f_basis", "f_amt", "f_cur", "f_times", "f_band",
    ),
    (*_REMITTANCES, *_COSTS): ("d_line", "d_sex"),
    ("REM-04",): ("f_mig", "d_left", "d_12"),
    _COSTS: (
        "c_line", "c_age", "d_age", "c_ret_start", "c_ret_country", "d_start", "worker", "e_key", "e_paid", "e_source",
        "e_fin", "e_fullmonth", "e_earn_st", "e_earn", "e_earn_cur", "e_earn_ded", "e_earn_band", "e_lump",
        "e_lump_st", "e_lump_amt", "e_lump_cur", "e_lump_band", "e_recov", "e_recov_amt", "e_loan", "e_loan_int",
        "cost", "k_item", "k_st", "k_amt", "k_cur",
    ),
}  # fmt: skip

USES: Final[Mapping[str, tuple[str, ...]]] = {
    name: tuple(sorted(figures)) for figures, names in _USES.items() for name in names
}
"""Question or repeat → ids of the figures, sorted."""

RESTING: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {FORM_ID: USES}
"""By form_id; forms of which nothing is published have no entry."""
