"""Media of interviews: what is missing and what is here hangs on what came, never on when."""

import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.queries import intake_rows
from server.db.tables import Attachment, Base, FeedHead, WantedMedium
from server.folding import media
from server.folding.reading import instance_xml
from server.folding.state import state_hash, stored_media
from server.keystore import KeyStore
from server.microdata import Microdata
from server.services import rebuild, verify_store
from sync_protocol.errors import EnvelopeError
from tests.office import NOW
from tests.server.opening.doorway import Door, Photos, photo_form
from tests.server.opening.kit import Answers, open_all, publish, publish_xform, raw_id, worker


@pytest.fixture
def door(context: Context) -> Door:
    publish_xform(context, photo_form())
    return Door(context)


def missing(context: Context, number: int) -> tuple[str, ...]:
    with context.database.read() as session:
        return media.missing_names(session, raw_id(number), keystore=context.keystore)


def here(context: Context, number: int) -> list[tuple[str, bool, bool]]:
    with context.database.read() as session:
        found = media.media_of(session, raw_id(number), keystore=context.keystore)
    return [(one.name, one.is_expected, one.has_rival) for one in found]


def content(context: Context, number: int, name: str) -> list[bytes]:
    with context.database.read() as session:
        found = media.media_of(session, raw_id(number), keystore=context.keystore)
    return [
        b"".join(media.plain_chunks(one, keystore=context.keystore, blobs=context.blobs))
        for one in found
        if one.name == name
    ]


def test_an_interview_is_folded_before_its_photos_and_its_missing_media_end_by_themselves(door: Door) -> None:
    context, one = door.context, Photos(number=1, house="a.jpg", voices=("b.m4a", "", "c.m4a"), audit="audit.csv")
    door.post(one.xml(), {"a.jpg": b"house"})
    open_all(context)
    assert missing(context, 1) == ("audit.csv", "b.m4a", "c.m4a")
    with context.database.read() as session:
        assert intake_rows.media_counts(session, [raw_id(1)])[raw_id(1)].missing == 3
    door.post(one.xml(), {"b.m4a": b"voice", "c.m4a": b"voices", "audit.csv": b"event"})
    assert open_all(context).opened == 3
    assert missing(context, 1) == ()
    with context.database.read() as session:
        assert intake_rows.media_counts(session, [raw_id(1)])[raw_id(1)].missing == 0
    assert content(context, 1, "a.jpg") == [b"house"]
    assert verify_store.verify(context.database, keystore=context.keystore, blobs=context.blobs).is_sound


def test_a_file_that_the_interview_does_not_name_stays_and_is_not_expected(door: Door) -> None:
    door.post(Photos(number=1).xml(), {"other.jpg": b"?"})
    open_all(door.context)
    assert here(door.context, 1) == [("other.jpg", False, False)]


def test_two_files_of_one_name_stay_both_and_their_content_says_which_counts(door: Door) -> None:
    one = Photos(number=1, house="a.jpg").xml()
    door.post(one, {"a.jpg": b"one"})
    door.post(one, {"a.jpg": b"other"})
    door.post(one, {"a.jpg": b"one"})
    open_all(door.context)
    assert here(door.context, 1) == [("a.jpg", True, True)] * 2
    assert sorted(content(door.context, 1, "a.jpg")) == [b"one", b"other"]


def test_an_edit_takes_over_the_media_of_what_it_edits(door: Door) -> None:
    context = door.context
    door.post(Photos(number=3, house="a.jpg", edits=2).xml())
    open_all(context)
    assert missing(context, 3) == ("a.jpg",)
    door.post(Photos(number=1, house="a.jpg").xml(), {"a.jpg": b"house"})
    open_all(context)
    assert missing(context, 3) == ("a.jpg",)
    door.post(Photos(number=2, edits=1).xml())  # names no photo, and connects the two that do
    open_all(context)
    assert missing(context, 3) == ()
    assert content(context, 3, "a.jpg") == [b"house"]
    assert here(context, 2) == []


def test_an_attachment_of_an_instance_that_never_came_stays(door: Door) -> None:
    door.post(b"<data id='photos' version='1'><house>", {"a.jpg": b"house"})
    open_all(door.context)
    with door.context.database.read() as session:
        assert session.scalars(select(Attachment.length_bytes)).one() > 5


def test_an_altered_blob_gives_no_byte(door: Door) -> None:
    context = door.context
    door.post(Photos(number=1, house="a.jpg").xml(), {"a.jpg": b"house" * 100})
    open_all(context)
    (path,) = (path for path in context.config.blobs_dir.glob("??/*") if path.is_file())
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(EnvelopeError, match="not those") as refused:
        content(context, 1, "a.jpg")
    assert refused.value.code == "medium-altered"
    path.unlink()
    with pytest.raises(EnvelopeError) as refused:
        content(context, 1, "a.jpg")
    assert refused.value.code == "medium-missing"


