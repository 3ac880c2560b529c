"""Sealed interviews: what goes in comes out, and nothing else ever does."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol import envelope, plaintext
from sync_protocol.constants import (
    ENVELOPE_BYTES,
    LABEL_ENVELOPE,
    PARENTS,
    PLAINTEXT_BYTES,
    RATCHET_STEPS,
    SUITE_X25519,
    SUITE_X_WING,
    Kind,
)
from sync_protocol.documents import document_hash
from sync_protocol.envelope import Header
from sync_protocol.epoch import Epoch
from sync_protocol.errors import EnvelopeError, LocalError
from sync_protocol.plaintext import Manifest, Medium
from tests.sync_protocol.sealed import DEVICE, DEVICE_PUBLIC, MANIFEST, XML, header, sealed

hashes = st.binary(min_size=32, max_size=32)
instance_ids = st.binary(min_size=16, max_size=16)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
headers = st.builds(
    Header,
    kind=st.just(Kind.INTERVIEW),
    suite=st.sampled_from([SUITE_X_WING, SUITE_X25519]),
    epoch_hash=hashes,
    index=st.integers(0, RATCHET_STEPS - 1),
    sequence=st.integers(0, 2**64 - 1),
    previous=hashes,
    instance_id=instance_ids,
    parents=st.lists(instance_ids, max_size=5).map(tuple),
    form_version_hash=hashes,
    dictionary_hash=st.just(bytes(32)),
    certificate_hash=hashes,
)


@given(head=headers, key=hashes, xml=st.binary(max_size=2000), time=texts)
def test_what_is_sealed_opens_the_same_under_the_same_key(head: Header, key: bytes, xml: bytes, time: str) -> None:
    manifest = Manifest(device_time=time)
    body = envelope.seal_interview(header=head, content_key=key, signer=DEVICE, manifest=manifest, instance_xml=xml)
    assert envelope.peek(body) == head
    envelope.verify(body, DEVICE_PUBLIC)
    assert envelope.open_interview(body, key) == (manifest, xml)


def test_every_flipped_byte_is_detected() -> None:
    whole = sealed().interview
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= 0x01
        with pytest.raises(EnvelopeError) as caught:
            envelope.peek(bytes(altered))
            envelope.verify(bytes(altered), DEVICE_PUBLIC)
        assert caught.value.code


def test_every_flipped_byte_before_the_signature_is_detected_by_the_body_alone() -> None:
    whole = sealed().interview
    for position in range(len(whole) - 64):
        altered = bytearray(whole)
        altered[position] ^= 0x80
        with pytest.raises(EnvelopeError):
            envelope.open_interview(bytes(altered), sealed().content_key)


def test_every_truncation_is_detected_by_the_body_alone() -> None:
    whole = sealed().interview
    for length in range(len(whole)):
        with pytest.raises(EnvelopeError):
            envelope.open_interview(whole[:length], sealed().content_key)


def test_every_altered_header_that_the_device_itself_signs_again_opens_nothing() -> None:
    whole = sealed().interview
    for position in range(sealed().header.length_bytes):
        altered = bytearray(whole[:-64])
        altered[position] ^= 0x01
        again = bytes(altered) + DEVICE.sign(LABEL_ENVELOPE + altered)
        with pytest.raises(EnvelopeError):
            envelope.open_interview(again, sealed().content_key)


def test_every_truncation_is_detected() -> None:
    whole = sealed().interview
    for length in range(len(whole)):
        with pytest.raises(EnvelopeError):
            envelope.peek(whole[:length])
            envelope.verify(whole[:length], DEVICE_PUBLIC)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(EnvelopeError) as caught:
        envelope.open_interview(sealed().interview, bytes(32))
    assert caught.value.code == "undecryptable"


def test_the_answers_and_names_are_not_in_the_envelope() -> None:
    assert b"lodie" not in sealed().interview
    assert b"name" not in sealed().interview
    assert b"2026" not in sealed().interview


@pytest.mark.parametrize(
    ("position", "value", "code"),
    [
        (0, 0, "malformed"),
        (4, 9, "unknown-version"),
        (5, 9, "unknown-suite"),
        (6, 9, "unknown-kind"),
        (7, 255, "truncated"),
        (40, 255, "index-too-high"),
    ],
)
def test_a_header_that_cannot_be_read_has_its_own_code(position: int, value: int, code: str) -> None:
    altered = bytearray(sealed().interview)
    altered[position] = value
    with pytest.raises(EnvelopeError) as caught:
        envelope.peek(bytes(altered))
    assert caught.value.code == code


def test_an_envelope_over_the_limit_is_too_large() -> None:
    with pytest.raises(EnvelopeError) as caught:
        envelope.peek(sealed().interview + bytes(ENVELOPE_BYTES))
    assert caught.value.code == "too-large"


def _sealed_of(length: int) -> bytes:
    head = header(bytes(32))
    chunks = (length - head.length_bytes - 64 - 56) // (16384 + 16) + 1
    return envelope._seal(head, bytes(32), DEVICE, bytes(length - head.length_bytes - 64 - 56 - 16 * chunks))


def test_an_envelope_of_just_the_limit_is_sealed_and_read() -> None:
    whole = _sealed_of(ENVELOPE_BYTES)
    assert len(whole) == ENVELOPE_BYTES
    assert envelope.peek(whole) == header(bytes(32))
    with pytest.raises(LocalError, match="too-large"):
        _sealed_of(ENVELOPE_BYTES + 1)
    with pytest.raises(EnvelopeError, match="too-large"):
        envelope.peek(whole + b"\x00")


@pytest.mark.parametrize("parents", [(), (bytes(16),), (bytes(16),) * PARENTS])
def test_a_header_and_a_signature_are_the_least_that_is_read(parents: tuple[bytes, ...]) -> None:
    head = header(bytes(32), parents=parents)
    least = head.encode() + bytes(64)
    assert envelope.peek(least) == head
    for length in range(len(envelope.MAGIC), len(least)):
        with pytest.raises(EnvelopeError, match="truncated"):
            envelope.peek(least[:length])


def test_the_last_index_is_read_and_the_next_is_not() -> None:
    for index, code in ((RATCHET_STEPS - 1, None), (RATCHET_STEPS, "index-too-high"), (2**32 - 1, "index-too-high")):
        altered = bytearray(sealed().interview)
        altered[40:44] = index.to_bytes(4, "big")
        if code is None:
            assert envelope.peek(bytes(altered)) == header(sealed().header.epoch_hash, index=index)
        else:
            with pytest.raises(EnvelopeError, match=code):
                envelope.peek(bytes(altered))


def test_what_would_be_over_the_limit_is_not_sealed() -> None:
    noise = b"".join(document_hash(number.to_bytes(4, "big")) for number in range(ENVELOPE_BYTES // 32))
    with pytest.raises(LocalError, match="too-large"):
        envelope.seal_interview(
            header=header(bytes(32)), content_key=bytes(32), signer=DEVICE, manifest=MANIFEST, instance_xml=noise
        )


@pytest.mark.parametrize("length", [31, 33])
@pytest.mark.parametrize(
    "member", ["epoch_hash", "previous", "form_version_hash", "dictionary_hash", "certificate_hash"]
)
def test_a_hash_of_the_wrong_length_is_not_sealed(member: str, length: int) -> None:
    with pytest.raises(LocalError, match="malformed"):
        replace(header(bytes(32)), **{member: bytes(length)}).encode()  # type: ignore[arg-type]


@pytest.mark.parametrize("member", [{"instance_id": bytes(15)}, {"parents": (bytes(16), bytes(17))}])
def test_an_instance_id_of_the_wrong_length_is_not_sealed(member: dict[str, object]) -> None:
    with pytest.raises(LocalError, match="malformed"):
        header(bytes(32), **member).encode()


def test_too_many_parents_and_a_high_index_are_refused_when_sealing() -> None:
    with pytest.raises(LocalError, match="malformed"):
        header(bytes(32), parents=(bytes(16),) * (PARENTS + 1)).encode()
    with pytest.raises(LocalError, match="index-too-high"):
        header(bytes(32), index=RATCHET_STEPS).encode()


def test_an_epoch_is_peeked_as_an_epoch_and_holds_no_interview() -> None:
    assert isinstance(envelope.peek(sealed().epoch), Epoch)
    with pytest.raises(EnvelopeError) as caught:
        envelope.open_interview(sealed().epoch, bytes(32))
    assert caught.value.code == "unknown-kind"


DICTIONARY = b"<data id='f'><name></name><meta><instanceID>uuid:"


@pytest.mark.parametrize(
    ("kind", "sealing", "opening"),
    [
        (Kind.INTERVIEW, envelope.seal_interview, envelope.open_interview),
        (Kind.DRAFT, envelope.seal_draft, envelope.open_draft),
    ],
)
@pytest.mark.parametrize("dictionary", [None, DICTIONARY])
def test_what_is_sealed_is_padded_and_opens_with_the_dictionary_that_it_names(
    kind: Kind, sealing: Any, opening: Any, dictionary: bytes | None
) -> None:
    named = bytes(32) if dictionary is None else document_hash(dictionary)
    head = header(bytes(32), kind=kind, dictionary_hash=named)
    body = sealing(
        header=head,
        content_key=bytes(32),
        signer=DEVICE,
        manifest=MANIFEST,
        instance_xml=XML,
        dictionary=dictionary,
    )
    assert envelope.named_dictionary(body) == named
    assert (len(body) - head.length_bytes - 24 - 32 - 16 - 64) % 128 == 0
    assert opening(body, bytes(32), dictionary=dictionary) == (MANIFEST, XML)
    if dictionary is not None:
        for wrong in (None, b"another dictionary"):
            with pytest.raises(EnvelopeError, match="unknown-dictionary"):
                opening(body, bytes(32), dictionary=wrong)


@pytest.mark.parametrize(("used", "named"), [(DICTIONARY, bytes(32)), (None, document_hash(DICTIONARY))])
def test_a_header_that_names_another_dictionary_is_not_sealed(used: bytes | None, named: bytes) -> None:
    with pytest.raises(LocalError, match="unknown-dictionary"):
        envelope.seal_interview(
            header=header(bytes(32), dictionary_hash=named),
            content_key=bytes(32),
            signer=DEVICE,
            manifest=MANIFEST,
            instance_xml=XML,
            dictionary=used,
        )


@given(st.binary(max_size=400))
def test_which_dictionary_is_named_can_be_asked_of_any_bytes(body: bytes) -> None:
    assert len(envelope.named_dictionary(b"PSRL" + body)) <= 32


def test_a_decision_opens_as_what_was_decided() -> None:
    head = header(bytes(32), kind=Kind.DECISION)
    decision = {"action": "settle-hold", "verdict": "reassign", "household_key": "07203111264"}
    body = envelope.seal_decision(
        header=head, content_key=bytes(32), signer=DEVICE, manifest=MANIFEST, decision=decision
    )
    assert envelope.open_decision(body, bytes(32)) == (MANIFEST, decision)


@pytest.mark.parametrize("document", [b"[1]", b"{", b"\xff"])
def test_a_decision_that_is_no_object_is_malformed(document: bytes) -> None:
    head = header(bytes(32), kind=Kind.DECISION)
    body = envelope._seal(head, bytes(32), DEVICE, plaintext.pack(MANIFEST, document))
    with pytest.raises(EnvelopeError, match="malformed"):
        envelope.open_decision(body, bytes(32))


@pytest.mark.parametrize("kind", [Kind.INTERVIEW, Kind.DRAFT, Kind.ATTACHMENT, Kind.DECISION])
def test_a_kind_opens_as_itself_only(kind: Kind) -> None:
    head = header(bytes(32), kind=kind)
    body = envelope._seal(head, bytes(32), DEVICE, plaintext.pack(MANIFEST, b"{}"))
    assert envelope.peek(body) == head
    for opens, opening in (
        (Kind.INTERVIEW, envelope.open_interview),
        (Kind.DRAFT, envelope.open_draft),
        (Kind.DECISION, envelope.open_decision),
    ):
        if kind is not opens:
            with pytest.raises(EnvelopeError, match="unknown-kind"):
                opening(body, bytes(32))


def test_a_header_of_another_kind_is_not_sealed() -> None:
    with pytest.raises(LocalError, match="unknown-kind"):
        envelope.seal_interview(
            header=header(bytes(32), kind=Kind.DECISION),
            content_key=bytes(32),
            signer=DEVICE,
            manifest=MANIFEST,
            instance_xml=XML,
        )
    with pytest.raises(LocalError, match="unknown-kind"):
        envelope.seal_decision(
            header=header(bytes(32)), content_key=bytes(32), signer=DEVICE, manifest=MANIFEST, decision={}
        )


@given(xml=st.binary(max_size=3000), bucket=st.sampled_from([1, 64, 128]), app_user=st.none() | texts)
def test_packing_and_unpacking_are_inverse(xml: bytes, bucket: int, app_user: str | None) -> None:
    medium = Medium(name="photo.jpg", type="image/jpeg", length_bytes=10, sha256="00" * 32, key="11" * 32)
    manifest = Manifest(device_time="now", media=(medium,), app_user=app_user)
    packed = plaintext.pack(manifest, xml, bucket_bytes=bucket)
    assert len(packed) % bucket == 0
    assert plaintext.unpack(packed) == (manifest, xml)


@pytest.mark.parametrize(
    ("tail", "code"),
    [(b"x", "trailing-bytes"), (bytes(127), None), (bytes(128), "trailing-bytes"), (b"\x00y", "trailing-bytes")],
)
def test_only_zeros_short_of_a_bucket_may_follow_the_deflate_stream(tail: bytes, code: str | None) -> None:
    packed = plaintext.pack(MANIFEST, XML, bucket_bytes=1) + tail
    if code is None:
        assert plaintext.unpack(packed) == (MANIFEST, XML)
    else:
        with pytest.raises(EnvelopeError, match=code):
            plaintext.unpack(packed)


def test_a_tail_of_one_byte_is_refused_but_for_a_zero() -> None:
    for byte in range(1, 256):
        with pytest.raises(EnvelopeError, match="trailing-bytes"):
            plaintext.unpack(plaintext.pack(MANIFEST, XML) + bytes([byte]))


@given(st.binary(min_size=1, max_size=300).filter(lambda tail: tail.strip(b"\x00") != b""))
def test_any_other_tail_is_refused(tail: bytes) -> None:
    with pytest.raises(EnvelopeError, match="trailing-bytes"):
        plaintext.unpack(plaintext.pack(MANIFEST, XML) + tail)


def _deflated(plain: bytes) -> bytes:
    import zlib

    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(plain) + deflater.flush()


def _manifest(members: str) -> bytes:
    return _deflated(len(members.encode()).to_bytes(4, "big") + members.encode() + XML)


@pytest.mark.parametrize(
    "members",
    [
        '{"device_time":null}',
        '{"device_time":["now"]}',
        '{"device_time":"%s"}' % ("9" * 65),
        '{"device_time":"\\u0000"}',
        '{"device_time":"\\ud800"}',
        '{"device_time":"now","app_user":7}',
        '{"device_time":"now","app_user":"%s"}' % ("a" * 201),
        '{"device_time":"now","media":null}',
        '{"device_time":"now","media":[{"name":"a","type":"b","bytes":1e400,"sha256":"c","key":"d"}]}',
        '{"device_time":"now","media":[{"name":"a","type":"b","bytes":-1,"sha256":"c","key":"d"}]}',
        '{"device_time":"now","media":[{"name":"a","type":"b","bytes":true,"sha256":"c","key":"d"}]}',
        '{"device_time":"now","media":[{"name":"a","type":"b","bytes":1,"sha256":"c","key":4}]}',
        '{"device_time":"now","media":["a"]}',
        "[" * 100_000,
    ],
)
def test_a_poisoned_manifest_is_malformed_and_nothing_worse(members: str) -> None:
    with pytest.raises(EnvelopeError, match="malformed"):
        plaintext.unpack(_manifest(members))


def test_members_of_a_manifest_that_nobody_knows_are_ignored() -> None:
    assert plaintext.unpack(_manifest('{"device_time":"now","weather":"dry"}')) == (Manifest(device_time="now"), XML)


@pytest.mark.parametrize(
    "manifest",
    [
        Manifest(device_time="9" * 65),
        Manifest(device_time="now", app_user="\x00"),
        Manifest(device_time="now", media=(Medium(name="\ud800", type="", length_bytes=1, sha256="", key=""),)),
        Manifest(device_time="now", media=(Medium(name="", type="", length_bytes=-1, sha256="", key=""),)),
    ],
)
def test_a_manifest_that_could_not_be_read_again_is_not_sealed(manifest: Manifest) -> None:
    with pytest.raises(LocalError, match="malformed"):
        plaintext.pack(manifest, XML)


@pytest.mark.parametrize(
    ("packed", "code"),
    [
        (b"", "malformed"),
        (b"\xff\xff\xff", "malformed"),
        (_deflated(b"abc")[:-1], "malformed"),
        (_deflated(b"abc"), "malformed"),
        (_deflated(b"\x00\x00\x00\xff{}"), "malformed"),
        (_deflated(b"\x00\x00\x00\x02{}"), "malformed"),
        (_deflated(b"\x00\x00\x00\x02[]"), "malformed"),
        (_deflated(bytes(5 << 20)), "too-large"),
    ],
)
def test_a_hostile_plaintext_is_refused_within_bounds(packed: bytes, code: str) -> None:
    with pytest.raises(EnvelopeError, match=code):
        plaintext.unpack(packed)


def test_a_plaintext_of_just_the_limit_passes_and_a_byte_more_is_not_sealed() -> None:
    room = PLAINTEXT_BYTES - 4 - len(MANIFEST.encode())
    assert plaintext.unpack(plaintext.pack(MANIFEST, bytes(room))) == (MANIFEST, bytes(room))
    with pytest.raises(LocalError, match="too-large"):
        plaintext.pack(MANIFEST, bytes(room + 1))


def test_a_manifest_of_just_the_limits_passes() -> None:
    manifest = Manifest(
        device_time="9" * 64,
        media=(Medium(name="n" * 255, type="", length_bytes=0, sha256="", key=""),),
        app_user="a" * 200,
    )
    assert plaintext.unpack(plaintext.pack(manifest, b"")) == (manifest, b"")


def test_a_manifest_that_is_longer_than_the_plaintext_is_malformed_though_it_reads() -> None:
    encoded = MANIFEST.encode()
    with pytest.raises(EnvelopeError, match="malformed"):
        plaintext.unpack(_deflated((len(encoded) + 1).to_bytes(4, "big") + encoded))


def test_sealing_pads_only_when_it_is_told_to() -> None:
    start = len(MANIFEST.encode()).to_bytes(4, "big") + MANIFEST.encode()
    for length in range(len(XML)):
        assert plaintext.pack(MANIFEST, XML[:length], bucket_bytes=1) == _deflated(start + XML[:length])


@given(st.binary(max_size=600))
def test_any_bytes_are_either_read_or_refused_with_a_code(junk: bytes) -> None:
    for candidate in (junk, b"PSRL" + junk, b"PSRL\x01\x01\x01\x01" + junk, b"PSRL\x01\x01\x02\x00" + junk):
        code = "read"
        try:
            envelope.peek(candidate)
        except EnvelopeError as error:
            code = error.code
        assert code
