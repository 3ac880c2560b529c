"""An `ExchangeStore` in memory: what a device must not lose, without a disk."""

import hashlib
from collections.abc import Sequence

from sync_protocol.keyring import Keyring
from sync_protocol.messages import Backlog, MediumOffer
from sync_protocol.pull_items import PullItem
from sync_protocol.storage import Sealed, SealedMedium, Settlement
from sync_protocol.transitions import (
    Fate,
    FateEvent,
    MediumEvent,
    MediumFate,
    following_fate,
    following_medium,
)


class MemoryStore:
    """Envelopes in the order of sealing, and what was pulled."""

    def __init__(self, keyring: bytes, root_key: bytes) -> None:
        self.root_key = root_key
        self.keyring_document = keyring
        self.counter = 0
        self.since: str | None = None
        self.bodies: dict[bytes, bytes] = {}
        self.fates: dict[bytes, Fate] = {}
        self.sequences: dict[bytes, int] = {}
        self.pulled: list[PullItem] = []
        self.backed_up_sequence: int | None = None
        self.named_keys: list[bytes] = []
        self.media: dict[bytes, bytes] = {}
        self.at_server: dict[bytes, int] = {}
        self.medium_fates: dict[bytes, MediumFate] = {}

    def seal(self, body: bytes) -> bytes:
        envelope_id = hashlib.sha256(body).digest()
        self.bodies[envelope_id] = body
        self.fates[envelope_id] = Fate.WAITING
        return envelope_id

    def keyring(self) -> Keyring:
        return Keyring.read(self.keyring_document, self.root_key)

    def cursor(self) -> str | None:
        return self.since

    def backlog(self) -> Backlog:
        open_ones = [self.bodies[envelope_id] for envelope_id in self._in(Fate.WAITING, Fate.SENT)]
        return Backlog(envelopes=len(open_ones), body_bytes=sum(map(len, open_ones)))

    def unsettled(self, limit: int) -> tuple[bytes, ...]:
        return tuple(self._in(Fate.SENT)[:limit])

    def waiting(self, *, envelopes: int, body_bytes: int) -> tuple[Sealed, ...]:
        chosen: list[Sealed] = []
        for envelope_id in self._in(Fate.WAITING)[:envelopes]:
            body_bytes -= len(self.bodies[envelope_id])
            if chosen and body_bytes < 0:
                break
            chosen.append(Sealed(envelope_id, self.bodies[envelope_id]))
        return tuple(chosen)

    def begin(self, envelope_ids: Sequence[bytes]) -> int:
        self.counter += 1
        self._happen(envelope_ids, FateEvent.OFFERED)
        return self.counter

    def withdraw(self, envelope_ids: Sequence[bytes]) -> None:
        self._happen(envelope_ids, FateEvent.NOT_SENT)

    def settle(self, settlement: Settlement) -> None:
        for envelope_id, (event, sequence) in settlement.fates.items():
            self._happen([envelope_id], event)
            if sequence is not None:
                self.sequences[envelope_id] = sequence
        self.keyring_document = settlement.keyring or self.keyring_document
        if not settlement.is_answer:
            return
        self.pulled += settlement.pull
        self.since = settlement.cursor
        self.backed_up_sequence = settlement.backed_up_sequence
        for sha256, offset in settlement.media.items():
            self.medium_at(sha256, offset)

    def adopt_counter(self, next_counter: int) -> None:
        self.counter = max(self.counter, next_counter - 1)

    def restart_feed(self) -> None:
        self.since = None
        self.backed_up_sequence = None
        for sha256, fate in self.medium_fates.items():
            self.medium_fates[sha256] = following_medium(fate, MediumEvent.FORGOTTEN)
        self.at_server.clear()
        self._happen(self._in(Fate.RECEIPTED), FateEvent.FORGOTTEN)

    def take_picture(self, ciphertext: bytes) -> bytes:
        sha256 = hashlib.sha256(ciphertext).digest()
        self.media[sha256] = ciphertext
        self.medium_fates[sha256] = MediumFate.WAITING
        return sha256

    def next_receiving_key(self) -> bytes | None:
        self.named_keys.append(hashlib.sha256(b"key %d" % len(self.named_keys)).digest())
        return self.named_keys[-1]

    def media_offers(self, limit: int) -> tuple[MediumOffer, ...]:
        return tuple(MediumOffer(one.sha256, one.length_bytes) for one in self.waiting_media()[:limit])

    def waiting_media(self) -> tuple[SealedMedium, ...]:
        waiting = [
            SealedMedium(sha256, len(self.media[sha256]), self.at_server.get(sha256, 0))
            for sha256, fate in self.medium_fates.items()
            if fate is MediumFate.WAITING
        ]
        return tuple(sorted(waiting, key=lambda one: (one.length_bytes, one.sha256)))

    def read_medium(self, sha256: bytes, *, offset: int, length: int) -> bytes:
        return self.media[sha256][offset : offset + length]

    def medium_at(self, sha256: bytes, offset: int) -> None:
        self.at_server[sha256] = offset
        if offset == len(self.media[sha256]):
            self.medium_fates[sha256] = following_medium(self.medium_fates[sha256], MediumEvent.WHOLE)

    def refuse_medium(self, sha256: bytes) -> None:
        self.medium_fates[sha256] = following_medium(self.medium_fates[sha256], MediumEvent.REFUSED)

    def _in(self, *fates: Fate) -> list[bytes]:
        return [envelope_id for envelope_id, fate in self.fates.items() if fate in fates]

    def _happen(self, envelope_ids: Sequence[bytes], event: FateEvent) -> None:
        for envelope_id in envelope_ids:
            self.fates[envelope_id] = following_fate(self.fates[envelope_id], event)
