"""What the office orders reaches tablets, and what it erased stays erased at both doors."""

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from server.context import Context
from server.db.queries import erasures, feed
from server.db.queries.erasures import NewErasure
from server.db.tables import Envelope
from server.errors import Conflict, Forbidden, KeyStoreLocked, NotFound
from server.keystore import KeyStore
from server.services import enrol_device, news, projects, proposals
from sync_protocol.constants import Kind
from sync_protocol.documents import document_hash
from sync_protocol.envelope import Header, peek
from sync_protocol.messages import ReceiptCode
from sync_protocol.orders import ErasureOrder, WipeOrder
from sync_protocol.pull_items import (
    ErasurePull,
    PullItem,
    RevocationPull,
    WipePull,
)
from tests.office import MULTIPART as MEDIA_TYPE
from tests.office import NOW, Tablet, envelope, multipart, publish, revoke, stored
from tests.server.doors.test_pull import pull_all

STORED, DUPLICATE, ERASED = ReceiptCode.STORED, ReceiptCode.DUPLICATE, ReceiptCode.ERASED


def erase(context: Context, *numbers: int, project_id: int = 1) -> None:
    """Keep instances as erased, as the fold of a decision does."""
    with context.database.transaction() as session:
        erasures.add(
            session,
            [
                NewErasure(
                    instance_id=number.to_bytes(16, "big"),
                    interview_id=numbers[0].to_bytes(16, "big"),
                    project_id=project_id,
                    decision_id=b"d" * 32,
                    erased_at=NOW,
                )
                for number in numbers
            ],
            feed_position=feed.next_position(session),
        )


def edit(number: int, *parents: int, kind: Kind = Kind.INTERVIEW) -> bytes:
    """Return what looks like an interview that edits others."""
    header = peek(envelope(number, kind=kind))
    assert isinstance(header, Header)
    edited = replace(header, parents=tuple(one.to_bytes(16, "big") for one in parents))
    return edited.encode() + b"sealed" + bytes(64)


def order_wipe(context: Context, device_id: str) -> None:
    with context.database.transaction() as session:
        number = proposals.propose_wipe(
            session, keystore=context.keystore, device_id=device_id, note="stolen", user="amina", now=NOW
        )
        proposals.agree(session, keystore=context.keystore, proposal_id=number, user="sami", now=NOW)


def named(context: Context, items: list[PullItem]) -> list[tuple[bytes, ...]]:
    """Read orders to erase as a device does."""
    keys = context.keystore.keyring.decision_keys
    return [ErasureOrder.read(item.document, keys).instance_ids for item in items if isinstance(item, ErasurePull)]


def kinds(items: list[PullItem]) -> list[type]:
    return [type(item) for item in items]


def test_a_revoked_device_gets_exactly_its_revocation_and_the_order_to_wipe_itself(
    tablet: Tablet, another_tablet: Callable[..., Tablet], context: Context
) -> None:
    other = another_tablet()
    revoke(context, tablet.device_id)
    publish(context)
    erase(context, 7)
    reply = tablet.exchange(envelope(1))
    assert reply.codes == [ReceiptCode.QUARANTINED]
    assert reply.answer is not None
    assert kinds(list(reply.answer.pull)) == [RevocationPull]
    order_wipe(context, tablet.device_id)
    items, _ = pull_all(tablet)
    assert kinds(items) == [WipePull]
    (wipe,) = items
    assert isinstance(wipe, WipePull)
    order = WipeOrder.read(wipe.document, context.keystore.keyring.decision_keys)
    assert order.device_id == tablet.device_id
    tablet.cursor = None
    assert kinds(pull_all(tablet)[0]) == [RevocationPull, WipePull]
    assert not {RevocationPull, WipePull} & set(kinds(pull_all(other)[0]))


def test_a_device_in_use_may_be_wiped_too(tablet: Tablet, context: Context) -> None:
    publish(context)
    pull_all(tablet)
    order_wipe(context, tablet.device_id)
    assert kinds(pull_all(tablet)[0]) == [WipePull]


def test_a_revoked_device_of_an_archived_project_is_wiped(tablet: Tablet, context: Context) -> None:
    with context.database.transaction() as session:
        enrol_device.revoke(session, device_id=tablet.device_id, user="amina", now=NOW)
        projects.archive_project(session, project_id=1, user="root", now=NOW)
    order_wipe(context, tablet.device_id)
    assert kinds(pull_all(tablet)[0]) == [RevocationPull, WipePull]


def test_without_the_vault_no_wipe_is_ordered(tablet: Tablet, context: Context, keystore: KeyStore) -> None:
    with context.database.transaction() as session:
        number = proposals.propose_wipe(
            session, keystore=keystore, device_id=tablet.device_id, note="stolen", user="amina", now=NOW
        )
    keystore._vault = None
    with context.database.transaction() as session:
        with pytest.raises(KeyStoreLocked):
            proposals.agree(session, keystore=keystore, proposal_id=number, user="sami", now=NOW)
        (one,) = proposals.list_proposals(session, keystore=keystore)
    assert (one.is_open, one.note) == (True, None)
    assert not pull_all(tablet)[0]


def test_erasures_of_its_project_reach_a_device_some_hundreds_at_a_time(tablet: Tablet, context: Context) -> None:
    erase(context, *range(1, 1202))
    erase(context, 5000)
    erase(context, 6000, project_id=2)
    items, _ = pull_all(tablet)
    found = named(context, items)
    assert [len(one) for one in found] == [500, 500, 201, 1]
    expected = [number.to_bytes(16, "big") for number in (*range(1, 1202), 5000)]
    assert [one for part in found for one in part] == expected
    assert not pull_all(tablet)[0]


