"""The household survey of remittances and recruitment costs (``hh_remit``): from answers to a sample.

Rules: docs/explanation/estimation.md, "From answers to amounts". Money is converted in decimal arithmetic at the dated
rates of the office; a rate on a tablet only ever warned.

Answers come as of the newest version of the questionnaire, whatever version they were collected on: the rules know its
names and codes, and those that a migration map adds (mobile money ``4x``, not split; ``h_other`` of version 1).
"""

from server.statistics.hh_remit.choose import STANDING, Chosen, choose
from server.statistics.hh_remit.derive import COLUMNS, FORM_ID, Derived, Drawn, derive
from server.statistics.hh_remit.rates import Rates

__all__ = ["COLUMNS", "FORM_ID", "STANDING", "Chosen", "Derived", "Drawn", "Rates", "choose", "derive"]
