"""What the results page says about a survey beyond its figures: title, names of domains, and that data are made.

An office writes ``survey.json`` into the data folder; every member is optional, and without the file codes are shown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FILE: Final = "survey.json"
LARGEST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Truth:
    """What a made country really is, and what its households report: no weight repairs the difference."""

    real: float
    reported: float


@dataclass(frozen=True, slots=True)
class Survey:
    """A survey as its page names it.

    Attributes:
        titles: by language; may be empty.
        country: name of the country, may be empty.
        is_made: nobody was interviewed; the data were made by a programme.
        labels: names by (domain, code, language).
        truths: by (indicator, statistic), in the unit of the estimate; for made data only.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    country: str = ""
    is_made: bool = False
    labels: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    truths: Mapping[tuple[str, str], Truth] = field(default_factory=dict)

    def label(self, domain: str, code: str, language: str) -> str | None:
        """Return the name of a domain's code, None when the survey gives none."""
        return self.labels.get((domain, code, language)) or self.labels.get((domain, code, "en"))


def read_survey(data_dir: Path) -> Survey:
    """Read the file of a data folder; a missing or unreadable one is a survey without names."""
    path = data_dir / FILE
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return Survey()
        members = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Survey()
    return _survey(members) if isinstance(members, dict) else Survey()


def _survey(members: dict[str, Any]) -> Survey:
    return Survey(
        titles=_translations(members.get("title")),
        country=str(members.get("country", "")),
        is_made=members.get("made_data") is True,
        labels=_labels(members.get("labels")),
        truths=_truths(members.get("truth")),
    )


def _translations(member: object) -> dict[str, str]:
    if isinstance(member, str):
        return {"en": member}
    return {str(language): str(text) for language, text in member.items()} if isinstance(member, dict) else {}


def _labels(member: object) -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], str] = {}
    if isinstance(member, dict):
        for domain, codes in member.items():
            for code, texts in codes.items() if isinstance(codes, dict) else ():
                for language, text in _translations(texts).items():
                    found[str(domain), str(code), language] = text
    return found


def _truths(member: object) -> dict[tuple[str, str], Truth]:
    found: dict[tuple[str, str], Truth] = {}
    for entry in member if isinstance(member, list) else ():
        if not isinstance(entry, dict):
            continue
        real, reported = entry.get("real"), entry.get("reported")
        if isinstance(real, int | float) and isinstance(reported, int | float):
            key = (str(entry.get("indicator")), str(entry.get("statistic")))
            found[key] = Truth(float(real), float(reported))
    return found