def test_no_cut_of_an_answer_loses_an_erasure(
    tablet: Tablet, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "PULL_BYTES", 50_000)
    erase(context, *range(1, 6_002))
    items, answers = pull_all(tablet)
    assert answers > 1
    assert sum(map(len, named(context, items))) == 6_001


def test_without_the_vault_no_erasure_is_signed_and_none_is_lost(tablet: Tablet, context: Context) -> None:
    keystore = context.keystore
    erase(context, 1)
    vault, keystore._vault = keystore._vault, None
    assert not pull_all(tablet)[0]
    keystore._vault = vault
    assert named(context, pull_all(tablet)[0]) == [((1).to_bytes(16, "big"),)]


def test_late_copies_are_answered_erased_and_leave_tombstones_only(tablet: Tablet, context: Context) -> None:
    assert tablet.exchange(envelope(3)).codes == [STORED]
    erase(context, 1)
    late = [envelope(1), edit(2, 1), edit(4, 2), edit(1, 9, kind=Kind.ATTACHMENT), edit(8, 1, kind=Kind.DRAFT)]
    assert tablet.exchange(*late, envelope(5), envelope(3)).codes == [ERASED] * 5 + [STORED, DUPLICATE]
    assert [(state, body) for _, state, _, body in stored(context)] == [
        ("received", envelope(3)),
        *[("erased", b"")] * 5,
        ("received", envelope(5)),
    ]
    again = tablet.exchange(*late, edit(6, 4), have=(document_hash(late[1])[:16], document_hash(envelope(5))[:16]))
    assert again.codes == [ERASED] * 6 + [ERASED, DUPLICATE]


def test_who_names_an_erased_parent_under_another_instance_erases_only_his_own(
    tablet: Tablet, context: Context
) -> None:
    erase(context, 1)
    assert tablet.exchange(edit(7, 1)).codes == [ERASED]
    assert tablet.exchange(envelope(7)).codes == [STORED]
    with context.database.read() as session:
        assert erasures.known(session, [(7).to_bytes(16, "big")])[0] == frozenset()


def test_the_office_s_own_decisions_are_never_answered_erased(tablet: Tablet, context: Context) -> None:
    erase(context, 1)
    assert tablet.exchange(edit(2, 1, kind=Kind.DECISION)).codes == [STORED]


def test_a_device_that_asks_for_the_fate_of_an_erased_envelope_hears_it(tablet: Tablet, context: Context) -> None:
    tablet.exchange(envelope(1))
    with context.database.transaction() as session:
        erasures.remove_projections(session, [(1).to_bytes(16, "big")])
    assert tablet.exchange(have=(document_hash(envelope(1))[:16],)).codes == [ERASED]


def test_the_openrosa_door_takes_what_is_erased_and_keeps_a_tombstone(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context, form_id="visit")
    erase(context, 1)

    def submit(number: int, *, edits: int | None = None) -> int:
        deprecated = "" if edits is None else f"<deprecatedID>uuid:{uuid.UUID(int=edits)}</deprecatedID>"
        xml = (
            '<data id="visit" version="1"><name>Canary</name><meta>'
            f"<instanceID>uuid:{uuid.UUID(int=number)}</instanceID>{deprecated}</meta></data>"
        )
        body = multipart(
            [
                ('name="xml_submission_file"; filename="s.xml"\r\nContent-Type: text/xml', xml.encode()),
                ('name="p.jpg"; filename="p.jpg"\r\nContent-Type: image/jpeg', b"photo"),
            ]
        )
        headers = {"X-OpenRosa-Version": "1.0", "Content-Type": MEDIA_TYPE}
        return client.post(f"/key/{app_token}/submission", data=body, headers=headers).status_code

    assert [submit(1), submit(1), submit(2, edits=1), submit(3, edits=2)] == [201] * 4
    with context.database.read() as session:
        rows = session.execute(select(Envelope.state, func.length(Envelope.body), Envelope.door_tag)).all()
    assert [tuple(row) for row in rows] == [("erased", 0, None)] * 3
    assert not [path for path in context.config.blobs_dir.rglob("*") if path.is_file()]
    assert submit(4) == 201
    with context.database.read() as session:
        assert session.scalar(select(func.count()).where(Envelope.state == "received")) >= 2


def test_two_people_are_two(tablet: Tablet, context: Context) -> None:
    keystore = context.keystore
    with context.database.transaction() as session:
        ask = {"keystore": keystore, "device_id": tablet.device_id, "note": "lost", "now": NOW}
        number = proposals.propose_wipe(session, user="amina", **ask)  # type: ignore[arg-type]
        with pytest.raises(Conflict):
            proposals.propose_wipe(session, user="sami", **ask)  # type: ignore[arg-type]
        for user in ("amina", "Amina", "console:amina"):
            with pytest.raises(Forbidden):
                proposals.agree(session, keystore=keystore, proposal_id=number, user=user, now=NOW)
        with pytest.raises(NotFound):
            proposals.agree(session, keystore=keystore, proposal_id=99, user="sami", now=NOW)
        proposals.decline(session, proposal_id=number, user="sami", now=NOW)
        with pytest.raises(Conflict):
            proposals.agree(session, keystore=keystore, proposal_id=number, user="sami", now=NOW)
        (one,) = proposals.list_proposals(session, keystore=keystore)
        assert (one.proposal.state, one.proposal.decided_by, one.note) == ("declined", "sami", "lost")
        assert b"lost" not in one.proposal.sealed_note
    assert not pull_all(tablet)[0]
