"""Submissions that ODK Collect encrypted: opened when manifest, XML and key are here, whichever comes last."""

import itertools
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from forms.encrypting import with_public_key
from forms.xform import XFormError
from server.context import Context
from server.db.queries import attachments, checks, interviews, opening
from server.db.tables import Envelope
from server.errors import WorkbookInvalid
from server.folding import media
from server.folding.checking import CheckingWorker, open_check
from server.folding.reading import instance_xml, sealed_xml
from server.folding.state import state_hash
from server.keystore import KeyStore, KeyStoreError, odk
from server.services import odk_keys, publish_form, rebuild, settle_hold, verify_store
from sync_protocol.errors import EnvelopeError
from tests.conftest import SHARED
from tests.office import NOW
from tests.server.opening.doorway import Door, Photos, encrypted, photo_form
from tests.server.opening.kit import number_id, open_all, publish_xform, raw_id


@pytest.fixture(scope="session")
def made(keys_dir: Path) -> odk.SealedOdkKey:
    """One RSA key for the run: making one takes a while."""
    return odk.make_key(KeyStore.open(keys_dir, None))


@pytest.fixture
def door(context: Context, made: odk.SealedOdkKey) -> Door:
    publish_xform(context, photo_form(public_key=made.public_key))
    return Door(context)


def give_key(context: Context, made: odk.SealedOdkKey) -> None:
    with context.database.transaction() as session:
        odk_keys.keep(session, made, is_managed=True, user="manager", now=NOW)


def states(context: Context) -> dict[str, int]:
    """Return how many interview envelopes are in each state, quarantined ones by their reason."""
    with context.database.read() as session:
        rows = session.execute(select(Envelope.state, Envelope.reason).where(Envelope.kind == 2)).all()
    found: dict[str, int] = {}
    for state, reason in rows:
        name = reason if state == "quarantined" else state
        found[name] = found.get(name, 0) + 1
    return found


def xml_of(context: Context, number: int) -> bytes:
    with context.database.read() as session:
        (revision,) = interviews.revisions_of_instances(session, [raw_id(number)])
        return instance_xml(session, revision, keystore=context.keystore, blobs=context.blobs)


def media_of(context: Context, number: int) -> dict[str, bytes]:
    with context.database.read() as session:
        found = media.media_of(session, raw_id(number), keystore=context.keystore)
    return {
        one.name: b"".join(media.plain_chunks(one, keystore=context.keystore, blobs=context.blobs)) for one in found
    }


def sound(context: Context) -> bool:
    report = verify_store.verify(
        context.database, keystore=context.keystore, microdata=context.microdata, blobs=context.blobs
    )
    assert report.is_sound, report
    return True


def rebuilt(context: Context) -> bool:
    return rebuild.rebuild(
        database=context.database,
        keystore=context.keystore,
        microdata=context.microdata,
        now=NOW,
        blobs=context.blobs,
    ).is_same


def test_an_encrypted_interview_is_opened_when_the_last_of_manifest_xml_and_key_is_here(
    door: Door, made: odk.SealedOdkKey
) -> None:
    context = door.context
    clear = Photos(number=1, name="Ama", house="a.jpg").xml()
    manifest, files = encrypted(made.public_key, clear, number=1, media={"a.jpg": b"house" * 5000})
    door.post(manifest)
    open_all(context)
    assert states(context) == {"waiting-for-odk-key": 1}
    give_key(context, made)
    open_all(context)
    assert states(context) == {"waiting-for-media": 1}
    door.post(manifest, {"submission.xml.enc": files["submission.xml.enc"]})
    open_all(context)
    assert states(context) == {"opened": 1}
    assert xml_of(context, 1) == clear
    with context.database.read() as session:
        assert media.missing_names(session, raw_id(1), keystore=context.keystore) == ("a.jpg",)
    door.post(manifest, {"a.jpg.enc": files["a.jpg.enc"]})
    open_all(context)
    assert media_of(context, 1) == {"a.jpg": b"house" * 5000}
    assert sound(context)
    assert rebuilt(context)
    assert sound(context)


