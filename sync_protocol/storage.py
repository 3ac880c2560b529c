"""What the core of an exchange needs of a device: who it is, and where it keeps what it must not lose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sync_protocol.keyring import Keyring
from sync_protocol.messages import Backlog, PullItem, ReceiptCode
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
        pull: new form versions, assignments and verdicts, in order.
        keyring: a newer keyring that the root has signed, as its document, or None.
    """

    fates: Mapping[bytes, tuple[FateEvent, int | None]]
    codes: Mapping[bytes, ReceiptCode]
    cursor: str | None
    pull: tuple[PullItem, ...] = ()
    keyring: bytes | None = None
    backed_up_sequence: int | None = None


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
        """Forget the cursor and set every receipted envelope to `sent`: the server may have lost it."""
        ...
