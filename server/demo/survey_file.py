"""What the results page says about the made country: its name, those of its provinces, that all is made, the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from server.demo import parameters as p
from server.demo.truth import Figures

FILE: Final = "survey.json"
TITLE: Final = {
    "en": "Remittances and recruitment costs: a survey of Lamaria",
    "fr": "Transferts et coûts de recrutement\N{NARROW NO-BREAK SPACE}: une enquête en Lamaria",
}
AREAS: Final = {"1": {"en": "Urban", "fr": "Urbain"}, "2": {"en": "Rural", "fr": "Rural"}}
_MEMBERS: Final = (
    ("MIG-01", "proportion", "mig_01"),
    ("REM-01", "proportion", "rem_01"),
    ("REM-02", "mean", "rem_02"),
    ("REM-04", "total", "rem_04"),
    ("RCT-01", "mean", "rct_01_mean"),
    ("RCT-01", "median", "rct_01_median"),
    ("RCT-01", "p80", "rct_01_p80"),
)


def write_survey_file(data: Path, *, real: Figures, reported: Figures) -> None:
    """Write the file that `server.web.survey` reads."""
    members = {
        "title": TITLE,
        "country": p.COUNTRY_NAME,
        "made_data": True,
        "labels": {"province": {province.code: province.name for province in p.PROVINCES}, "area": AREAS},
        "truth": [
            {
                "indicator": indicator,
                "statistic": statistic,
                "real": getattr(real, name),
                "reported": getattr(reported, name),
            }
            for indicator, statistic, name in _MEMBERS
        ],
    }
    (data / FILE).write_text(json.dumps(members, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
