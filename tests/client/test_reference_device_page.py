"""What the page of the reference device shows, works: its code is run, block after block, as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

from sync_protocol.client.drafts_store import DRAFTS, DraftState
from sync_protocol.constants import Kind
from sync_protocol.documents import key_id
from sync_protocol.envelope import Header, peek
from sync_protocol.handover import Address, Handover, seal_handover
from sync_protocol.pull_items import FormVersionPull, ReturnedPull
from sync_protocol.transitions import diagram
from tests.client.model_transport import FORM, ModelTransport, interview_xml, uuid_of
from tests.sync_protocol.model_server import ModelServer

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "reference-device.md"


def test_the_example_runs(
    server: ModelServer, transport: ModelTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sync_protocol.client.device.HttpTransport", lambda _: transport)
    Path("roof.jpg").write_bytes(b"roof" * 100)
    xform = b"form"
    server.feed.append(FormVersionPull(form_id="visit", version="1", title="Visit", hash=FORM, xform=xform))
    names: dict[str, Any] = {"LINK": server.link(), "INTERVIEW": interview_xml(1, "no")}
    begin, draft, correct, locked = re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    exec(begin, names)
    assert names["form"].xform == xform
    exec(draft, names)
    report = names["report"]
    assert (report.outcome, report.sealed, report.media, report.warnings()) == ("synced", 1, 1, ())
    server.feed.append(returned(server))
    with names["Device"].open(names["folder"], pin="481516") as device:
        device.sync(transport, names["now"]())
    exec(correct, names)
    exec(locked, names)
    assert (names["waiting"], names["written"].envelopes) == ([], 1)
    sealed = [peek(body) for body in server.bodies.values()]
    assert [one.kind for one in sealed] == [Kind.EPOCH, Kind.INTERVIEW]
    with names["Device"].open(names["folder"]) as device:
        last = peek(list(device.envelope_bodies())[-1])
    assert isinstance(last, Header)
    assert last.parents == (uuid_of(1),)


def returned(server: ModelServer) -> ReturnedPull:
    """The first interview, given back, as the office would seal it to the key that the device named last."""
    (device_id, receiving_key), *_ = server.receiving_keys.items()
    frame = seal_handover(
        Handover(instance_xml=interview_xml(1, "yes"), mode="survey", note="Ask again."),
        Address("returned", device_id, uuid_of(1), FORM),
        receiving_key=receiving_key,
        signer=server.decision,
    )
    return ReturnedPull(instance_id=uuid_of(1), form_version_hash=FORM, sealed=frame, sealed_to=key_id(receiving_key))


def test_the_diagram_is_that_of_the_table() -> None:
    drawn = diagram(DRAFTS).replace("discarded --> [*]", "").split()  # the order of final states is not told
    shown = PAGE.read_text("utf-8").split("```mermaid\n")[1].split("```")[0].replace("discarded --> [*]", "").split()
    assert shown == drawn
    assert {state for state, _ in DRAFTS} == {DraftState.DRAFT, DraftState.FINALISED}
