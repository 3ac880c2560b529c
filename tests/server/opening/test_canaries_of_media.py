"""No medium, no file name and no decrypted answer in clear on disk, through opening, reading back and rebuilding."""

from collections.abc import Callable
from pathlib import Path

import pytest

from server.context import Context
from server.db.queries import interviews
from server.folding import media
from server.folding.checking import CheckingWorker
from server.folding.reading import instance_xml
from server.keystore import odk
from server.services import odk_keys, rebuild, verify_store
from tests.office import NOW
from tests.server.opening.doorway import Door, Photos, encrypted, photo_form
from tests.server.opening.kit import open_all, publish_xform, raw_id
from tests.server.opening.test_canaries import files_in, office, spellings

NAMED, SHOWN, TOLD, BESIDE = (
    "CanaryInAFileNameQf3391",
    "CanaryInAPhotoLt6120",
    "CanaryEncryptedVd8803",
    "CanaryLeftClearPs5527",
)


def found_in(folder: Path) -> set[str]:
    contents = [path.read_bytes() for path in files_in(folder)]
    return {
        canary
        for canary in (NAMED, SHOWN, TOLD, BESIDE)
        if any(text in content for text in spellings(canary) for content in contents)
    }


def bring(context: Context) -> None:
    """Bring a photo, an encrypted interview with one, a file in clear beside it, and answers in clear."""
    made = odk.make_key(context.keystore)
    publish_xform(context, photo_form())
    publish_xform(context, photo_form("2", made.public_key))
    with context.database.transaction() as session:
        odk_keys.keep(session, made, is_managed=True, user="manager", now=NOW)
    door = Door(context)
    photo = SHOWN.encode() * 4000
    door.post(Photos(number=1, house=f"{NAMED}.jpg").xml(), {f"{NAMED}.jpg": photo})
    clear = Photos(number=2, name=TOLD, house=f"{NAMED}.jpg", version="2").xml()
    manifest, files = encrypted(made.public_key, clear, number=2, media={f"{NAMED}.jpg": photo}, version="2")
    door.post(manifest, {**files, f"{NAMED}.jpg": BESIDE.encode()})
    door.post(Photos(number=3, name=TOLD, version="2").xml())
    door.post(Photos(number=4, name=TOLD).xml()[:-8], {"torn.jpg": photo})


def read_back(context: Context) -> None:
    for number in (1, 2):
        with context.database.read() as session:
            (revision,) = interviews.revisions_of_instances(session, [raw_id(number)])
            assert instance_xml(session, revision, keystore=context.keystore, blobs=context.blobs)
            found = media.media_of(session, raw_id(number), keystore=context.keystore)
        assert b"".join(media.plain_chunks(found[0], keystore=context.keystore, blobs=context.blobs)).startswith(b"Can")


def test_the_scan_finds_what_is_written_in_clear(tmp_path: Path) -> None:
    (tmp_path / "clear").write_bytes(" ".join((NAMED, SHOWN, TOLD, BESIDE)).encode())
    assert found_in(tmp_path) == {NAMED, SHOWN, TOLD, BESIDE}


@pytest.mark.parametrize("look", [None, read_back], ids=["opened", "read"])
def test_media_and_decrypted_answers_are_never_on_disk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    look: Callable[[Context], None] | None,
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    context = office(tmp_path / "data")
    bring(context)
    open_all(context)
    CheckingWorker(context.database, context.keystore, lambda: NOW, context.blobs).run_until_idle()
    if look is not None:
        look(context)
        rebuild.rebuild(
            database=context.database,
            keystore=context.keystore,
            microdata=context.microdata,
            now=NOW,
            blobs=context.blobs,
        )
        assert verify_store.verify(context.database, keystore=context.keystore, blobs=context.blobs).is_sound
    (tmp_path / "log").write_text(caplog.text)
    assert found_in(tmp_path) == set()
    context.close()
    assert found_in(tmp_path) == set()