def test_interviews_without_media_write_no_row_of_media(context: Context) -> None:
    publish(context)
    door = Door(context)
    door.post(Answers(number=1).xml())
    open_all(context)
    with context.database.read() as session:
        assert session.scalars(select(WantedMedium.name_tag)).all() == []
        assert session.scalars(select(Attachment.name_tag)).all() == []


def test_the_xml_of_a_revision_is_read_back_as_it_came(door: Door) -> None:
    from server.db.queries import interviews

    context, xml = door.context, Photos(number=1, name="Ama").xml()
    door.post(xml)
    open_all(context)
    with context.database.read() as session:
        (revision,) = interviews.revisions_of_instances(session, [raw_id(1)])
        assert instance_xml(session, revision, keystore=context.keystore, blobs=context.blobs) == xml


@st.composite
def posts(drawing: st.DrawFn) -> list[tuple[Photos, tuple[tuple[str, bytes], ...]]]:
    """Draw POSTs of few instances, few names and few contents, so that they meet."""
    names = st.sampled_from(["", "a.jpg", "b.jpg"])
    found = []
    for _ in range(drawing(st.integers(1, 5))):
        one = Photos(
            number=drawing(st.integers(1, 4)),
            house=drawing(names),
            voices=tuple(drawing(st.lists(names, max_size=2))),
            audit=drawing(st.sampled_from(["", "audit.csv"])),
            edits=drawing(st.sampled_from([None, 1, 2, 3, 4])),
        )
        files = drawing(st.dictionaries(st.sampled_from(["a.jpg", "b.jpg", "audit.csv"]), st.binary(max_size=2)))
        found.append((one, tuple(files.items())))
    return found


def bodies_of(context: Context) -> list[bytes]:
    from server.db.tables import Envelope

    with context.database.read() as session:
        return list(session.scalars(select(Envelope.body).order_by(Envelope.sequence)))


def state_of(context: Context) -> tuple[bytes, list[bytes]]:
    with context.database.read() as session:
        return state_hash(session, context.keystore), sorted(stored_media(session, context.keystore).values())


def emptied(database: Database) -> None:
    from sqlalchemy import delete

    with database.transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in (FeedHead.__tablename__, "project", "alembic_version"):
                session.execute(delete(table))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=6)
@given(sent=posts(), seed=st.integers(0, 2**32))
def test_media_in_any_order_and_batching_give_equal_tables(
    database: Database, keystore: KeyStore, sent: Sequence[tuple[Photos, tuple[tuple[str, bytes], ...]]], seed: int
) -> None:
    from tests.server.opening.kit import deliver

    rng = random.Random(seed)
    with TemporaryDirectory() as folder:
        emptied(database)
        config = Config(data_dir=Path(folder), database_url=database.url)
        context = Context(
            config=config,
            database=database,
            keystore=keystore,
            microdata=Microdata(config.microdata_dir, keystore, database),
        )
        publish_xform(context, photo_form())
        door = Door(context)
        for one, files in sent:
            door.post(one.xml(), dict(files))
        open_all(context)
        expected, bodies = state_of(context), bodies_of(context)
        emptied(database)
        publish_xform(context, photo_form())
        arriving = bodies + rng.choices(bodies, k=2)
        rng.shuffle(arriving)
        while arriving:
            size = rng.randint(1, 4)
            deliver(context, arriving[:size], carrier="door")
            arriving = arriving[size:]
            while worker(context).run_once(limit=rng.randint(1, 5)).total:
                pass
        assert state_of(context) == expected
        report = verify_store.verify(database, keystore=keystore, microdata=context.microdata)
        assert report.is_sound, report
        assert bytes.fromhex(report.state_hash) == expected[0]
        again = rebuild.rebuild(
            database=database, keystore=keystore, microdata=context.microdata, now=NOW, blobs=context.blobs
        )
        assert again.is_same


def test_a_wanted_medium_that_is_stored_otherwise_is_found_by_verify(sqlite_context: Context) -> None:
    from sqlalchemy import update

    publish_xform(sqlite_context, photo_form())
    Door(sqlite_context).post(Photos(number=1, house="a.jpg").xml())
    open_all(sqlite_context)
    with sqlite_context.database.transaction() as session:
        session.execute(update(WantedMedium).values(is_here=True))
    report = verify_store.verify(sqlite_context.database, keystore=sqlite_context.keystore)
    assert [line.split(" ")[0] for line in report.differences] == ["medium"]
