"""Media of our own tablets: named by manifests, sent in parts, here for the interview whatever comes first."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from server.clock import utc_now
from server.context import Context
from server.db.queries import intake_rows
from server.db.tables import Audit, Base, FeedHead, ManifestMedium, Project
from server.folding import media
from server.services import receive_medium, verify_store
from server.services.rebuild import rebuild
from server.services.receive_medium import Part
from sync_protocol.media import MediumSealer
from sync_protocol.plaintext import Medium
from sync_protocol.signatures import Place
from tests.office import NOW, bearer
from tests.server.opening.doorway import Photos, photo_form
from tests.server.opening.kit import Tablet, deliver, number_id, open_all, publish_xform, raw_id


class Sealed:
    """A photograph as a tablet seals it: its bytes, and how a manifest names it."""

    def __init__(self, name: str, content: bytes) -> None:
        key = hashlib.sha256(content).digest()
        sealer = MediumSealer(key)
        self.content = content
        self.bytes = sealer.update(content) + sealer.finalize()
        self.medium = Medium(
            name=name,
            type="image/jpeg",
            length_bytes=len(self.bytes),
            sha256=hashlib.sha256(self.bytes).hexdigest(),
            key=key.hex(),
        )

    def send(self, context: Context, *, end: int | None = None) -> None:
        """Bring it, or only its beginning."""
        part = Part(
            sha256=bytes.fromhex(self.medium.sha256),
            place=Place(0, len(self.bytes)),
            content=self.bytes[:end],
            carrier="tablet-1",
        )
        receive_medium.receive(context.media, part, now=utc_now())


HOUSE, FIELD = Sealed("house.jpg", b"the house"), Sealed("extra.jpg", b"what the form does not name")


@pytest.fixture
def tablet(context: Context) -> Tablet:
    return prepared(context)


def prepared(context: Context) -> Tablet:
    publish_xform(context, photo_form())
    tablet = Tablet(context.keystore).enrol(context)
    deliver(context, [tablet.epoch()])
    return tablet


def sealed(tablet: Tablet, photos: Photos, *files: Sealed) -> bytes:
    return tablet.seal(
        photos.xml(),
        number=photos.number,
        parents=() if photos.edits is None else (photos.edits,),
        form_version_hash=hashlib.sha256(photo_form()).digest(),
        media=tuple(file.medium for file in files),
    )


def here(context: Context, number: int) -> dict[str, bytes]:
    with context.database.read() as session:
        found = media.media_of(session, raw_id(number), keystore=context.keystore)
    return {
        one.name: b"".join(media.plain_chunks(one, keystore=context.keystore, blobs=context.blobs)) for one in found
    }


def missing(context: Context, number: int) -> tuple[str, ...]:
    with context.database.read() as session:
        return media.missing_names(session, raw_id(number), keystore=context.keystore)


def counts(context: Context, number: int) -> tuple[int, int]:
    with context.database.read() as session:
        count = intake_rows.media_counts(session, [raw_id(number)])[raw_id(number)]
    return count.here, count.missing


def verified(context: Context) -> tuple[str, ...]:
    return verify_store.verify(context.database, keystore=context.keystore, blobs=context.blobs).differences


def test_a_photo_is_missing_until_all_of_it_has_come_and_then_it_is_read(context: Context, tablet: Tablet) -> None:
    deliver(context, [sealed(tablet, Photos(number=1, house="house.jpg"), HOUSE, FIELD)])
    assert open_all(context).quarantined == 0
    assert missing(context, 1) == ("extra.jpg", "house.jpg")
    assert counts(context, 1) == (0, 2)
    HOUSE.send(context, end=5)
    open_all(context)
    assert counts(context, 1) == (0, 2)
    part = Part(
        sha256=bytes.fromhex(HOUSE.medium.sha256),
        place=Place(5, len(HOUSE.bytes)),
        content=HOUSE.bytes[5:],
        carrier="tablet-1",
    )
    receive_medium.receive(context.media, part, now=utc_now())
    assert verified(context) == ()
    open_all(context)
    assert (missing(context, 1), counts(context, 1)) == (("extra.jpg",), (1, 1))
    assert here(context, 1) == {"house.jpg": HOUSE.content}
    FIELD.send(context)
    open_all(context)
    assert here(context, 1) == {"house.jpg": HOUSE.content, "extra.jpg": FIELD.content}
    assert verified(context) == ()


def test_a_photo_is_read_through_the_api(sqlite_context: Context, sqlite_app: Flask) -> None:
    context, tablet, client = sqlite_context, prepared(sqlite_context), sqlite_app.test_client()
    deliver(context, [sealed(tablet, Photos(number=1, house="house.jpg"), HOUSE, FIELD)])
    HOUSE.send(context)
    open_all(context)
    headers, address = bearer(context, "manager"), f"/api/v1/submissions/{number_id(1)}"
    files = client.get(address, headers=headers).get_json()["attachments"]
    assert [(file["name"], file["exists"]) for file in files] == [("house.jpg", True), ("extra.jpg", False)]
    assert client.get(f"{address}/attachments/house.jpg", headers=headers).get_data() == HOUSE.content
    assert client.get(f"{address}/attachments/extra.jpg", headers=headers).status_code == 404


def test_a_photo_that_came_before_its_interview_waits_for_it(context: Context, tablet: Tablet) -> None:
    HOUSE.send(context)
    open_all(context)
    deliver(context, [sealed(tablet, Photos(number=1, house="house.jpg"), HOUSE)])
    open_all(context)
    assert (missing(context, 1), here(context, 1)) == ((), {"house.jpg": HOUSE.content})


def test_an_edit_takes_over_a_photo_unsent_whether_or_not_it_names_it_again(context: Context, tablet: Tablet) -> None:
    HOUSE.send(context)
    deliver(context, [sealed(tablet, Photos(number=1, house="house.jpg"), HOUSE)])
    deliver(context, [sealed(tablet, Photos(number=2, house="house.jpg", name="Ama", edits=1), HOUSE)])
    deliver(context, [sealed(tablet, Photos(number=3, house="house.jpg", name="Abla", edits=2))])
    open_all(context)
    for number in (1, 2, 3):
        assert (missing(context, number), here(context, number)) == ((), {"house.jpg": HOUSE.content})
    assert verified(context) == ()


def test_a_copy_of_an_interview_brings_no_rival_and_another_photo_of_its_name_does(
    context: Context, tablet: Tablet
) -> None:
    photos, other = Photos(number=1, house="house.jpg"), Sealed("house.jpg", b"another house")
    deliver(context, [sealed(tablet, photos, HOUSE), sealed(tablet, photos, HOUSE)])
    HOUSE.send(context)
    open_all(context)
    with context.database.read() as session:
        (one,) = media.media_of(session, raw_id(1), keystore=context.keystore)
    assert not one.has_rival
    assert counts(context, 1) == (1, 0)
    deliver(context, [sealed(tablet, photos, other)])
    other.send(context)
    open_all(context)
    with context.database.read() as session:
        assert [one.has_rival for one in media.media_of(session, raw_id(1), keystore=context.keystore)] == [True, True]


def test_a_manifest_that_names_nonsense_spoils_nothing(context: Context, tablet: Tablet) -> None:
    nonsense = Sealed("house.jpg", b"x")
    nonsense.medium = replace(nonsense.medium, sha256="no hash", key="no key")
    deliver(context, [sealed(tablet, Photos(number=1, house="house.jpg"), nonsense)])
    assert open_all(context).quarantined == 0
    assert missing(context, 1) == ("house.jpg",)
    assert verified(context) == ()


def test_a_lost_or_altered_medium_is_found_by_verify_and_sent_again(sqlite_context: Context) -> None:
    context, tablet = sqlite_context, prepared(sqlite_context)
    HOUSE.send(context)
    deliver(context, [sealed(tablet, Photos(number=1, house="house.jpg"), HOUSE)])
    open_all(context)
    context.blobs.remove(bytes.fromhex(HOUSE.medium.sha256))
    assert verified(context) == (f"the medium {HOUSE.medium.sha256[:16]} is missing",)
    HOUSE.send(context, end=4)
    part = Part(
        sha256=bytes.fromhex(HOUSE.medium.sha256),
        place=Place(4, len(HOUSE.bytes)),
        content=HOUSE.bytes[4:],
        carrier="tablet-1",
    )
    receive_medium.receive(context.media, part, now=utc_now())
    assert verified(context) == ()
    assert here(context, 1) == {"house.jpg": HOUSE.content}


def test_rebuild_finds_the_media_again(sqlite_context: Context) -> None:
    context, tablet = sqlite_context, prepared(sqlite_context)
    deliver(context, [sealed(tablet, Photos(number=1, house="house.jpg"), HOUSE, FIELD)])
    HOUSE.send(context)
    open_all(context)
    report = rebuild(
        database=context.database,
        keystore=context.keystore,
        microdata=context.microdata,
        now=NOW,
        blobs=context.blobs,
    )
    assert report.is_same
    assert counts(context, 1) == (1, 1)
    with context.database.transaction() as session:
        session.execute(delete(ManifestMedium))
    assert len(verified(context)) == 2


def test_a_medium_waits_while_the_key_store_is_locked(sqlite_context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    context, tablet = sqlite_context, prepared(sqlite_context)
    deliver(context, [sealed(tablet, Photos(number=1, house="house.jpg"), HOUSE)])
    open_all(context)
    HOUSE.send(context)
    with monkeypatch.context() as patched:
        patched.setattr(type(context.keystore), "is_locked", property(lambda _: True))
        open_all(context)
    assert counts(context, 1) == (0, 1)
    open_all(context)
    assert counts(context, 1) == (1, 0)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Draw an order of interviews, media and looks of the worker; every one comes at least once."""
    steps = [("interview", number) for number in (1, 2, 3)] + [("medium", number) for number in (0, 1)]
    steps += draw(st.lists(st.sampled_from([*steps, ("open", 0), ("half", 0), ("half", 1)]), max_size=6))
    return draw(st.permutations(steps))


