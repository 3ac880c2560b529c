"""Parameters of Lamaria (XLA, currency XTS), the made country of the demonstration: data only.

Every figure is a parameter of the model, not an estimate of anything real. Destinations carry their real ISO codes,
the country an ISO 3166 user-assigned one, so that nothing can be mistaken for a real result.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

COUNTRY_NAME: Final = "Lamaria"
COUNTRY_CODE: Final = "XLA"
CURRENCY: Final = "XTS"

URBAN: Final = 0
RURAL: Final = 1
AREA_CODES: Final = ("1", "2")
AREA_NAMES: Final = ("urban", "rural")

#: First day of fieldwork; 34 working days in weeks of six follow. All ages and windows count from each interview's day.
FIELDWORK_START: Final = date(2026, 10, 5)
FIELDWORK_DAYS: Final = 34


@dataclass(frozen=True, slots=True)
class Province:
    """One province: sizes of its two areas and what sets it apart."""

    code: str
    name: str
    psus: tuple[int, int]
    prevalence: tuple[float, float]
    consumption: float
    profile: str
    allocation: tuple[int, int]


def _province(
    code: str, name: str, psus: tuple[int, int], percent: tuple[int, int], rest: tuple[float, str, tuple[int, int]]
) -> Province:
    return Province(code, name, psus, (percent[0] / 100, percent[1] / 100), *rest)


#: Census enumeration areas and households with a member abroad (parameter, per cent), urban and rural; factor of
#: consumption; profile of corridors; sample PSUs of the full design.
PROVINCES: Final = (
    _province("01", "Adara", (420, 20), (8, 10), (1.45, "E", (22, 4))),
    _province("02", "Belane", (90, 110), (11, 15), (1.10, "G", (10, 10))),
    _province("03", "Corvi", (60, 140), (17, 24), (0.95, "G", (8, 11))),
    _province("04", "Dulima", (50, 110), (22, 33), (0.92, "G", (8, 10))),
    _province("05", "Estor", (70, 90), (9, 11), (1.12, "E", (9, 9))),
    _province("06", "Fenara", (40, 120), (14, 21), (0.90, "M", (7, 10))),
    _province("07", "Gomira", (45, 105), (20, 30), (0.93, "G", (7, 10))),
    _province("08", "Halen", (35, 95), (6, 7), (0.85, "S", (6, 9))),
    _province("09", "Isoma", (30, 90), (9, 12), (0.82, "S", (6, 9))),
    _province("10", "Jorva", (80, 100), (12, 16), (1.05, "G", (9, 9))),
    _province("11", "Kelit", (25, 85), (25, 36), (0.88, "M", (6, 9))),
    _province("12", "Lumara", (55, 75), (13, 18), (1.02, "E", (8, 8))),
    _province("13", "Mirola", (30, 90), (16, 22), (0.87, "W", (6, 9))),
    _province("14", "Nerit", (20, 70), (5, 5), (0.78, "S", (4, 8))),
    _province("15", "Oskala", (45, 75), (18, 26), (0.98, "E", (7, 8))),
    _province("16", "Pelva", (20, 80), (8, 10), (0.80, "W", (5, 8))),
    _province("17", "Quirin", (25, 65), (14, 19), (0.91, "G", (5, 7))),
    _province("18", "Rasmo", (60, 60), (10, 13), (1.08, "E", (8, 7))),
    _province("19", "Sovela", (15, 65), (4, 4), (0.75, "S", (4, 8))),
    _province("20", "Tamir", (15, 75), (19, 27), (0.84, "W", (4, 8))),
)


@dataclass(frozen=True, slots=True)
class Corridor:
    """One destination: costs, first wages and transfers of the people who go there.

    ``cost_usd`` and ``earnings_usd`` (a month) are medians of a man, ``sends_usd`` (a year) too; ``formal`` is the mean
    share of money that comes through licensed channels.
    """

    country: str
    cost_usd: float
    cost_sigma: float
    earnings_usd: float
    earnings_sigma: float
    pays_nothing: float
    women: float
    sends_usd: float
    formal: float
    women_cost: float
    irregular: float
    currency: str


#: Order of the columns of PROFILES.
CORRIDORS: Final = (
    Corridor("SAU", 2400, 0.65, 400, 0.35, 0.04, 0.15, 1750, 0.76, 0.60, 0.06, "SAR"),
    Corridor("ARE", 1700, 0.60, 390, 0.35, 0.05, 0.12, 1700, 0.74, 0.60, 0.06, "AED"),
    Corridor("QAT", 1000, 0.65, 330, 0.35, 0.07, 0.08, 1450, 0.82, 0.60, 0.06, "QAR"),
    Corridor("KWT", 1500, 0.70, 340, 0.35, 0.06, 0.25, 1500, 0.80, 0.60, 0.06, "KWD"),
    Corridor("MYS", 1350, 0.50, 310, 0.30, 0.05, 0.22, 1200, 0.55, 0.60, 0.06, "MYR"),
    Corridor("LBN", 350, 0.80, 190, 0.25, 0.22, 0.93, 750, 0.45, 0.60, 0.06, "LBP"),
    Corridor("ITA", 4200, 0.70, 1050, 0.30, 0.03, 0.45, 1900, 0.70, 0.85, 0.18, "EUR"),
    Corridor("ESP", 3200, 0.70, 1000, 0.30, 0.05, 0.45, 1700, 0.76, 0.85, 0.18, "EUR"),
    Corridor("FRA", 2600, 0.80, 1250, 0.35, 0.10, 0.42, 1500, 0.66, 0.85, 0.18, "EUR"),
    Corridor("ZAF", 300, 0.90, 280, 0.45, 0.18, 0.30, 420, 0.25, 0.85, 0.35, "ZAR"),
    Corridor("OTH", 2200, 1.00, 1400, 0.55, 0.12, 0.41, 2100, 0.86, 0.85, 0.18, "USD"),
)

#: Per cent of migrants by destination: Gulf, Malaysia, Europe, South, women's work.
PROFILES: Final = {
    "G": (34, 20, 16, 8, 6, 3, 4, 2, 1, 1, 5),
    "M": (16, 10, 10, 3, 42, 3, 4, 3, 2, 1, 6),
    "E": (10, 9, 7, 3, 3, 3, 25, 14, 11, 2, 13),
    "S": (12, 5, 4, 2, 1, 5, 3, 2, 2, 55, 9),
    "W": (26, 9, 8, 13, 2, 27, 4, 2, 1, 3, 5),
}

#: How the job was found: code of the questionnaire, share, factor of the cost.
PATHS: Final = ((1, 0.26, 1.10), (2, 0.31, 1.35), (3, 0.25, 0.90), (4, 0.08, 0.55), (5, 0.05, 0.45), (6, 0.05, 0.60))

#: Cost items by code of the questionnaire with the share of the cost they take on average (Dirichlet weights).
COST_ITEMS: Final = (
    (2, 25), (8, 35), (13, 15), (1, 5), (3, 4), (5, 4), (10, 3), (12, 3), (11, 1), (14, 3), (6, 1), (16, 1),
)  # fmt: skip

#: Households true (gamma, shape 9) a PSU and growth since the census of the frame, urban and rural.
PSU_MEAN: Final = (118.0, 92.0)
PSU_RANGE: Final = (35, 400)
GROWTH: Final = (1.25, 1.03)
FRAME_SIGMA: Final = 0.22
FRAME_MINIMUM: Final = 20

#: A month of 365.25 / 12 days, for ages of events kept in years.
DAYS_A_YEAR: Final = 365.25