@pytest.mark.parametrize("order", [*itertools.permutations(("manifest", "files", "key"))], ids="-".join)
def test_in_every_order_the_same_interview_comes_out(
    sqlite_context: Context, made: odk.SealedOdkKey, order: tuple[str, ...]
) -> None:
    publish_xform(sqlite_context, photo_form(public_key=made.public_key))
    door = Door(sqlite_context)
    clear = Photos(number=1, house="a.jpg").xml()
    manifest, files = encrypted(made.public_key, clear, number=1, media={"a.jpg": b"house"})
    bodies: list[tuple[str, dict[str, bytes]]] = []
    for what in order:
        if what == "key":
            give_key(sqlite_context, made)
        elif what == "manifest":
            door.post(manifest)
        else:
            door.post(manifest, files)
        open_all(sqlite_context)
        bodies.append((what, files))
    assert states(sqlite_context) == {"opened": 1}
    assert xml_of(sqlite_context, 1) == clear
    assert media_of(sqlite_context, 1) == {"a.jpg": b"house"}
    assert rebuilt(sqlite_context)


def test_a_truncated_file_hurts_its_own_interview_only_and_a_whole_copy_ends_it(
    door: Door, made: odk.SealedOdkKey
) -> None:
    context = door.context
    give_key(context, made)
    whole = {}
    for number in (1, 2, 3):
        manifest, files = encrypted(made.public_key, Photos(number=number).xml(), number=number)
        whole[number] = (manifest, files)
        cut = files["submission.xml.enc"][: -16 if number == 2 else None]
        door.post(manifest, {"submission.xml.enc": cut})
    open_all(context)
    assert states(context)["opened"] == 2
    assert sum(states(context).get(code, 0) for code in opening.ENDED_BY_A_FILE) == 1
    assert sound(context)
    door.post(whole[2][0], whole[2][1])
    open_all(context)
    assert states(context) == {"opened": 3}
    assert sound(context)
    assert rebuilt(context)


def test_what_is_not_what_was_signed_goes_to_quarantine(door: Door, made: odk.SealedOdkKey) -> None:
    context = door.context
    give_key(context, made)
    clear = Photos(number=1).xml()
    door.post(*encrypted(made.public_key, clear, number=1, signed_xml=clear + b" "))
    door.post(*encrypted(made.public_key, Photos(number=7).xml(), number=2))
    open_all(context)
    assert states(context) == {"odk-signature-invalid": 2}
    assert sound(context)


def findings(context: Context) -> list[str]:
    CheckingWorker(context.database, context.keystore, lambda: NOW, context.blobs).run_until_idle()
    with context.database.read() as session:
        rows = checks.stored_checks(session).values()
        revisions = interviews.all_revisions(session)
    found = [
        finding.code
        for row, revision in itertools.product(rows, revisions)
        if row.revision_id == revision.revision_id
        for finding in open_check(row.sealed, revision.instance_id, revision.answers_hash, context.keystore)
    ]
    return [code for code in found if code.startswith("odk")]


def test_media_that_are_not_what_was_signed_are_a_finding_once_all_are_here(door: Door, made: odk.SealedOdkKey) -> None:
    context, clear = door.context, Photos(number=1, house="a.jpg", voices=("b.m4a",)).xml()
    give_key(context, made)
    media = {"a.jpg": b"house" * 9, "b.m4a": b"voice"}
    manifest, files = encrypted(made.public_key, clear, number=1, media=media)
    cut = {**files, "a.jpg.enc": files["a.jpg.enc"][:-16]}
    last = cut.pop("b.m4a.enc")
    door.post(manifest, cut)
    open_all(context)
    assert states(context) == {"opened": 1}
    assert findings(context) == []
    door.post(manifest, {"b.m4a.enc": last})
    open_all(context)
    assert findings(context) == ["odk-signature-invalid"]
    assert sound(context)
    door.post(manifest, {"a.jpg.enc": files["a.jpg.enc"]})
    open_all(context)
    assert findings(context) == []
    assert sound(context)


def test_clear_answers_on_an_encrypted_form_wait_for_a_person(door: Door, made: odk.SealedOdkKey) -> None:
    context = door.context
    give_key(context, made)
    door.post(Photos(number=1).xml())
    open_all(context)
    assert states(context) == {"plaintext-on-encrypted-form": 1}
    with context.database.transaction() as session:
        (held,) = opening.quarantined(session)
        settle_hold.release_quarantined(session, envelope_id=held.envelope_id, user="manager", now=NOW)
    open_all(context)
    assert states(context) == {"opened": 1}
    assert rebuilt(context)
    assert states(context) == {"opened": 1}


