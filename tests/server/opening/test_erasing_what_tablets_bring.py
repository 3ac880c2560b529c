"""Erasure and what tablets bring beside interviews: sealed media in parts, drafts, and what is given back to them."""

import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from server.clock import utc_now
from server.context import Context
from server.db.queries import handovers
from server.db.queries.envelopes import NewEnvelope
from server.db.tables import ManifestMedium, Upload
from server.db.tables.envelopes import ERASED, OPENED
from server.folding import receiving
from server.jobs import scheduled
from server.services import receive_medium
from sync_protocol.media import MediumSealer
from sync_protocol.messages import ReceiptCode
from sync_protocol.orders import ErasureOrder
from sync_protocol.plaintext import Medium
from sync_protocol.pull_items import ErasurePull
from sync_protocol.signatures import Place
from tests.office import NOW, revoke
from tests.server.handovers.pulling import Puller
from tests.server.handovers.test_returned import review
from tests.server.opening.kit import Answers, Tablet, deliver, open_all, publish, raw_id
from tests.server.opening.test_canaries import files_in
from tests.server.opening.test_canaries import office as canary_office
from tests.server.opening.test_erasure import assert_sound, bodies, count, erase, found_on


class Photo:
    """A photograph, sealed by a tablet."""

    def __init__(self, content: bytes, name: str = "house.jpg") -> None:
        key = hashlib.sha256(content).digest()
        sealer = MediumSealer(key)
        self.sealed = sealer.update(content) + sealer.finalize()
        self.sha256 = sealer.digest
        self.medium = Medium(
            name=name, type="image/jpeg", length_bytes=len(self.sealed), sha256=self.sha256.hex(), key=key.hex()
        )

    def send(self, context: Context, length: int | None = None) -> None:
        """Bring the beginning of it, or all."""
        part = receive_medium.Part(
            sha256=self.sha256,
            place=Place(0, len(self.sealed)),
            content=self.sealed[:length],
            carrier="tablet-1",
        )
        receive_medium.receive(context.media, part, now=NOW)

    def standing(self, context: Context) -> tuple[bool, bool, bool]:
        """Return whether its blob is here, a part of it, and a row that says so."""
        with context.database.read() as session:
            row = session.scalar(select(Upload).where(Upload.sha256 == self.sha256))
        has_part = context.media.partials.size(self.sha256, "tablet-1") > 0
        return context.blobs.has(self.sha256), has_part, row is not None


GONE = (False, False, False)
HERE = (True, False, True)
ONE, TWO, SHARED = Photo(b"one" * 50), Photo(b"two" * 50, "gate.jpg"), Photo(b"both" * 50, "street.jpg")


@pytest.fixture
def tablet(context: Context) -> Tablet:
    publish(context)
    return Tablet(context.keystore).enrol(context)


@pytest.fixture
def small(sqlite_context: Context) -> Tablet:
    publish(sqlite_context)
    return Tablet(sqlite_context.keystore).enrol(sqlite_context)


def sweep(context: Context) -> None:
    """Do the daily job, two days later."""
    long_ago = (utc_now() - timedelta(days=2)).timestamp()
    for path in context.config.blobs_dir.glob("??/*"):
        os.utime(path, (long_ago, long_ago))
    (job,) = [job for job in scheduled.JOBS if job.name == "blobs"]
    job.prepare(context, None, utc_now())  # type: ignore[arg-type]


def test_media_go_whole_or_in_part_but_those_that_a_living_interview_names(context: Context, tablet: Tablet) -> None:
    late = Photo(b"never came", "late.jpg")
    first = tablet.seal(Answers(number=1), media=[ONE.medium, TWO.medium, SHARED.medium, late.medium])
    deliver(context, [tablet.epoch(), first, tablet.seal(Answers(number=2), media=[SHARED.medium])])
    for photo, length in ((ONE, None), (SHARED, None), (TWO, 20)):
        photo.send(context, length)
    open_all(context)
    assert [photo.standing(context) for photo in (ONE, TWO, SHARED)] == [HERE, (False, True, True), HERE]
    erase(context, 1)
    assert [photo.standing(context) for photo in (ONE, TWO, late, SHARED)] == [GONE, GONE, GONE, HERE]
    assert count(context, ManifestMedium) == 1
    assert_sound(context)
    assert SHARED.standing(context) == HERE
    erase(context, 2)
    assert SHARED.standing(context) == GONE
    assert_sound(context)


def test_a_tablet_that_sends_a_medium_again_has_it_swept_in_a_month(context: Context, tablet: Tablet) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1), media=[ONE.medium, TWO.medium])])
    ONE.send(context)
    open_all(context)
    erase(context, 1)
    ONE.send(context)
    open_all(context)
    assert ONE.standing(context) == HERE
    receive_medium.sweep(context.media, now=NOW + timedelta(days=99))
    sweep(context)
    assert ONE.standing(context) == GONE
    assert_sound(context)


def test_a_living_interview_that_names_an_erased_medium_gets_it(sqlite_context: Context, small: Tablet) -> None:
    deliver(sqlite_context, [small.epoch(), small.seal(Answers(number=1), media=[ONE.medium])])
    ONE.send(sqlite_context)
    open_all(sqlite_context)
    erase(sqlite_context, 1)
    deliver(sqlite_context, [small.seal(Answers(number=2), media=[ONE.medium])])
    open_all(sqlite_context)
    ONE.send(sqlite_context)
    open_all(sqlite_context)
    sweep(sqlite_context)
    assert ONE.standing(sqlite_context) == HERE
    assert_sound(sqlite_context)


