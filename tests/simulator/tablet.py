"""A tablet of the simulator: the real device library on a real SQLite file, that dies, fills up and is put back."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pysqlite3 import dbapi2 as sqlite

from sync_protocol import frames, messages
from sync_protocol.client.database import FILE_NAME
from sync_protocol.client.device import Device
from sync_protocol.exchange import ExchangeClient
from sync_protocol.storage import Identity, Settlement
from tests.server.opening.kit import Answers, form_hash, household, raw_id
from tests.simulator.faults import Chance, Clock

NO_LIMIT: Final = 4_294_967_294


class TabletDied(BaseException):
    """The battery is empty: what was not committed is gone."""


class WatchedStore:
    """A device's store that tells of each settlement, and at which the tablet dies when its calls are counted out."""

    def __init__(self, inner: Any, settled: Callable[[Settlement], None], calls_left: int | None) -> None:
        self._inner = inner
        self._settled = settled
        self._calls_left = calls_left

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._tick()
            result = found(*arguments, **named)
            if name == "settle":
                self._settled(arguments[0])
            self._tick()
            return result

        return call

    def _tick(self) -> None:
        if self._calls_left is not None:
            self._calls_left -= 1
            if self._calls_left <= 0:
                raise TabletDied


@dataclass
class Copy:
    """An older state of a tablet, and which envelopes it had."""

    path: Path
    held: dict[bytes, bytes]


