"""Epochs, the ratchet and HPKE."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol import epoch, hpke, ratchet
from sync_protocol.constants import LABEL_ENVELOPE, RATCHET_STEPS, SUITE_X25519, SUITE_X_WING, Kind
from sync_protocol.envelope import peek
from sync_protocol.epoch import Epoch
from sync_protocol.errors import EnvelopeError, LocalError
from sync_protocol.keyring import SurveyKey
from tests.sync_protocol.sealed import DEVICE, DEVICE_PUBLIC, EPOCH_KEY, SEED, sealed

SUITES = [SUITE_X_WING, SUITE_X25519]


def _epoch(suite: int) -> Epoch:
    found = peek(sealed(suite).epoch)
    assert isinstance(found, Epoch)
    return found


@pytest.mark.parametrize("suite", SUITES)
def test_the_survey_key_opens_the_epoch_key(suite: int) -> None:
    found = _epoch(suite)
    epoch.verify_epoch(found, DEVICE_PUBLIC)
    assert epoch.open_epoch(found, SEED, sealed(suite).survey_key) == EPOCH_KEY
    assert (found.kind, found.sequence) == (Kind.EPOCH, 4)


def test_every_flipped_byte_of_an_epoch_is_detected() -> None:
    whole = sealed().epoch
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= 0x01
        with pytest.raises(EnvelopeError):
            epoch.verify_epoch(epoch.parse_epoch(bytes(altered)), DEVICE_PUBLIC)


@pytest.mark.parametrize(("position", "code"), [(4, "unknown-version"), (5, "unknown-suite"), (0, "malformed")])
def test_an_epoch_that_cannot_be_read_has_its_own_code(position: int, code: str) -> None:
    altered = bytearray(sealed().epoch)
    altered[position] = 9
    with pytest.raises(EnvelopeError, match=code):
        epoch.parse_epoch(bytes(altered))


def test_an_epoch_cut_anywhere_is_truncated() -> None:
    whole = sealed(SUITE_X25519).epoch
    for length in range(len(whole)):
        with pytest.raises(EnvelopeError, match="truncated"):
            epoch.parse_epoch(whole[:length])


@pytest.mark.parametrize("wraps", [1, 2])
def test_a_wrap_may_be_empty_and_still_adds_up(wraps: int) -> None:
    front = bytearray(sealed().epoch[:112])
    front[7] = wraps
    least = bytes(front) + (b"team key" + bytes(2)) * wraps + bytes(64)
    assert epoch.parse_epoch(least).wrapped == b""
    for length in range(len(least)):
        with pytest.raises(EnvelopeError, match="truncated"):
            epoch.parse_epoch(least[:length])


def test_an_epoch_with_bytes_too_many_is_refused() -> None:
    with pytest.raises(EnvelopeError, match="trailing-bytes"):
        epoch.parse_epoch(sealed().epoch + b"x")


def test_a_second_wrap_that_is_not_there_is_refused() -> None:
    altered = bytearray(sealed().epoch)
    altered[7] = 2
    with pytest.raises(EnvelopeError, match="truncated"):
        epoch.parse_epoch(bytes(altered))


def test_an_epoch_for_another_survey_key_says_so() -> None:
    other = SurveyKey(suite=SUITE_X_WING, public_key=hpke.public_key(SUITE_X_WING, bytes(32)), mode="survey")
    with pytest.raises(EnvelopeError, match="wrong-survey-key"):
        epoch.open_epoch(_epoch(SUITE_X_WING), bytes(32), other)


def test_the_mode_of_the_survey_key_is_bound_into_the_epoch() -> None:
    told = sealed().survey_key
    training = SurveyKey(suite=told.suite, public_key=told.public_key, mode="training")
    with pytest.raises(EnvelopeError, match="wrong-survey-key"):
        epoch.open_epoch(_epoch(SUITE_X_WING), SEED, training)


@pytest.mark.parametrize("suite", SUITES)
def test_another_seed_or_context_opens_nothing(suite: int) -> None:
    told = hpke.seal(suite, hpke.public_key(suite, SEED), b"secret", b"context")
    assert hpke.open_(suite, SEED, told, b"context") == b"secret"
    for seed, info in ((bytes(32), b"context"), (SEED, b"other")):
        with pytest.raises(EnvelopeError, match="undecryptable"):
            hpke.open_(suite, seed, told, info)


@pytest.mark.parametrize("suite", SUITES)
def test_a_key_of_the_wrong_length_is_refused(suite: int) -> None:
    with pytest.raises(LocalError, match="malformed"):
        hpke.seal(suite, bytes(7), b"", b"")
    with pytest.raises(LocalError, match="unknown-suite"):
        hpke.public_key(9, SEED)


def test_a_generated_seed_comes_from_the_randomness_that_was_given() -> None:
    assert hpke.generate_seed(lambda length: b"\x07" * length) == b"\x07" * 32


@given(st.binary(min_size=32, max_size=32), st.integers(0, 50), st.integers(0, 50))
def test_advancing_in_two_parts_is_advancing_at_once(key: bytes, first: int, second: int) -> None:
    assert ratchet.advance(ratchet.advance(key, first), second) == ratchet.advance(key, first + second)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=12))
def test_content_keys_come_out_the_same_in_any_order(indices: list[int]) -> None:
    keys = ratchet.EpochKeys(EPOCH_KEY, bytes(32))
    for index in indices:
        expected = ratchet.content_key(ratchet.advance(EPOCH_KEY, index), bytes(32), index)
        assert keys.content_key(index) == expected


def test_counting_backwards_costs_no_more_than_64_steps_each(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    real = ratchet.next_key

    def counted(key: bytes) -> bytes:
        nonlocal steps
        steps += 1
        return real(key)

    monkeypatch.setattr(ratchet, "next_key", counted)
    keys = ratchet.EpochKeys(EPOCH_KEY, bytes(32))
    keys.content_key(RATCHET_STEPS - 1)
    assert steps == RATCHET_STEPS - 1
    steps = 0
    for index in range(RATCHET_STEPS - 2, RATCHET_STEPS - 202, -1):
        keys.content_key(index)
    assert steps < 200 * ratchet.MARK_STEPS


def test_ascending_indices_cost_one_step_each(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    real = ratchet.next_key

    def counted(key: bytes) -> bytes:
        nonlocal steps
        steps += 1
        return real(key)

    monkeypatch.setattr(ratchet, "next_key", counted)
    keys = ratchet.EpochKeys(EPOCH_KEY, bytes(32))
    for index in range(200):
        keys.content_key(index)
    assert steps == 199


def test_content_keys_differ_by_index_and_epoch() -> None:
    keys = {
        ratchet.EpochKeys(EPOCH_KEY, bytes([epoch_byte]) * 32).content_key(i)
        for epoch_byte in (0, 1)
        for i in range(50)
    }
    assert len(keys) == 100


def test_an_index_beyond_the_last_costs_nothing() -> None:
    with pytest.raises(EnvelopeError, match="index-too-high"):
        ratchet.EpochKeys(EPOCH_KEY, bytes(32)).content_key(RATCHET_STEPS)
    with pytest.raises(EnvelopeError, match="index-too-high"):
        ratchet.advance(EPOCH_KEY, RATCHET_STEPS + 1)
    assert ratchet.advance(EPOCH_KEY, RATCHET_STEPS) == ratchet.next_key(ratchet.advance(EPOCH_KEY, RATCHET_STEPS - 1))


def test_what_is_no_epoch_is_malformed() -> None:
    with pytest.raises(EnvelopeError, match="malformed"):
        epoch.parse_epoch(bytes(400))


def test_an_epoch_key_of_the_wrong_length_is_refused() -> None:
    told, found = sealed().survey_key, _epoch(SUITE_X_WING)
    info = epoch._info(told.certificate_hash, found.certificate_hash, found.nonce)
    short = replace(found, wrapped=hpke.seal(told.suite, told.public_key, bytes(31), info))
    with pytest.raises(EnvelopeError, match="undecryptable"):
        epoch.open_epoch(short, SEED, told)


@pytest.mark.parametrize("member", ["certificate_hash", "previous", "nonce", "epoch_key"])
def test_an_epoch_with_a_part_of_the_wrong_length_is_not_made(member: str) -> None:
    parts = {"certificate_hash": bytes(32), "previous": bytes(32), "nonce": bytes(32), "epoch_key": bytes(32)}
    with pytest.raises(LocalError, match="malformed"):
        epoch.make_epoch(survey_key=sealed().survey_key, signer=DEVICE, sequence=1, **(parts | {member: bytes(31)}))


@pytest.mark.parametrize("part", ["certificate_hash", "nonce"])
def test_an_epoch_opens_only_in_the_context_that_it_names(part: str) -> None:
    moved = replace(_epoch(SUITE_X_WING), **{part: bytes(32)})  # type: ignore[arg-type]
    with pytest.raises(EnvelopeError, match="undecryptable"):
        epoch.open_epoch(moved, SEED, sealed().survey_key)


def test_a_reader_passes_over_a_wrap_to_a_team_key() -> None:
    whole = sealed(SUITE_X25519).epoch
    team = b"team key" + (5).to_bytes(2, "big") + b"12345"
    unsigned = bytearray(whole[:-64] + team)
    unsigned[7] = 2
    found = peek(bytes(unsigned) + DEVICE.sign(LABEL_ENVELOPE + unsigned))
    assert isinstance(found, Epoch)
    epoch.verify_epoch(found, DEVICE_PUBLIC)
    assert epoch.open_epoch(found, SEED, sealed(SUITE_X25519).survey_key) == EPOCH_KEY