def test_clear_files_beside_encrypted_ones_are_listed_never_read_and_can_be_wiped(
    door: Door, made: odk.SealedOdkKey
) -> None:
    context = door.context
    give_key(context, made)
    clear = Photos(number=1, house="a.jpg").xml()
    manifest, files = encrypted(made.public_key, clear, number=1, media={"a.jpg": b"house"})
    door.post(manifest, {"a.jpg": b"in clear", **files})
    door.post(Photos(number=2).xml())  # killed before the manifest was written
    open_all(context)
    assert media_of(context, 1) == {"a.jpg": b"house"}
    with context.database.read() as session:
        (beside,) = attachments.beside_ciphertext(session)
    assert context.blobs.has(beside.blob_sha256)
    assert odk_keys.wipe_plaintext(context.database, context.blobs, user="manager", now=NOW) == 2
    assert not context.blobs.has(beside.blob_sha256)
    assert states(context) == {"opened": 1, "wiped": 1}
    assert odk_keys.wipe_plaintext(context.database, context.blobs, user="manager", now=NOW) == 0
    assert sound(context)
    assert rebuilt(context)
    assert states(context) == {"opened": 1, "wiped": 1}
    assert sound(context)


def test_a_form_is_published_with_a_key_and_is_then_another_form(
    sqlite_context: Context, made: odk.SealedOdkKey
) -> None:
    prepared = publish_form.prepare(photo_form(), "photos.xml")
    secret = publish_form.encrypted(prepared, made.public_key)
    assert secret.definition.metadata.submission.public_key == made.public_key
    assert secret.definition.hash != prepared.definition.hash
    again = publish_form.encrypted(secret, made.public_key)
    assert again.definition.hash == secret.definition.hash
    with sqlite_context.database.transaction() as session:
        publish_form.publish(session, secret, note="", user="manager", now=NOW)


@pytest.mark.parametrize("key", ["my key", "AAAA", "MEgCQQC7Iu5TZ4ZSVM"])
def test_a_form_with_a_key_that_nobody_can_encrypt_to_is_not_published(key: str) -> None:
    with pytest.raises(WorkbookInvalid, match="no RSA key of at least 2048 bits"):
        publish_form.prepare(photo_form(public_key=key), "photos.xml")


def test_a_form_without_an_instance_id_is_not_published_as_an_encrypted_one(made: odk.SealedOdkKey) -> None:
    bare = photo_form().replace(b"<instanceID/>", b"")
    with pytest.raises(XFormError, match="instanceID"):
        with_public_key(bare, made.public_key)
    assert made.public_key.encode() in with_public_key(photo_form(public_key="AAAA"), made.public_key)


def test_a_writer_whose_mask_is_sha_1_is_understood_too(door: Door, made: odk.SealedOdkKey) -> None:
    give_key(door.context, made)
    door.post(*encrypted(made.public_key, Photos(number=1).xml(), number=1, mask=SHA1()))
    open_all(door.context)
    assert states(door.context) == {"opened": 1}


def test_a_submission_that_was_encrypted_twice_gives_one_revision_and_all_its_media(
    door: Door, made: odk.SealedOdkKey
) -> None:
    context, clear = door.context, Photos(number=1, house="a.jpg").xml()
    give_key(context, made)
    for _ in range(2):
        door.post(*encrypted(made.public_key, clear, number=1, media={"a.jpg": b"house"}))
    open_all(context)
    assert states(context) == {"opened": 2}
    with context.database.read() as session:
        found = media.media_of(session, raw_id(1), keystore=context.keystore)
    read = [b"".join(media.plain_chunks(one, keystore=context.keystore, blobs=context.blobs)) for one in found]
    assert read == [b"house", b"house"]
    assert sound(context)
    assert rebuilt(context)


def test_an_unreadable_instance_can_be_looked_at_and_breaks_nothing(door: Door) -> None:
    context, torn = door.context, b"<data id='photos' version='1'><name>Ama"
    door.post(torn)
    open_all(context)
    assert states(context) == {"unreadable-instance": 1}
    assert sound(context)
    assert rebuilt(context)
    assert states(context) == {"unreadable-instance": 1}
    with context.database.read() as session:
        (stored,) = opening.envelopes_by_sequence(session, [opening.quarantined(session)[0].sequence])
        assert sealed_xml(session, stored, keystore=context.keystore) == torn


