"""What an erased interview wrote of entities goes with it."""

import pytest

from forms.instance import instance_id_bytes
from server.context import Context
from server.db.queries import holders
from server.keystore import KeyStore
from server.services import proposals
from server.services.rebuild import rebuild
from tests.office import NOW
from tests.server.entities.kit import FOLLOW, REGISTER, followed, instance_id, publish, registered, shown
from tests.server.entities.test_folding import seal
from tests.server.handovers.pulling import Puller
from tests.server.handovers.test_entity_feed import at_the_door, on_the_device
from tests.server.opening.kit import Tablet, deliver, open_all
from tests.server.opening.test_erasure import assert_sound


def decide_to_erase(context: Context, number: int) -> None:
    raw = instance_id_bytes(instance_id(number))
    with context.database.transaction() as session:
        ask = {"keystore": context.keystore, "now": NOW}
        made = proposals.propose_erasure(session, instance_id=raw, note="they asked", user="amina", **ask)  # type: ignore[arg-type]
        proposals.agree(session, proposal_id=made, user="sami", **ask)  # type: ignore[arg-type]


def erase(context: Context, number: int) -> None:
    decide_to_erase(context, number)
    open_all(context)


def rebuild_all(context: Context) -> None:
    rebuild(database=context.database, keystore=context.keystore, microdata=context.microdata, now=NOW)


def test_changes_of_an_erased_interview_are_undone(context: Context, keystore: KeyStore) -> None:
    tablet, hashes = Tablet(keystore).enrol(context), publish(context, REGISTER, FOLLOW)
    deliver(context, seal(tablet, hashes, registered(1)))
    open_all(context)
    deliver(context, seal(tablet, hashes, followed(2, 1, base=1, head="Awa")))
    open_all(context)
    (found,) = shown(context).values()
    assert (found.label, found.version) == ("Awa", 2)
    erase(context, 2)
    (found,) = shown(context).values()
    assert (found.label, dict(found.properties), found.state) == ("Amina", {"head": "Amina", "persons": "4"}, "live")
    erase(context, 1)
    assert [(one.state, one.label, dict(one.properties)) for one in shown(context).values()] in (
        [],
        [("deleted", "", {})],
    )
    assert_sound(context)


@pytest.mark.parametrize("rebuilt", ["not", "before", "after", "meanwhile"])
def test_tablets_let_go_of_what_only_an_erased_interview_had_made(
    sqlite_context: Context, keystore: KeyStore, rebuilt: str
) -> None:
    context = sqlite_context
    tablet, hashes = Tablet(keystore).enrol(context), publish(context, REGISTER, FOLLOW)
    puller, empty = Puller(context), Puller(context, device_id="empty")
    deliver(context, seal(tablet, hashes, registered(1), registered(2)))
    open_all(context)
    puller.pull()
    assert len(on_the_device(puller)) == 2
    if rebuilt == "before":
        rebuild_all(context)
    decide_to_erase(context, 1)
    if rebuilt == "meanwhile":  # the entity is never folded again: nothing but what was told says that it was there
        rebuild_all(context)
    open_all(context)
    if rebuilt == "after":
        rebuild_all(context)
    for one in (puller, empty):
        one.pull()
        expected = at_the_door(context, hashes["follow"], keystore=keystore)
        assert len(expected) == 1
        assert on_the_device(one) == expected
    assert_sound(context)
    puller.pull()
    assert on_the_device(puller) == expected


def test_what_is_gone_is_told_although_other_envelopes_came_during_a_rebuild(
    sqlite_context: Context, keystore: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = sqlite_context
    tablet, hashes = Tablet(keystore).enrol(context), publish(context, REGISTER, FOLLOW)
    puller = Puller(context)
    deliver(context, seal(tablet, hashes, registered(1), registered(2)))
    open_all(context)
    puller.pull()
    decide_to_erase(context, 1)
    with monkeypatch.context() as patch:
        patch.setattr(holders, "gone", lambda *_: frozenset())  # as while one envelope waits to be opened
        rebuild_all(context)
    open_all(context)
    puller.pull()
    assert on_the_device(puller) == at_the_door(context, hashes["follow"], keystore=keystore)
