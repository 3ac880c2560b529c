"""The form of the OpenRosa benchmarks, 60 questions in six groups, and submissions of it as ODK Collect sends them."""

import random
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from benchmarks._workbooks import written
from forms.definition import FormDefinition
from forms.filling import fill
from server.folding.profile import HOUSEHOLD_KEY

QUESTIONS: Final = 60
FORM_ID: Final = "labour_visit"
VERSION: Final = "2026112401"
WORKBOOK: Final = f"{FORM_ID}.xlsx"
USER_AGENT: Final = "org.odk.collect.android/v2026.3.1 Dalvik/2.1.0 (Linux; U; Android 14)"
BOUNDARY: Final = "8f4b0a2e-6a39-4f1c-9a30-1f6a5a0f3a11"
NAMESPACES: Final = 'passerelle="https://passerelle.example/xforms"'
TEMPLATES: Final = 40
GROUPS: Final = ("household", "member", "work", "migration", "money", "closing")
_INSTANCE: Final = re.compile(rb"uuid:[0-9a-f-]{36}")
_HOUSEHOLD: Final = re.compile(rb"<household_key>[^<]*<")


def made_workbook() -> bytes:
    """Make the workbook: numbers, choices, dates, texts and sums, with conditions, constraints and two languages."""
    head = ["type", "name", "label::English (en)", "label::Français (fr)", "relevant", "constraint", "calculation"]
    survey = [[*head, "bind::passerelle:pii"]]
    for place, group in enumerate(GROUPS):
        survey.append(["begin_group", group, f"Part {place + 1}", f"Partie {place + 1}", "", "", "", ""])
        survey += [[*_question(place, kind), ""] for kind in range(10)]
        if place == 0:  # folding looks for others of the same household
            survey[-1] = ["text", HOUSEHOLD_KEY, "Key of the household", "Clé du ménage", "", "", "", "key"]
        survey.append(["end_group", *[""] * 7])
    choices = [["list_name", "name", "label::English (en)", "label::Français (fr)"]]
    choices += [["yes_no", "1", "Yes", "Oui"], ["yes_no", "2", "No", "Non"]]
    choices += [["sector", str(code), f"Sector {code}", f"Secteur {code}"] for code in range(1, 13)]
    settings = [["form_id", "version", "form_title", "namespaces"], [FORM_ID, VERSION, "Labour: a visit", NAMESPACES]]
    return written({"survey": survey, "choices": choices, "settings": settings})


def _question(place: int, kind: int) -> list[str]:
    name = f"{_NAMES[kind]}_{place}"
    said, dit = f"What is {name}?", f"Que vaut {name} ?"
    shown = f"${{is_so_{place}}} = 1"
    return [
        ["select_one yes_no", name, said, dit, "", "", ""],
        ["integer", name, said, dit, "", ". >= 0 and . <= 120", ""],
        ["select_one sector", name, said, dit, shown, "", ""],
        ["date", name, said, dit, "", ". <= today()", ""],
        ["decimal", name, said, dit, shown, ". >= 0", ""],
        ["text", name, said, dit, "", "", ""],
        ["select_multiple sector", name, said, dit, "", "", ""],
        ["calculate", name, "", "", "", "", f"if(${{years_{place}}} > 15, ${{years_{place}}} * 12, 0)"],
        ["integer", name, said, dit, "", ". <= 1000000", ""],
        ["text", name, said, dit, shown, "", ""],
    ][kind]


_NAMES: Final = ("is_so", "years", "sector", "since", "income", "place", "reasons", "months", "sent_home", "remarks")


def filled(definition: FormDefinition, count: int, *, seed: int) -> list[bytes]:
    """Fill in so many interviews, each with an instanceID and a household of its own."""
    templates = [_template(definition, random.Random(f"{seed} {number}")) for number in range(TEMPLATES)]
    return [
        _HOUSEHOLD.sub(
            f"<household_key>{uuid.uuid4().int % 10**11:011d}<".encode(),
            _INSTANCE.sub(f"uuid:{uuid.uuid4()}".encode(), templates[number % TEMPLATES]),
        )
        for number in range(count)
    ]