@dataclass
class Tablet:
    """One tablet and what its enumerator did; `held` are the envelopes that must be on it."""

    name: str
    folder: Path
    device: Device
    chance: Chance
    clock: Clock
    clock_offset: timedelta = timedelta()
    version_skew: int = 0
    is_enabled: bool = True
    client: ExchangeClient | None = None
    under_way: object | None = None
    pauses_left: int = 0
    copy: Copy | None = None
    held: dict[bytes, bytes] = field(default_factory=dict)
    to_seal: list[tuple[Answers, tuple[int, ...]]] = field(default_factory=list)
    made: dict[bytes, tuple[Answers, tuple[int, ...]]] = field(default_factory=dict)
    deleted: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def device_id(self) -> str:
        """Its id at the office."""
        return self.device.device_id

    def now(self) -> Any:
        """Return what its clock says."""
        return self.clock.now() + self.clock_offset

    def begin(self, settled: Callable[["Tablet", Settlement], None], *, pauses: int, dies_after: int | None) -> None:
        """Begin a synchronisation as `Device.sync` does."""
        store = WatchedStore(self.device._store, lambda settlement: settled(self, settlement), dies_after)
        self.client = ExchangeClient(
            identity=self.identity(),
            store=store,  # type: ignore[arg-type] # it has what the protocol asks for, by another name
            jitter=self.chance.rng.random,
        )
        self.pauses_left = pauses

    def identity(self) -> Identity:
        """Return who it is."""
        root_key = bytes(self.device._store.setting("root_key"))
        return Identity(device_id=self.device_id, signer=self.device._signer, root_key=root_key)

    def seal_all(self) -> None:
        """Seal what was filled; what does not fit on the disk is sealed another time."""
        if not self.to_seal:
            return
        before = self.last_sequence()
        with suppress(sqlite.OperationalError), self.device.bulk():
            while self.to_seal:
                answers, parents = self.to_seal[0]
                finalised = self.device.seal_interview(
                    answers.xml(),
                    instance_id=raw_id(answers.number),
                    form_version_hash=form_hash(answers.form_id, answers.version),
                    now=self.now(),
                    parents=tuple(raw_id(parent) for parent in parents),
                    mode=answers.mode or "survey",
                )
                self.made[finalised.envelope_id] = self.to_seal.pop(0)
        query = "SELECT envelope_id, body FROM envelope WHERE sequence > ? AND length(body) > 0"
        self.held |= {bytes(name): bytes(body) for name, body in self.device._database.rows(query, before)}

    def last_sequence(self) -> int:
        """Return the number of its last envelope."""
        ((last,),) = self.device._database.rows("SELECT coalesce(max(sequence), 0) FROM envelope")
        return int(last)

    def on_disk(self) -> dict[bytes, bytes]:
        """Return the envelopes that are really on it."""
        rows = self.device._database.rows("SELECT envelope_id, body FROM envelope WHERE length(body) > 0")
        return {bytes(envelope_id): bytes(body) for envelope_id, body in rows}

    def gone(self) -> dict[bytes, tuple[str, bytes]]:
        """Return how each envelope that is no longer on it went, and its bytes, once."""
        if self.count_on_disk() == len(self.held):
            return {}
        fates = self.device._database.rows("SELECT envelope_id, fate FROM envelope WHERE length(body) = 0")
        how = {bytes(name): str(fate) for name, fate in fates}
        names = self.held.keys() - self.on_disk().keys()
        return {name: (how.get(name, "lost"), self.held.pop(name)) for name in names}

    def count_on_disk(self) -> int:
        """Count them, with bytes."""
        ((count,),) = self.device._database.rows("SELECT count(*) FROM envelope WHERE length(body) > 0")
        return int(count)

    def restart(self) -> None:
        """Lose the memory and open the file again."""
        self.client, self.under_way = None, None
        self.device._database.connection.close()
        self.device = Device.open(self.folder)

    def keep_copy(self) -> None:
        """Copy the file, as a backup of the tablet does."""
        self.device._database.truncate_log()
        path = self.folder / "copy"
        shutil.copyfile(self.folder / FILE_NAME, path)
        self.copy = Copy(path, dict(self.held))

    def put_back(self) -> set[bytes]:
        """Put the older copy back; return the envelopes that went. What was filled since is sealed anew."""
        assert self.copy is not None
        self.client, self.under_way = None, None
        self.device._database.connection.close()
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                (self.folder / f"{FILE_NAME}{suffix}").unlink()
        shutil.copyfile(self.copy.path, self.folder / FILE_NAME)
        self.device = Device.open(self.folder)
        gone = self.held.keys() - self.copy.held.keys()
        self.deleted = {name: body for name, body in self.deleted.items() if name not in self.copy.held}
        self.held = dict(self.copy.held)
        self.to_seal = [self.made[name] for name in self.made if name in gone] + self.to_seal
        self.made = {name: made for name, made in self.made.items() if name not in gone}
        return gone

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let the file grow no further."""
        connection = self.device._database.connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        try:
            yield
        finally:
            with suppress(sqlite.ProgrammingError):
                connection.execute(f"PRAGMA max_page_count = {NO_LIMIT}").fetchall()


def answers_of(number: int, tablet: int, rng: Any, versions: list[str]) -> Answers:
    """Fill a questionnaire."""
    return Answers(
        number=number,
        key=rng.choice([None, household(number % 500), household(rng.randrange(500))]),
        enumerator=f"{tablet:04d}",
        age=str(rng.randrange(15, 90)),
        result=rng.choice(["110", "110", "120", "211"]),
        version=rng.choice(versions),
    )


def rewritten(body: bytes, skew: int) -> bytes:
    """Return a request as another version of the device would have written it."""
    parts = frames.decode_body(body)
    control = json.loads(parts.control)
    if skew > 0:
        control |= {"mood": "hopeful", "battery": {"percent": 71}, "capabilities": ["telepathy"]}
    else:
        for name in ("capabilities", "backlog", "receiving_key", "media", "keyring_serial"):
            control.pop(name, None)
    return frames.encode_body(json.dumps(control).encode(), parts.frames, frame_bytes=messages.EXCHANGE_BYTES)


def later_answer(body: bytes) -> bytes:
    """Return an answer as a later version of the server would have written it."""
    parts = frames.decode_body(body, frame_bytes=messages.EXCHANGE_BYTES)
    control = json.loads(parts.control)
    control["tea_time"] = "16:00"
    control["pull"] = [{"kind": "weather", "frame": len(parts.frames), "sky": "blue"}, *control.get("pull", ())]
    carried = (*parts.frames, b"a frame that nobody knows")
    return frames.encode_body(json.dumps(control).encode(), carried, frame_bytes=messages.EXCHANGE_BYTES)


def flipped(body: bytes, place: int, bit: int) -> bytes:
    """Return an envelope with one bit turned over."""
    changed = bytearray(body)
    changed[place] ^= 1 << bit
    return bytes(changed)


def poisons(rng: Any) -> bytes:
    """Return bytes that look more or less like an envelope and that nobody can read."""
    noise = hashlib.sha256(str(rng.random()).encode()).digest() * 8
    return bytes(
        rng.choice(
            [
                noise,
                b"PSRL\x09\x01\x02\x00" + noise,  # of a later version
                b"PSRL\x01\x09\x02\x00" + noise,  # of a later suite
                b"PSRL\x01\x01\x4d\x00" + noise + bytes(200),  # of a kind that nobody knows
                b"PSRL\x01\x01\x02\xff" + noise,  # cut inside its parents
                b"",
                b"PSRL",
            ]
        )
    )
