"""The specification says what the code does."""

import re
from pathlib import Path

from sync_protocol import constants
from sync_protocol.exchange import HAVE_LIMIT
from sync_protocol.messages import PATH_ENROL, PATH_EXCHANGE, PATH_HELLO, PROBLEMS, ReceiptCode
from sync_protocol.signatures import COMPONENTS_ANSWER, COMPONENTS_REQUEST, TAG_ANSWER, TAG_REQUEST
from sync_protocol.transitions import FATES, TRANSITIONS, diagram

DOCUMENT = (Path(__file__).parents[2] / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")


def test_the_diagrams_are_drawn_from_the_transition_tables() -> None:
    assert re.findall(r"```mermaid\n(.*?)\n```", DOCUMENT, re.DOTALL) == [diagram(TRANSITIONS), diagram(FATES)]


def test_every_refusal_is_listed_with_its_status_and_retry() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| `([a-z]+)` \|$", DOCUMENT, re.MULTILINE)
    assert listed == [(slug, str(status), retry.value) for slug, (status, retry) in PROBLEMS.items()]


def test_every_receipt_code_is_listed() -> None:
    listed = re.findall(r"^\| (\d) \| ([a-z ]+)", DOCUMENT, re.MULTILINE)
    assert [(int(code), name.strip().replace(" ", "_")) for code, name in listed] == [
        (code.value, code.name.lower()) for code in ReceiptCode
    ]


def test_paths_components_and_tags_are_those_of_the_code() -> None:
    for literal in (PATH_HELLO, PATH_ENROL, PATH_EXCHANGE, TAG_REQUEST, TAG_ANSWER):
        assert literal in DOCUMENT
    for components in (COMPONENTS_REQUEST, COMPONENTS_ANSWER):
        assert components[1:-1] in DOCUMENT


def test_limits_are_those_of_the_code() -> None:
    limits = dict(re.findall(r"^\| ([a-z`, ]+) \| ([^|]+) \|$", DOCUMENT, re.MULTILINE))
    assert limits["envelope"] == f"{constants.ENVELOPE_BYTES >> 20} MiB"
    assert limits["body of an exchange, either way"] == f"{constants.EXCHANGE_BYTES >> 20} MiB"
    assert limits["frames in a body"] == str(constants.EXCHANGE_ENVELOPES)
    control = f"{constants.CONTROL_BYTES >> 10} KiB, and at most {constants.INFLATE_RATIO} times its deflated size"
    assert limits["control, inflated"] == control
    assert f"asks for {HAVE_LIMIT:,}".replace(",", " ") in limits["`have` hashes in a request"]
