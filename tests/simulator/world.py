"""A whole survey in virtual time: many tablets, one office, one seed; invariants are checked all along."""

import hashlib
import heapq
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pysqlite3 import dbapi2 as sqlite

from server.keystore import KeyStore
from server.services import enrol_device, news
from sync_protocol import messages, signatures
from sync_protocol.client.device import Device
from sync_protocol.client.transport import Answer as HttpAnswer
from sync_protocol.enrolment import EnrolmentLink
from sync_protocol.messages import ExchangeRequest
from sync_protocol.transitions import State
from tests.server.opening.kit import raw_id
from tests.simulator import checks
from tests.simulator.checks import Ledger, Violation
from tests.simulator.faults import Chance, Clock, Fault
from tests.simulator.network import Ends, Network
from tests.simulator.office import Answer, Office, publishing, retiring, revoking, virtual_time
from tests.simulator.tablet import Tablet, TabletDied, answers_of, flipped, later_answer, poisons, rewritten

TABLETS: Final = 10
SKEWS: Final = {1: 1, 2: 1, 3: -1, 4: -1}
"""Which tablets run a newer or an older version."""
PAUSES: Final = 3
PAGE: Final = 4
"""Items in an answer, so that most pulls take several."""
WORK_EVERY: Final = 200
"""Requests between two runs of the worker."""