def test_what_unopened_interviews_and_drafts_name_goes_where_it_can_be_read(
    sqlite_context: Context, small: Tablet
) -> None:
    context = sqlite_context
    hidden = Photo(b"its epoch never came", "hidden.jpg")
    deliver(context, [small.epoch(), small.seal(Answers(number=1))])
    waiting = [small.seal(Answers(number=2, version="9"), parents=[1], media=[ONE.medium])]
    small.epoch("training")
    waiting.append(small.seal(Answers(number=3), parents=[1], mode="training", media=[hidden.medium]))
    deliver(context, [*waiting, small.draft(Answers(number=1), media=[TWO.medium])])
    for photo in (ONE, TWO, hidden):
        photo.send(context)
    open_all(context)
    erase(context, 1)
    assert [photo.standing(context) for photo in (ONE, TWO)] == [GONE, GONE]
    assert hidden.standing(context) == HERE  # ciphertext: its key went with the envelope
    assert_sound(context)


def drafts(context: Context) -> list[bytes]:
    with context.database.read() as session:
        return [one.instance_id for one in handovers.all_drafts(session)]


@pytest.mark.parametrize("is_opened_before", [True, False])
def test_drafts_of_an_erased_interview_are_never_handed_over(
    context: Context, tablet: Tablet, *, is_opened_before: bool
) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1))])
    open_all(context)
    came = [
        tablet.draft(Answers(number=1, result="")),
        tablet.draft(Answers(number=2, result=""), parents=[1]),
        tablet.draft(Answers(number=3, result="")),
    ]
    deliver(context, came)
    if is_opened_before:
        open_all(context)
        assert len(drafts(context)) == 3
    erase(context, 1)
    revoke(context, "tablet-1")
    assert drafts(context) == [raw_id(3)]
    assert [item.instance_id for item in Puller(context, device_id="tablet-2").drafts()] == [raw_id(3)]
    assert [bodies(context)[raw_id(number)] for number in (1, 2)] == [[(ERASED, 0)] * 2, [(ERASED, 0)]]
    assert_sound(context)
    late = [tablet.draft(Answers(number=1)), tablet.draft(Answers(number=4), parents=[1])]
    with context.database.read() as session:
        arrived = receiving.without_erased(session, [NewEnvelope.read(body) for body in late])
    assert [receiving.code_of(one, is_new=True) for one in arrived] == [ReceiptCode.ERASED] * 2


def test_a_draft_that_slipped_in_beside_the_erasure_falls_and_takes_nobody_else(
    sqlite_context: Context, small: Tablet
) -> None:
    context = sqlite_context
    deliver(context, [small.epoch(), small.seal(Answers(number=1)), small.seal(Answers(number=2))])
    open_all(context)
    erase(context, 1)
    false = small.draft(Answers(number=2, result=""), parents=[1], media=[ONE.medium])
    ONE.send(context)
    for body in (small.draft(Answers(number=1)), false):  # stored by a door that did not know yet
        deliver(context, [body])
        open_all(context)
    assert drafts(context) == []
    assert bodies(context)[raw_id(2)][0][0] == OPENED
    assert bodies(context)[raw_id(2)][1] == (ERASED, 0)
    assert ONE.standing(context) == GONE
    assert_sound(context)


def test_what_was_given_back_goes_and_the_tablet_hears_of_the_erasure(context: Context, tablet: Tablet) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1), media=[ONE.medium])])
    ONE.send(context)
    open_all(context)
    review(context, number=1)
    puller = Puller(context)
    assert [item.state for item in puller.returned()] == ["returned"]
    erase(context, 1)
    items = puller.pull()
    keys = context.keystore.keyring.decision_keys
    orders = [ErasureOrder.read(item.document, keys) for item in items if isinstance(item, ErasurePull)]
    assert [order.instance_ids for order in orders] == [(raw_id(1),)]
    assert len(items) == 1
    with context.database.read() as session:
        assert handovers.all_given_back(session) == ()
    assert_sound(context)
    assert Puller(context).returned() == []


def test_nothing_of_a_photo_or_a_draft_is_on_disk_afterwards(tmp_path: Path) -> None:
    context = canary_office(tmp_path / "data")
    tablet = Tablet(context.keystore).enrol(context)
    photo, begun = Photo(os.urandom(4000)), Photo(os.urandom(4000), "begun.jpg")
    draft = tablet.draft(Answers(number=1, note="x" * 3000), media=[begun.medium])
    edit = tablet.draft(Answers(number=5, note="x" * 3000), parents=[1])
    body = tablet.seal(Answers(number=1), media=[photo.medium])
    kept = tablet.draft(Answers(number=2, note="y" * 3000))
    photo.send(context)
    begun.send(context, 2000)
    deliver(context, [tablet.epoch(), draft, edit, body, kept])
    open_all(context)
    marks = (photo.sealed[200:260], begun.sealed[200:260], draft[300:360], edit[300:360], kept[300:360])
    assert found_on(files_in(tmp_path), *marks) == {0, 1, 2, 3, 4}
    erase(context, 1)
    assert found_on(files_in(tmp_path), *marks) == {4}
    context.close()