@given(order=histories())
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_in_any_order_the_tables_are_equal(sqlite_context: Context, order: list[tuple[str, int]]) -> None:
    context = sqlite_context
    emptied(context)
    tablet = prepared(context)
    files = (Sealed("house.jpg", b"one"), Sealed("b.m4a", b"two"))
    bodies = (
        sealed(tablet, Photos(number=1, house="house.jpg"), files[0]),
        sealed(tablet, Photos(number=2, house="house.jpg", voices=("b.m4a",), edits=1), *files),
        sealed(tablet, Photos(number=3, house="house.jpg", voices=("b.m4a", "c.m4a"), edits=2)),
    )
    for what, number in order:
        if what == "interview":
            deliver(context, [bodies[number - 1]])
        elif what == "open":
            open_all(context)
        elif not context.blobs.has(bytes.fromhex(files[number].medium.sha256)):
            _send_next(context, files[number], half=what == "half")
    open_all(context)
    assert verified(context) == ()
    assert [counts(context, number) for number in (1, 2, 3)] == [(1, 0), (2, 0), (0, 1)]
    assert here(context, 3) == {"house.jpg": b"one", "b.m4a": b"two"}


def _send_next(context: Context, file: Sealed, *, half: bool) -> None:
    sha256 = bytes.fromhex(file.medium.sha256)
    known = receive_medium.standing(context.media, sha256, carrier="t")
    start = 0 if known is None else known.received_bytes
    end = (start + len(file.bytes)) // 2 if half else len(file.bytes)
    part = Part(sha256=sha256, place=Place(start, len(file.bytes)), content=file.bytes[start:end], carrier="t")
    receive_medium.receive(context.media, part, now=utc_now())


def emptied(context: Context) -> None:
    """Remove what the last example left, the form too."""
    kept = {FeedHead.__tablename__, Project.__tablename__, Audit.__tablename__, "schedule", "keyring"}
    with context.database.transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in kept:
                session.execute(delete(table))
    for sha256 in list(_blobs(context)):
        context.blobs.remove(sha256)


def _blobs(context: Context) -> Iterator[bytes]:
    yield from context.blobs.old(now=1e12)
