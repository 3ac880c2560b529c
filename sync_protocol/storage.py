"""What the core of an exchange needs of a device: who it is, and where it keeps what it must not lose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sync_protocol.keyring import Keyring
from sync_protocol.messages import Backlog, MediumOffer, ReceiptCode
from sync_protocol.pull_items import PullItem
from sync_protocol.signatures import Signer
from sync_protocol.transitions import FateEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the device is: its id, what signs for it, and the office root that it pinned."""

    device_id: str
    signer: Signer
    root_key: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """An envelope that waits: its id and its bytes."""

    envelope_id: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """All that one answer changes on a device: to be stored in one transaction.

    Attributes:
        fates: what happened to each envelope of the request, and the server's number where it has one.
        codes: the receipt code of each envelope that has one.
        pull: what is new for the device, in order; what office keys must have signed has been verified.
        keyring: a newer keyring that the root has signed, as its document, or None.
        backed_up_sequence, deletes_without_backup: as the answer says; a later answer replaces them.
        media: how many bytes of each offered medium the server has, by SHA-256 of its ciphertext.
        named_key: the receiving key that the request named, or None: what the answer brings is sealed to it.
        is_answer: False for a keyring that came with a refusal: nothing else of the settlement counts then.
    """

    fates: Mapping[bytes, tuple[FateEvent, int | None]]
    codes: Mapping[bytes, ReceiptCode]
    cursor: str | None
    pull: tuple[PullItem, ...] = ()
    keyring: bytes | None = None
    backed_up_sequence: int | None = None
    deletes_without_backup: bool = False
    media: Mapping[bytes, int] = field(default_factory=dict)
    named_key: bytes | None = None
    is_answer: bool = True


@dataclass(frozen=True, slots=True)
class SealedMedium:
    """A sealed medium that waits: SHA-256 and length of its ciphertext, and how much of it the server has."""

    sha256: bytes
    length_bytes: int
    offset: int


class ExchangeStore(Protocol):
    """What the core needs of a device's storage. Every method is durable when it returns."""

    def keyring(self) -> Keyring:
        """Return the newest keyring."""
        ...

    def cursor(self) -> str | None:
        """Return the cursor of the last answer, None before the first."""
        ...

    def backlog(self) -> Backlog:
        """Count what is not receipted."""
        ...

    def unsettled(self, limit: int) -> tuple[bytes, ...]:
        """Return ids of envelopes in the state `sent`, oldest first."""
        ...

    def waiting(self, *, envelopes: int, body_bytes: int) -> tuple[Sealed, ...]:
        """Return envelopes in the state `waiting`, oldest first: at least one if there is one, then within limits."""
        ...

    def media_offers(self, limit: int) -> tuple[MediumOffer, ...]:
        """Return media that wait, small ones first."""
        ...

    def next_receiving_key(self) -> bytes | None:
        """Return a new public key, (32,), whose private half is kept; None while the device is locked."""
        ...

    def begin(self, envelope_ids: Sequence[bytes]) -> int:
        """Take the next counter, which no request has had, and set these envelopes to `sent`; return the counter."""
        ...

    def withdraw(self, envelope_ids: Sequence[bytes]) -> None:
        """Set envelopes that surely did not leave the device back to `waiting`."""
        ...

    def settle(self, settlement: Settlement) -> None:
        """Apply one verified answer."""
        ...

    def adopt_counter(self, next_counter: int) -> None:
        """Let the next counter be at least this one."""
        ...

    def restart_feed(self) -> None:
        """Set every receipted envelope to `sent` and every whole medium to `waiting`: the server may have lost them.

        The cursor, the server's numbers, its verdicts and how far it was backed up are forgotten: they are of a server
        that is no more.
        """
        ...


class MediaStore(Protocol):
    """What the core needs to upload media. Every method is durable when it returns."""

    def keyring(self) -> Keyring:
        """Return the newest keyring."""
        ...

    def waiting_media(self) -> tuple[SealedMedium, ...]:
        """Return media that wait, small ones first."""
        ...

    def read_medium(self, sha256: bytes, *, offset: int, length: int) -> bytes:
        """Return so many bytes of a ciphertext from an offset.

        Raises:
            LocalError: when they cannot be read.
        """
        ...

    def medium_at(self, sha256: bytes, offset: int) -> None:
        """Keep how much of a medium the server has, by its signed word; all of it when it is its length."""
        ...

    def refuse_medium(self, sha256: bytes) -> None:
        """Set a medium aside that is longer than any server takes."""
        ...