def _template(definition: FormDefinition, rng: random.Random) -> bytes:
    answers: dict[str, Any] = {}
    for place in range(len(GROUPS)):
        answers |= {
            f"is_so_{place}": "1",
            f"years_{place}": rng.randint(16, 90),
            f"sector_{place}": str(rng.randint(1, 12)),
            f"since_{place}": date(2026, 1, 1) - timedelta(days=rng.randint(0, 9000)),
            f"income_{place}": round(rng.uniform(10, 9000), 2),
            f"place_{place}": rng.choice(_WORDS),
            f"reasons_{place}": sorted(rng.sample([str(code) for code in range(1, 13)], 3)),
            f"sent_home_{place}": rng.randint(0, 500_000),
            f"remarks_{place}": " ".join(rng.choices(_WORDS, k=rng.randint(9, 18))),
        }
    answers[HOUSEHOLD_KEY] = answers.pop("remarks_0")
    made = fill(
        definition,
        answers,
        now=datetime(2026, 11, 24, 8, tzinfo=UTC),
        new_uuid=lambda: str(uuid.uuid4()),
        device_id="collect:Bench0123456789",
    )
    if made.problems:
        raise RuntimeError(f"the made form does not take the made answers: {made.problems[:3]}")
    return made.xml


_WORDS: Final = (
    "Mbour",
    "Thiès",
    "Touba",
    "Kolda",
    "maçon",
    "pêche",
    "marché",
    "cousine",
    "départ",
    "Pikine",
    "retour",
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a POST: an instance or one of its files."""

    name: str
    filename: str
    media_type: str
    content: bytes


def submission_of(xml: bytes) -> Part:
    """Return an instance as the first part of a POST."""
    return Part("xml_submission_file", "labour_visit_2026-11-24_08-00-00.xml", "text/xml", xml)


def post(port: int, path: str, parts: Sequence[Part], *, is_incomplete: bool = False) -> bytes:
    """Return a POST byte for byte: line, headers and multipart body, as Collect's HTTP client writes them."""
    body = b"".join(_part(part) for part in parts)
    if is_incomplete:
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="*isIncomplete*"\r\n\r\nyes\r\n'.encode()
    body += f"--{BOUNDARY}--\r\n".encode()
    extra = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n"
    return _head("POST", port, path, extra) + body


def get(port: int, path: str, *, etag: str | None = None, accept: str = "gzip") -> bytes:
    """Return a GET byte for byte."""
    return _head("GET", port, path, "" if etag is None else f"If-None-Match: {etag}\r\n", accept=accept)


def put(port: int, path: str, body: bytes) -> bytes:
    """Return a PUT byte for byte."""
    return _head("PUT", port, path, f"Content-Length: {len(body)}\r\n") + body


def _head(method: str, port: int, path: str, extra: str, *, accept: str = "gzip") -> bytes:
    return (
        f"{method} {path}?deviceID=collect%3ABench0123456789 HTTP/1.1\r\nX-OpenRosa-Version: 1.0\r\n"
        f"User-Agent: {USER_AGENT}\r\nDate: {format_datetime(datetime.now(UTC), usegmt=True)}\r\n{extra}"
        f"Host: 127.0.0.1:{port}\r\nConnection: Keep-Alive\r\nAccept-Encoding: {accept}\r\n\r\n"
    ).encode()


def _part(part: Part) -> bytes:
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part.name}"; filename="{part.filename}"\r\n'
        f"Content-Type: {part.media_type}\r\nContent-Length: {len(part.content)}\r\n\r\n"
    )
    return head.encode() + part.content + b"\r\n"


def shares(requests: Sequence[bytes], connections: int) -> Iterator[Sequence[bytes]]:
    """Deal requests to connections."""
    return (requests[number::connections] for number in range(connections))