def test_an_instance_without_an_id_is_taken_once_a_person_lets_it_in(door: Door, context: Context) -> None:
    publish_xform(context, photo_form(version="2"))
    xml = Photos(number=1, version="2").xml().replace(f"<instanceID>{number_id(1)}</instanceID>".encode(), b"")
    door.post(xml)
    open_all(context)
    assert states(context) == {"no-instance-id": 1}
    assert rebuilt(context)
    assert states(context) == {"no-instance-id": 1}
    with context.database.transaction() as session:
        (held,) = opening.quarantined(session)
        settle_hold.release_quarantined(session, envelope_id=held.envelope_id, user="manager", now=NOW)
    open_all(context)
    assert states(context) == {"opened": 1}
    assert sound(context)


def test_only_rsa_keys_of_a_safe_length_are_taken(keystore: KeyStore, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    other = ed25519.Ed25519PrivateKey.generate()
    good = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wrapping = BestAvailableEncryption(b"open sesame")
    for key in (short, other):
        with pytest.raises(KeyStoreError, match="at least 2048"):
            odk.read_key(keystore, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, wrapping), "open sesame")
    pem = good.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, wrapping)
    for passphrase in ("another", None):
        with pytest.raises(KeyStoreError, match="passphrase"):
            odk.read_key(keystore, pem, passphrase)
    taken = odk.read_key(keystore, pem, "open sesame")
    odk.check_public_key(taken.public_key)
    assert odk.hash_of(taken.public_key + "\n") == taken.key_hash
    for nonsense in ("", "AAAA", "not base64"):
        with pytest.raises(KeyStoreError):
            odk.check_public_key(nonsense)


@settings(max_examples=60)
@given(plain=st.binary(max_size=80), cuts=st.lists(st.integers(0, 120), max_size=5))
def test_a_file_decrypts_the_same_in_any_pieces(plain: bytes, cuts: list[int]) -> None:
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.padding import PKCS7

    padder, cipher = PKCS7(128).padder(), Cipher(AES(b"k" * 32), CFB(b"v" * 16)).encryptor()
    whole = cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[start:end] for start, end in itertools.pairwise(places)]
    way = odk.FileKey((b"k" * 32).hex(), (b"v" * 16).hex())
    assert b"".join(odk.plain_chunks(pieces, way)) == plain
    with pytest.raises(EnvelopeError):
        b"".join(odk.plain_chunks([whole[:-1]], way))


@pytest.fixture(scope="session")
def collect_encrypt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Java writer, compiled."""
    source = SHARED / "collect-engine" / "CollectEncrypt.java"
    if not source.exists() or shutil.which("javac") is None:
        pytest.skip("no Java, or no ../shared/collect-engine: what Collect's own cipher writes is not compared")
    folder = tmp_path_factory.mktemp("classes")
    subprocess.run(["javac", "-d", str(folder), str(source)], check=True, timeout=120)
    return folder


def test_what_java_writes_as_collect_does_is_opened(
    door: Door, made: odk.SealedOdkKey, collect_encrypt: Path, tmp_path: Path
) -> None:
    context, clear = door.context, Photos(number=1, name="Éléonore", house="a.jpg", audit="audit.csv").xml()
    files = {"a.jpg": random.Random(1).randbytes(100_001), "audit.csv": b"event,node\n"}
    (tmp_path / "in").mkdir()
    for name, written in {**files, "instance.xml": clear}.items():
        (tmp_path / "in" / name).write_bytes(written)
    subprocess.run(
        [
            *("java", "-cp", str(collect_encrypt), "CollectEncrypt", made.public_key, "photos", "1", number_id(1)),
            *(str(tmp_path / "in" / "instance.xml"), str(tmp_path / "out")),
            *(str(tmp_path / "in" / name) for name in files),
        ],
        check=True,
        timeout=60,
    )
    out = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    manifest = out.pop("submission.xml")
    give_key(context, made)
    door.post(manifest, out)
    open_all(context)
    assert states(context) == {"opened": 1}
    assert xml_of(context, 1) == clear
    assert media_of(context, 1) == files
    with context.database.read() as session:
        before = state_hash(session, context.keystore)
        assert media.missing_names(session, raw_id(1), keystore=context.keystore) == ()
    assert rebuilt(context)
    with context.database.read() as session:
        assert state_hash(session, context.keystore) == before
