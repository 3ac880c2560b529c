"""Edits that come in any order, forms that come before their questionnaire: the end is the same, on both databases."""

import itertools
import random

import pytest
from flask.testing import FlaskClient

from forms.instance import instance_id_bytes
from server.app import create_app
from server.context import Context
from server.db.queries import interviews
from server.folding.state import state_hash
from server.services import rebuild, verify_store
from tests.office import MULTIPART, NOW, multipart, stored
from tests.openrosa.conftest import Door, add_app_user
from tests.openrosa.forms import filled, made_file, publish_xform, small_form, uuid
from tests.openrosa.inside import files, is_quarantined, open_all, xml_of

#: What each revision edits: a chain of five, and beside its third one a concurrent edit of the second.
CHAIN = {0: None, 1: 0, 2: 1, 3: 2, 4: 3, 5: 1}
ORDERS = 40


def post(client: FlaskClient, token: str, xml: bytes, *parts: tuple[str, bytes]) -> None:
    """Post as Collect does."""
    whole = multipart([('name="xml_submission_file"; filename="a.xml"', xml), *parts])
    response = client.post(f"/key/{token}/submission?deviceID=x", data=whole, content_type=MULTIPART)
    assert response.status_code == 201, response.data


def revision_of(family: int, place: int, chain: dict[int, int | None]) -> bytes:
    """Fill the revision at a place of a family of interviews that are alike but for their ids."""
    edits = chain[place]
    first = family * 100
    return filled(f"answer {place}", number=first + place, edits=None if edits is None else first + edits)


def outcome(context: Context, family: int, places: int) -> tuple[object, ...]:
    """Return what became of a family, its ids told by their places."""
    names = {instance_id_bytes(uuid(family * 100 + place)): place for place in range(places)}
    with context.database.read() as session:
        revisions = interviews.revisions_of_instances(session, names)
        found = [one for one in interviews.all_interviews(session) if one.interview_id in names]
        by_id = {one.revision_id: names[one.instance_id] for one in revisions}
        return (
            sorted(names[one.instance_id] for one in revisions),
            sorted({names[one.interview_id] for one in revisions}),
            [(names[one.interview_id], by_id.get(one.current_revision_id or 0), one.state, one.holds) for one in found],
        )


def test_a_chain_of_edits_with_a_concurrent_one_ends_the_same_in_every_order(context: Context) -> None:
    """S12"""
    publish_xform(context, small_form())
    client, token = create_app(context.config, context).test_client(), add_app_user(context)
    rng = random.Random(4)
    orders = rng.sample(list(itertools.permutations(CHAIN)), ORDERS - 1)
    for family, order in enumerate([tuple(CHAIN), *orders], start=1):
        for place in order:
            post(client, token, revision_of(family, place, CHAIN))
            if rng.random() < 0.05:
                open_all(context)
        if rng.random() < 0.3:  # a tablet that had no answer sends again
            post(client, token, revision_of(family, rng.choice(order), CHAIN))
    open_all(context)
    assert not is_quarantined(context)
    ends = [outcome(context, family, len(CHAIN)) for family in range(1, ORDERS + 1)]
    assert ends[0][0] == list(CHAIN)
    assert ends[0][1] == [0]
    assert ends == [ends[0]] * ORDERS
    same_when_folded_afresh(context)


def same_when_folded_afresh(context: Context) -> None:
    """Fold all envelopes from nothing and compare the hash of the state."""
    with context.database.read() as session:
        before = state_hash(session, context.keystore)
    rebuild.rebuild(database=context.database, keystore=context.keystore, microdata=context.microdata, now=NOW)
    with context.database.read() as session:
        assert state_hash(session, context.keystore) == before


def test_an_interview_of_a_questionnaire_that_is_published_later_is_released_by_itself(context: Context) -> None:
    """S5"""
    publish_xform(context, small_form())
    client, token = create_app(context.config, context).test_client(), add_app_user(context)
    photo = made_file("p.jpg")
    part = ('name="p.jpg"; filename="p.jpg"', photo.content)
    post(client, token, filled(number=1, version="2", photo="p.jpg"), part)
    post(client, token, filled(number=2, form_id="other"))
    open_all(context)
    assert is_quarantined(context)
    publish_xform(context, small_form(version="2"))
    open_all(context)
    assert xml_of(context, uuid(1)) == filled(number=1, version="2", photo="p.jpg")
    assert files(context, uuid(1)) == {"p.jpg": photo.content}
    assert is_quarantined(context)
    publish_xform(context, small_form("other"))
    open_all(context)
    assert not is_quarantined(context)
    same_when_folded_afresh(context)


@pytest.mark.parametrize("first", ["media", "xml"])
def test_media_and_interview_are_put_together_whichever_is_opened_first(context: Context, first: str) -> None:
    """S3"""
    publish_xform(context, small_form())
    client, token = create_app(context.config, context).test_client(), add_app_user(context)
    photo, xml = made_file("p.jpg"), filled(photo="p.jpg")
    whole = ('name="xml_submission_file"; filename="a.xml"', xml)
    part = ('name="p.jpg"; filename="p.jpg"', photo.content)
    for parts in ([part, whole], [whole]) if first == "media" else ([whole], [whole, part]):
        response = client.post(f"/key/{token}/submission", data=multipart(parts), content_type=MULTIPART)
        assert response.status_code == 201
        open_all(context)
    assert files(context, uuid(1)) == {"p.jpg": photo.content}
    kinds = [kind for kind, _, _, _ in stored(context)]
    assert (kinds.count(2), kinds.count(4)) == (1, 1)
    same_when_folded_afresh(context)


def test_the_store_of_the_door_verifies(each_door: Door) -> None:
    """S4"""
    each_door.publish()
    app = each_door.collect()
    for number in range(1, 6):
        app.finalise(
            filled(number=number, photo="p.jpg", edits=number - 1 or None),
            name=f"{number}.xml",
            files=[made_file("p.jpg", 5_000)],
        )
    assert app.send_all() == []
    open_all(each_door.context)
    context = each_door.context
    report = verify_store.verify(context.database, keystore=context.keystore, microdata=context.microdata)
    assert report.is_sound, str(report)
