"""The door's sealer: one ratchet a process, day and mode; what it seals opens, and no key is used twice."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from server.keystore import DoorSealer, KeyStore, SealedEnvelope, SealedSubmission, Submission
from sync_protocol.constants import MODES, RATCHET_STEPS, Kind
from sync_protocol.documents import DeviceCertificate
from sync_protocol.envelope import Header, envelope_id, open_attachment, open_interview, peek, verify
from sync_protocol.epoch import parse_epoch, verify_epoch
from sync_protocol.plaintext import Medium
from sync_protocol.ratchet import EpochKeys

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def submission(
    mode: str = "survey", xml: bytes | None = b"<data id='f'/>", media: tuple[Medium, ...] = ()
) -> Submission:
    return Submission(
        instance_xml=xml,
        media=media,
        instance_id=b"i" * 16,
        parents=(b"p" * 16,),
        form_version_hash=b"f" * 32,
        mode=mode,
        app_user="tablet 12",
    )


def header(sealed: SealedSubmission) -> Header:
    assert sealed.interview is not None
    return shown(sealed.interview)


def shown(sealed: SealedEnvelope) -> Header:
    found = peek(sealed.body)
    assert isinstance(found, Header)
    assert envelope_id(sealed.body) == sealed.envelope_id
    assert found.epoch_hash == sealed.epoch_hash
    return found


def epoch_of(sealed: SealedSubmission) -> bytes:
    (epoch,) = sealed.epochs
    return epoch.body


@pytest.mark.parametrize("mode", MODES)
def test_what_the_door_seals_opens_and_names_the_app_user(keystore: KeyStore, mode: str) -> None:
    sealed = DoorSealer(keystore).seal(submission(mode), now=NOW)
    certificate = DeviceCertificate.read(keystore.door.certificate, keystore.keyring.issuer_keys)
    epoch = parse_epoch(epoch_of(sealed))
    verify_epoch(epoch, certificate.signing_key)
    assert sealed.interview is not None
    verify(sealed.interview.body, certificate.signing_key)
    assert header(sealed).epoch_hash == epoch.hash
    key = EpochKeys(keystore.open_epoch(epoch), epoch.hash).content_key(header(sealed).index)
    manifest, xml = open_interview(sealed.interview.body, key)
    assert xml == b"<data id='f'/>"
    assert manifest.app_user == "tablet 12"
    survey_key = keystore.keyring.survey_key_by_id(epoch.survey_key_id)
    assert survey_key is not None
    assert survey_key.mode == mode


def test_nothing_answered_is_outside_the_seal(keystore: KeyStore) -> None:
    photo = Medium(name="canary.jpg", type="image/jpeg", length_bytes=7, sha256="ab" * 32, key="cd" * 32)
    sealed = DoorSealer(keystore).seal(submission(xml=b"<data>canary</data>", media=(photo,)), now=NOW)
    assert sealed.interview is not None
    bodies = b"".join(one.body for one in (sealed.interview, *sealed.attachments, *sealed.epochs))
    assert b"canary" not in bodies
    assert b"tablet 12" not in bodies
    assert b"cd" * 32 not in bodies


def test_media_go_through_the_same_ratchet_and_each_names_its_own_key(keystore: KeyStore) -> None:
    photos = tuple(
        Medium(name=f"{name}.jpg", type="image/jpeg", length_bytes=7, sha256="ab" * 32, key=name * 64) for name in "abc"
    )
    door = DoorSealer(keystore)
    sealed = door.seal(submission(media=photos), now=NOW)
    later = door.seal(submission(xml=None, media=photos[:1]), now=NOW)
    assert later.interview is None
    headers = [header(sealed), *map(shown, sealed.attachments), *map(shown, later.attachments)]
    assert [one.index for one in headers] == [0, 1, 2, 3, 4]
    assert [one.kind for one in headers] == [Kind.INTERVIEW, *[Kind.ATTACHMENT] * 4]
    assert {one.instance_id for one in headers} == {b"i" * 16}
    assert {one.form_version_hash for one in headers} == {b"f" * 32}
    assert [one.parents for one in headers] == [(b"p" * 16,), (), (), (), ()]
    epoch = parse_epoch(epoch_of(sealed))
    keys = EpochKeys(keystore.open_epoch(epoch), epoch.hash)
    found = [open_attachment(one.body, keys.content_key(shown(one).index)) for one in sealed.attachments]
    assert tuple(medium for _, medium in found) == photos
    assert {manifest.app_user for manifest, _ in found} == {"tablet 12"}


def test_an_epoch_comes_with_every_submission_until_one_of_them_is_stored(keystore: KeyStore) -> None:
    door = DoorSealer(keystore)
    first, second = door.seal(submission(), now=NOW), door.seal(submission(), now=NOW)
    assert epoch_of(first) == epoch_of(second)
    door.note_stored(second)
    assert door.seal(submission(), now=NOW).epochs == ()
    assert len(door.seal(submission("training"), now=NOW).epochs) == 1
    tomorrow = door.seal(submission(), now=NOW + timedelta(days=1))
    assert epoch_of(tomorrow) != epoch_of(first)


def test_a_day_has_one_epoch_a_mode_and_each_submission_its_own_index(keystore: KeyStore) -> None:
    door = DoorSealer(keystore)
    first, second = door.seal(submission(), now=NOW), door.seal(submission(), now=NOW + timedelta(hours=1))
    training, tomorrow = (
        door.seal(submission("training"), now=NOW),
        door.seal(submission(), now=NOW + timedelta(days=1)),
    )
    assert epoch_of(first) == epoch_of(second)
    assert [header(sealed).index for sealed in (first, second, training, tomorrow)] == [0, 1, 0, 0]
    assert len({epoch_of(sealed) for sealed in (first, training, tomorrow)}) == 3


def test_the_chain_of_the_door_shows_gaps(keystore: KeyStore) -> None:
    door = DoorSealer(keystore)
    sealed = [door.seal(submission(), now=NOW) for _ in range(3)]
    assert [header(one).sequence for one in sealed] == [2, 3, 4]
    assert header(sealed[0]).previous == parse_epoch(epoch_of(sealed[0])).hash
    before = [one.interview.envelope_id for one in sealed[:2] if one.interview is not None]
    assert [header(one).previous for one in sealed[1:]] == before


def test_a_full_epoch_is_followed_by_another(keystore: KeyStore) -> None:
    door = DoorSealer(keystore)
    door.seal(submission(), now=NOW)
    door._epochs["survey"].index = RATCHET_STEPS - 1
    photo = Medium(name="a.jpg", type="image/jpeg", length_bytes=7, sha256="ab" * 32, key="cd" * 32)
    sealed = door.seal(submission(media=(photo,)), now=NOW)
    assert (header(sealed).index, shown(sealed.attachments[0]).index) == (RATCHET_STEPS - 1, 0)
    assert [epoch.epoch_hash for epoch in sealed.epochs] == [
        header(sealed).epoch_hash,
        shown(sealed.attachments[0]).epoch_hash,
    ]


def test_a_fork_does_not_share_the_ratchet(keystore: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    door = DoorSealer(keystore)
    before = door.seal(submission(), now=NOW)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert epoch_of(door.seal(submission(), now=NOW)) != epoch_of(before)
