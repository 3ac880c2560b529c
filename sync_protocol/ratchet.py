"""The epoch ratchet: one content key an interview, and a next epoch key from which the last cannot be found."""

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from sync_protocol.constants import HASH_BYTES, LABEL_CONTENT_KEY, LABEL_NEXT_KEY, RATCHET_STEPS
from sync_protocol.errors import EnvelopeError

MARK_STEPS: Final = 64


def content_key(epoch_key: bytes, epoch_hash: bytes, index: int) -> bytes:
    """Return the content key of an interview, (32,).

    Args:
        epoch_key: (32,) EK_i, already advanced to the index.
        epoch_hash: (32,) id of the epoch envelope.
        index: i, from 0.
    """
    return _expand(epoch_key, LABEL_CONTENT_KEY + epoch_hash + index.to_bytes(4, "big"))


def next_key(epoch_key: bytes) -> bytes:
    """Return EK_{i+1}, (32,)."""
    return _expand(epoch_key, LABEL_NEXT_KEY)


def advance(epoch_key: bytes, steps: int) -> bytes:
    """Return the epoch key after so many steps.

    Raises:
        EnvelopeError: ``index-too-high`` beyond 4 096 steps: a hostile index must not cost seconds.
    """
    if steps > RATCHET_STEPS:
        raise EnvelopeError("index-too-high", f"an epoch has at most {RATCHET_STEPS} interviews")
    for _ in range(steps):
        epoch_key = next_key(epoch_key)
    return epoch_key


class EpochKeys:
    """Content keys of one epoch, in any order; indices in ascending order cost one step each.

    Every 64th epoch key met on the way is kept, so that no order of indices costs more than 64 steps each: a device
    that counts backwards must not cost seconds. Lives in memory for a batch of openings, and holds the first epoch
    key, so it must not outlive the batch.
    """

    __slots__ = ("_epoch_hash", "_index", "_key", "_marks")

    def __init__(self, epoch_key: bytes, epoch_hash: bytes) -> None:
        self._key = epoch_key
        self._marks = [epoch_key]
        self._epoch_hash = epoch_hash
        self._index = 0

    def content_key(self, index: int) -> bytes:
        """Return the content key of an index, (32,).

        Raises:
            EnvelopeError: ``index-too-high``.
        """
        if index >= RATCHET_STEPS:
            raise EnvelopeError("index-too-high", f"an epoch has at most {RATCHET_STEPS} interviews")
        self._move(index)
        return content_key(self._key, self._epoch_hash, index)

    def _move(self, index: int) -> None:
        mark = min(index // MARK_STEPS, len(self._marks) - 1)
        if not mark * MARK_STEPS <= self._index <= index:
            self._key, self._index = self._marks[mark], mark * MARK_STEPS
        while self._index < index:
            self._key = next_key(self._key)
            self._index += 1
            if self._index == len(self._marks) * MARK_STEPS:
                self._marks.append(self._key)


def _expand(key: bytes, info: bytes) -> bytes:
    return HKDFExpand(algorithm=hashes.SHA256(), length=HASH_BYTES, info=info).derive(key)
