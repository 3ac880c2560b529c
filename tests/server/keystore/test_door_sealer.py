"""The door's sealer: one ratchet a process, day and mode; what it seals opens, and no key is used twice."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from server.keystore import DoorSealer, KeyStore, SealedSubmission, Submission
from sync_protocol.constants import MODES, RATCHET_STEPS
from sync_protocol.documents import DeviceCertificate
from sync_protocol.envelope import Header, envelope_id, open_interview, peek, verify
from sync_protocol.epoch import parse_epoch, verify_epoch
from sync_protocol.ratchet import EpochKeys

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def submission(mode: str = "survey", xml: bytes = b"<data id='f'/>") -> Submission:
    return Submission(
        instance_xml=xml,
        instance_id=b"i" * 16,
        parents=(b"p" * 16,),
        form_version_hash=b"f" * 32,
        mode=mode,
        app_user="tablet 12",
    )


def header(sealed: SealedSubmission) -> Header:
    shown = peek(sealed.body)
    assert isinstance(shown, Header)
    return shown


@pytest.mark.parametrize("mode", MODES)
def test_what_the_door_seals_opens_and_names_the_app_user(keystore: KeyStore, mode: str) -> None:
    sealed = DoorSealer(keystore).seal(submission(mode), now=NOW)
    certificate = DeviceCertificate.read(keystore.door.certificate, keystore.keyring.issuer_keys)
    epoch = parse_epoch(sealed.epoch)
    verify_epoch(epoch, certificate.signing_key)
    verify(sealed.body, certificate.signing_key)
    shown = header(sealed)
    assert shown.epoch_hash == epoch.hash
    key = EpochKeys(keystore.open_epoch(epoch), epoch.hash).content_key(shown.index)
    manifest, xml = open_interview(sealed.body, key)
    assert xml == b"<data id='f'/>"
    assert manifest.app_user == "tablet 12"
    survey_key = keystore.keyring.survey_key_by_id(epoch.survey_key_id)
    assert survey_key is not None
    assert survey_key.mode == mode


def test_nothing_answered_is_outside_the_seal(keystore: KeyStore) -> None:
    sealed = DoorSealer(keystore).seal(submission(xml=b"<data>canary</data>"), now=NOW)
    assert b"canary" not in sealed.body + sealed.epoch
    assert b"tablet 12" not in sealed.body + sealed.epoch


def test_a_day_has_one_epoch_a_mode_and_each_submission_its_own_index(keystore: KeyStore) -> None:
    door = DoorSealer(keystore)
    first, second = door.seal(submission(), now=NOW), door.seal(submission(), now=NOW + timedelta(hours=1))
    training, tomorrow = (
        door.seal(submission("training"), now=NOW),
        door.seal(submission(), now=NOW + timedelta(days=1)),
    )
    assert first.epoch == second.epoch
    assert [header(sealed).index for sealed in (first, second, training, tomorrow)] == [0, 1, 0, 0]
    assert len({sealed.epoch for sealed in (first, training, tomorrow)}) == 3


def test_the_chain_of_the_door_shows_gaps(keystore: KeyStore) -> None:
    door = DoorSealer(keystore)
    sealed = [door.seal(submission(), now=NOW) for _ in range(3)]
    assert [header(one).sequence for one in sealed] == [2, 3, 4]
    assert header(sealed[0]).previous == parse_epoch(sealed[0].epoch).hash
    assert [header(one).previous for one in sealed[1:]] == [envelope_id(one.body) for one in sealed[:2]]


def test_a_full_epoch_is_followed_by_another(keystore: KeyStore) -> None:
    door = DoorSealer(keystore)
    door.seal(submission(), now=NOW)
    door._epochs["survey"].index = RATCHET_STEPS - 1
    last, following = door.seal(submission(), now=NOW), door.seal(submission(), now=NOW)
    assert [header(sealed).index for sealed in (last, following)] == [RATCHET_STEPS - 1, 0]
    assert last.epoch != following.epoch


def test_a_fork_does_not_share_the_ratchet(keystore: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    door = DoorSealer(keystore)
    before = door.seal(submission(), now=NOW)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert door.seal(submission(), now=NOW).epoch != before.epoch