@dataclass
class World:
    """Everything of one seed."""

    seed: int
    folder: Path
    template: Path
    keystore: KeyStore
    tablets: list[Tablet] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        self.chance = Chance(self.seed)
        self.clock = Clock(datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
        self.office = Office(self.folder / "office", self.template, self.keystore, self.clock)
        self.network = Network(self.office, self.chance, self._after, self._server_died)
        self.exchanges = 0
        self.interviews = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._skew = 0
        self._is_newer_server = False
        self._trace = hashlib.sha256()
        self._versions, self._published = ["1"], 1
        self._worked_at = 0

    @property
    def trace(self) -> str:
        """What happened, as a hash: the same for the same seed."""
        return self._trace.hexdigest()

    def run(self, exchanges: int) -> None:
        """Run until the office has had so many requests, then calm down and check everything.

        Raises:
            Violation: an invariant does not hold.
        """
        with ExitStack() as stack:
            stack.enter_context(virtual_time(self.clock))
            stack.enter_context(self._two_versions())
            try:
                self._begin()
                while self.network.requests < exchanges:
                    self.clock.seconds, _, happen = heapq.heappop(self._events)
                    happen()
                self._calm_down()
            finally:
                self.office.close()
                for tablet in self.tablets:
                    tablet.device._database.connection.close()

    def _begin(self) -> None:
        self.office.do(publishing("1"))
        for number in range(TABLETS):
            self.tablets.append(self._enrolled(number))
            self._after(self.chance.seconds(0, 3_600), self._waking(self.tablets[-1]))
        self.office.make_backup()

    def _enrolled(self, number: int) -> Tablet:
        folder = self.folder / f"tablet-{number}"
        device = Device.create(folder)
        with self.office.context.database.transaction() as session:
            token = enrol_device.issue_token(
                session, enumerator=f"{number:04d}", role="enumerator", project_id=1, user="m", now=self.clock.now()
            )
        device.enrol(EnrolmentLink("http://localhost", token, self.keystore.root_key), transport=_Calm(self.office))
        return Tablet(f"tablet {number}", folder, device, self.chance, self.clock, version_skew=SKEWS.get(number, 0))

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        self._scheduled += 1
        heapq.heappush(self._events, (self.clock.seconds + seconds, self._scheduled, happen))

    def _waking(self, tablet: Tablet) -> Callable[[], None]:
        return lambda: self._wake(tablet)

    def _wake(self, tablet: Tablet) -> None:
        """Let an enumerator work for a while, and begin a synchronisation."""
        self._office_life()
        self._tablet_life(tablet)
        for _ in range(self.chance.rng.choice([0, 0, 0, 0, 0, 0, 1, 1, 3])):
            tablet.to_seal.append(self._filled(tablet))
        if self.chance.happens(Fault.TABLET_DISK_FULL, 10):
            with tablet.full_disk():
                tablet.seal_all()
        else:
            tablet.seal_all()
        if self.chance.happens(Fault.COURIER, 30):
            self._carry_for_others(tablet)
        dies = self.chance.rng.randrange(1, 25) if self.chance.happens(Fault.TABLET_DIED, 25) else None
        tablet.begin(self.ledger.settled, pauses=PAUSES, dies_after=dies)
        self._step(tablet)

    def _filled(self, tablet: Tablet) -> tuple[Any, tuple[int, ...]]:
        self.interviews += 1
        number, rng = self.interviews, self.chance.rng
        answers = answers_of(number, self.tablets.index(tablet), rng, self._versions)
        if tablet.made and rng.random() < 0.1:  # an edit of an earlier one
            earlier = rng.choice(list(tablet.made.values()))[0]
            return replace(answers, edits=earlier.number), (earlier.number,)
        return answers, ()

    def _step(self, tablet: Tablet) -> None:
        """Let a tablet send what it has to send, or wait, or stop."""
        client = tablet.client
        if client is None:
            self._after(self.chance.seconds(30, 300), self._waking(tablet))
            return
        try:
            self._skew = tablet.version_skew
            request = client.next_request(tablet.now())
        except TabletDied:
            self._restart(tablet)
            return
        finally:
            self._skew = 0
        if request is not None:
            self._send(tablet, request)
        elif client.state is State.PAUSED and client.retry_at is not None and tablet.pauses_left:
            tablet.pauses_left -= 1
            seconds = max(0.1, min(900.0, (client.retry_at - tablet.now()).total_seconds()))
            self._after(seconds, lambda: self._step(tablet) if tablet.client is client else None)
        else:
            tablet.client = None
            self.ledger.pruned(tablet, self.office)
            self._after(self.chance.seconds(60, 7_200), self._waking(tablet))

    def _send(self, tablet: Tablet, request: Any) -> None:
        self.exchanges += 1
        token = tablet.under_way = object()
        is_full = self.chance.happens(Fault.TABLET_DISK_FULL, 5)

        def hear(take: Callable[[], None]) -> None:
            if tablet.under_way is not token:
                return  # it has given up, died or been put back meanwhile
            tablet.under_way = None
            try:
                if is_full:
                    with tablet.full_disk():
                        take()
                else:
                    take()
            except (TabletDied, sqlite.OperationalError):
                self._restart(tablet)
                return
            self._step(tablet)

        def answered(answer: Answer, life: int) -> None:
            self.ledger.is_late = life != self.office.restores
            hear(lambda: self._believe(tablet, answer))
            self.ledger.is_late = False

        def lost(*, was_sent: bool) -> None:
            hear(lambda: _client(tablet).on_disconnect(was_sent=was_sent, now=tablet.now()))

        self.network.send(request, Ends(answered, lost))

    def _believe(self, tablet: Tablet, answer: Answer) -> None:
        status, headers, body = answer
        client = _client(tablet)
        client.on_response(status, headers, body, now=tablet.now())
        reason = "not believed" if client.reason in UNBELIEVED else client.reason
        self._trace.update(f"{self.clock.seconds:.3f} {tablet.name} {status} {client.state} {reason}".encode())

    def _restart(self, tablet: Tablet) -> None:
        tablet.restart()
        self._after(self.chance.seconds(30, 3_600), self._waking(tablet))

    def _tablet_life(self, tablet: Tablet) -> None:
        if self.chance.happens(Fault.CLOCK_JUMPED, 30):
            days = self.chance.rng.choice([-4000, -400, -1, -0.01, 0, 0.5, 30, 20_000])
            tablet.clock_offset = timedelta(days=days)
        if self.chance.rng.random() < 0.03:
            tablet.keep_copy()
        elif tablet.copy is not None and self.chance.happens(Fault.TABLET_RESTORED, 20):
            self.ledger.lost |= tablet.put_back()

    def _office_life(self) -> None:
        rng, office = self.chance.rng, self.office
        self._is_newer_server = self.chance.happens(Fault.NEWER_SERVER, 100)
        if self.chance.happens(Fault.SERVER_RESTARTED, 8):
            office.restart()
        if rng.random() < 0.02:
            office.make_backup()
        elif self.chance.happens(Fault.SERVER_RESTORED, 8):
            assert office.backup is not None
            self.ledger.restored(office.backup.sequence)
            office.restore()
            self.ledger.audit(office)
        if rng.random() < 0.01 and len(self._versions) < 3:
            self._published += 1
            self._versions.append(str(self._published))
            office.do(publishing(self._versions[-1]))
        if rng.random() < 0.006 and len(self._versions) > 1:
            office.do(retiring(self._versions.pop(0)))
        in_use = [tablet for tablet in self.tablets if tablet.is_enabled]
        if len(in_use) > TABLETS // 2 and self.chance.happens(Fault.REVOKED, 1):
            gone = rng.choice(in_use)
            gone.is_enabled = False
            office.do(revoking(gone.device_id))
        if self.network.requests - self._worked_at > WORK_EVERY:
            self._worked_at = self.network.requests
            office.open_envelopes()
            self.ledger.folded(office)
            again = self.ledger.erased - self.ledger.erased_in_this_life  # a restore has lost the decision
            for instance_id in sorted(again):
                office.erase(instance_id)
            if self.interviews and self.chance.happens(Fault.ERASED, 700):
                office.erase(raw_id(rng.randint(1, self.interviews)))

    def _server_died(self) -> None:
        self.ledger.audit(self.office)

    def _carry_for_others(self, courier: Tablet) -> None:
        """Deliver envelopes of another device, some of them spoilt."""
        rng = self.chance.rng
        other = rng.choice(self.tablets)
        carried = rng.sample(list(other.held.values()), min(3, len(other.held)))
        for body in list(carried):
            if self.chance.happens(Fault.FLIPPED, 400):
                carried.append(flipped(body, self.chance.place(len(body)), self.chance.place(8)))
                self.ledger.spoilt.add(_id(carried[-1]))
        if self.chance.happens(Fault.POISONED, 400):
            carried.append(poisons(rng))
            self.ledger.spoilt.add(_id(carried[-1]))
        rng.shuffle(carried)
        store, identity = courier.device._store, courier.identity()
        body = messages.encode_request(
            ExchangeRequest(
                device_id=identity.device_id,
                counter=store.begin(()),
                since=store.cursor(),
                have=(),
                envelopes=tuple(carried),
                device_time=courier.now(),
                keyring_serial=store.keyring().serial,
            )
        )
        headers = signatures.sign_request(
            "POST", messages.PATH_EXCHANGE, body, device_id=identity.device_id, key=identity.signer
        )
        headers["Content-Type"] = messages.MEDIA_TYPE_EXCHANGE
        status, _, content = self.office.call("POST", messages.PATH_EXCHANGE, headers, body)
        if status != 200:
            return
        receipts = messages.decode_answer(content).receipts
        if sorted(receipt.index for receipt in receipts) != list(range(len(carried))):
            raise Violation("9: an envelope has no receipt beside one that cannot be read")
        for receipt in receipts:
            self.ledger.receipted_one(_id(carried[receipt.index]), receipt.code, receipt.sequence)

    def _calm_down(self) -> None:
        """End all faults, let every tablet finish, and check what must hold then."""
        self.chance.is_calm = True
        self._is_newer_server = False
        for _ in range(2):
            for tablet in self.tablets:
                tablet.under_way = None
                tablet.seal_all()
                self._finish(tablet)
            self.office.open_envelopes()
            self.ledger.folded(self.office)
        for tablet in self.tablets:
            self._finish(tablet)
        self.ledger.audit(self.office)
        checks.check_delivered(self.office, self.tablets)
        checks.check_bytes(self.office)
        checks.check_opened(self.office, self.tablets, self.ledger)
        checks.check_erased(self.office, self.tablets, self.ledger)
        checks.check_pulled(self.office, self.tablets)
        checks.check_state(self.office, self.folder)

    def _finish(self, tablet: Tablet) -> None:
        tablet.begin(self.ledger.settled, pauses=20, dies_after=None)
        client = _client(tablet)
        for _ in range(1_000):
            request = client.next_request(tablet.now())
            if request is None:
                if client.state is not State.PAUSED or client.retry_at is None:
                    break
                self.clock.seconds += max(1.0, (client.retry_at - tablet.now()).total_seconds())
                continue
            self.exchanges += 1
            status, headers, body = self.office.call(request.method, request.path, request.headers, request.body)
            client.on_response(status, headers, body, now=tablet.now())
        if client.state is not State.SYNCED:
            raise Violation(f"2: on a good line {tablet.name} ends {client.state} ({client.reason})")

    @contextmanager
    def _two_versions(self) -> Iterator[None]:
        """Let some tablets and, at times, the office write as another version would; let answers be short."""
        encode_request, encode_answer, page = messages.encode_request, messages.encode_answer, news.PULL_ITEMS

        def request_of_a_version(request: ExchangeRequest) -> bytes:
            body = encode_request(request)
            if not self._skew:
                return body
            self.chance.count(Fault.NEWER_TABLET if self._skew > 0 else Fault.OLDER_TABLET)
            return rewritten(body, self._skew)

        def answer_of_a_version(answer: messages.ExchangeAnswer) -> bytes:
            body = encode_answer(answer)
            return later_answer(body) if self._is_newer_server else body

        messages.encode_request, messages.encode_answer = request_of_a_version, answer_of_a_version
        news.PULL_ITEMS = PAGE  # type: ignore[misc]
        try:
            yield
        finally:
            messages.encode_request, messages.encode_answer = encode_request, encode_answer
            news.PULL_ITEMS = page  # type: ignore[misc]


UNBELIEVED: Final = frozenset({"digest-mismatch", "malformed", "signature-invalid", "version-unsupported"})
"""Which of them an altered answer is depends on the byte that the fault met, and so on the keys of the run."""


class _Calm:
    """A transport straight to the office."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def send(self, method: str, path: str, headers: Any, body: bytes) -> HttpAnswer:
        return HttpAnswer(*self._office.call(method, path, headers, body))

    def close(self) -> None:
        return


def _client(tablet: Tablet) -> Any:
    assert tablet.client is not None
    return tablet.client


def _id(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
