"""The invariants: what must hold after each answer, after each accident, and when everything is calm again."""

import hashlib
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import select

from server.db.engine import Database
from server.db.queries import envelopes
from server.db.queries.devices import Carrier
from server.db.queries.envelopes import NewEnvelope
from server.db.tables import Device as DeviceRow
from server.db.tables import Envelope, Revision
from server.db.tables.envelopes import ERASED, OPENED, QUARANTINED, RECEIVED, WAITING_FOR_EPOCH
from server.folding.state import state_hash
from server.services import news
from server.services.receive_exchange import AFTER_REVOCATION
from sync_protocol.envelope import Header, peek
from sync_protocol.messages import ReceiptCode
from sync_protocol.pull_items import FormVersionPull, PullItem, VerdictPull
from sync_protocol.storage import Settlement
from tests.simulator.office import Office, open_context, worker_of
from tests.simulator.tablet import Tablet

LAWFUL = (AFTER_REVOCATION, "form-retired")
"""Why an interview that is whole may be in quarantine."""


class Violation(AssertionError):
    """An invariant does not hold."""


@dataclass
class Ledger:
    """What was promised and what exists.

    Attributes:
        receipted: the server's number of each envelope for which a device took a receipt with a storing code.
        spoilt: ids of envelopes that were altered or are unreadable: never opened.
        lost: ids of envelopes that went with a tablet's older state and that no server may know.
        is_late: what is told now was said before the office was restored: its receipts are not of this life.
    """

    receipted: dict[bytes, int | None] = field(default_factory=dict)
    spoilt: set[bytes] = field(default_factory=set)
    lost: set[bytes] = field(default_factory=set)
    is_late: bool = False
    receipts: int = 0
    duplicates: int = 0
    audits: int = 0
    deleted: int = 0
    erased: set[bytes] = field(default_factory=set)
    erased_in_this_life: set[bytes] = field(default_factory=set)

    def settled(self, tablet: Tablet, settlement: Settlement) -> None:
        """Take what a device has just believed; its envelopes must all still be there."""
        for envelope_id, code in settlement.codes.items():
            self.receipted_one(envelope_id, code, settlement.fates[envelope_id][1])
        for how, body in tablet.gone().values():
            if how != "erased" or not self.is_erased(body):
                raise Violation(f"3: {tablet.name} deleted an envelope ({how}) before the rule allows it")

    def pruned(self, tablet: Tablet, office: Office) -> None:
        """Let a device delete what it may; an envelope that no backup holds must stay."""
        tablet.device.prune()
        assert office.backup is not None
        for name, (how, body) in tablet.gone().items():
            if how != "deleted" or name not in office.backup.known or name not in self.receipted:
                raise Violation(f"3: {tablet.name} deleted an envelope ({how}) that no backup holds")
            tablet.deleted[name] = body
            self.deleted += 1

    def is_erased(self, body: bytes) -> bool:
        """Say whether an envelope is of an instance that was ever erased, or of a later revision of one."""
        head = peek(body)
        if not isinstance(head, Header) or self.erased.isdisjoint((head.instance_id, *head.parents)):
            return False
        self.erased.add(head.instance_id)  # sealed before its tablet heard of it: no office has folded it
        return True

    def folded(self, office: Office) -> None:
        """Take what has been erased by now: in one life of the database, that only grows."""
        now_erased = office.erased()
        if self.erased_in_this_life - now_erased:
            raise Violation("5: what was erased is no longer")
        self.erased_in_this_life = now_erased
        self.erased |= now_erased

    def receipted_one(self, envelope_id: bytes, code: ReceiptCode, sequence: int | None) -> None:
        """Count one receipt."""
        self.receipts += 1
        self.duplicates += code is ReceiptCode.DUPLICATE
        if code.is_kept and not self.is_late:
            self.receipted[envelope_id] = sequence

    def restored(self, sequence: int) -> None:
        """Forget receipts that no backup covers: the tablets still have those envelopes."""
        self.erased_in_this_life = set()
        self.receipted = {name: at for name, at in self.receipted.items() if at is not None and at <= sequence}

    def audit(self, office: Office) -> None:
        """Look for every receipted envelope: its bytes, or the tombstone."""
        self.audits += 1
        missing = self.receipted.keys() - office.known()
        if missing:
            raise Violation(f"2: {len(missing)} receipted envelopes are not on the server")


def check_bytes(office: Office) -> None:
    """Check that each stored envelope is what its id says."""
    for envelope_id, (body, state, _) in office.bodies().items():
        if state != ERASED and hashlib.sha256(body).digest() != envelope_id:
            raise Violation("2: stored bytes are not those that were received")


def check_delivered(office: Office, tablets: list[Tablet]) -> None:
    """Check that all that is on a tablet is on the server, and that the tablet knows it."""
    stored = office.bodies()
    for tablet in tablets:
        on_disk = tablet.on_disk()
        if on_disk != tablet.held:
            raise Violation(f"3: {tablet.name} holds {len(on_disk)} of {len(tablet.held)} envelopes")
        absent = [name for name, body in on_disk.items() if name not in stored or stored[name][0] != body]
        if is_revoked(office, tablet):  # it is told nothing of others, and so of no erasure
            absent = [name for name in absent if name not in stored or stored[name][1] != ERASED]
        if absent:
            raise Violation(f"2: {len(absent)} envelopes of {tablet.name} never reached the server")
        if tablet.deleted.keys() - stored.keys():
            raise Violation(f"3: an envelope that {tablet.name} deleted is nowhere")
        left = tablet.device._store.backlog().envelopes
        if left:
            raise Violation(f"2: {tablet.name} still believes that {left} envelopes are to be sent")


def check_opened(office: Office, tablets: list[Tablet], ledger: Ledger) -> None:
    """Check that nothing spoilt was opened, and that nothing whole was held up by it."""
    stored = office.bodies()
    opened = [name for name in ledger.spoilt if stored.get(name, (b"", "", None))[1] in (OPENED, RECEIVED)]
    if opened:
        raise Violation(f"10: {len(opened)} altered envelopes were opened or are still thought to be whole")
    for tablet in tablets:
        for name, body in tablet.held.items():
            _, state, reason = stored[name]
            if state == ERASED and ledger.is_erased(body):
                continue
            _, epoch_state, epoch_reason = stored.get(getattr(peek(body), "epoch_hash", b""), (b"", "", None))
            if (state, epoch_state, epoch_reason) == (WAITING_FOR_EPOCH, QUARANTINED, AFTER_REVOCATION):
                continue  # a courier brought the interview, a tablet that was revoked meanwhile its epoch
            if state != OPENED and not (state == QUARANTINED and reason in LAWFUL):
                raise Violation(f"9: a whole envelope of {tablet.name} is {state} ({reason})")


def check_erased(office: Office, tablets: list[Tablet], ledger: Ledger) -> None:
    """Check that nothing is left of what was erased: no bytes at the office, none on a tablet."""
    erased = ledger.erased_in_this_life
    with office.context.database.read() as session:
        left = session.scalars(select(Envelope.body).where(Envelope.instance_id.in_(erased), Envelope.kind != 5))
        if any(left):
            raise Violation("5: bytes of an erased interview are still at the office")
        if any(session.scalars(select(Revision.instance_id).where(Revision.instance_id.in_(erased)))):
            raise Violation("5: a revision of an erased interview is still at the office")
    for tablet in tablets:
        if is_revoked(office, tablet):
            continue
        if any(getattr(peek(body), "instance_id", None) in erased for body in tablet.on_disk().values()):
            raise Violation(f"5: an erased interview is still on {tablet.name}")


def is_revoked(office: Office, tablet: Tablet) -> bool:
    """Say whether the office has revoked a tablet."""
    return carrier_of(office, tablet).revoked_at is not None


def check_pulled(office: Office, tablets: list[Tablet]) -> None:
    """Check that a device that followed its cursor knows what a full pull tells."""
    for tablet in tablets:
        if is_revoked(office, tablet):
            continue
        told = _known_from(full_pull(office, carrier_of(office, tablet)))
        knows = _known_by(tablet)
        # It may know more: of what only a former life of the database held.
        if any(knows.get(name) != value for name, value in told.items()):
            difference = sorted(map(str, told.items() - knows.items()))[:3]
            raise Violation(f"4: {tablet.name} knows other things than a full pull tells: {difference}")


def check_state(office: Office, folder: Path) -> None:
    """Check that a fresh server, fed the same envelopes in another order, comes to the same state."""
    path = folder / "fresh.db"
    shutil.copyfile(office.beginning, path)
    with office.context.database.read() as session:
        rows = list(session.execute(select(Envelope.body, Envelope.carrier, Envelope.received_at, Envelope.reason)))
        expected = state_hash(session, office.keystore)
    fresh = open_context(folder / "fresh", Database(f"sqlite:///{path}"), office.keystore)
    for deed in office.deeds[1:]:  # the first is in the copy
        deed.do(fresh, deed.at)
    rows = [row for row in rows if row.body]  # nobody can feed what is erased
    for row in sorted(rows, key=lambda row: hashlib.sha256(row.body).digest()):
        arrived = NewEnvelope.read(row.body)
        if row.reason == AFTER_REVOCATION:
            arrived = replace(arrived, state=QUARANTINED, reason=AFTER_REVOCATION)
        with fresh.database.transaction() as session:
            envelopes.store(session, [arrived], carrier=row.carrier, received_at=row.received_at)
    worker_of(fresh, office.clock.now()).run_until_idle()
    with fresh.database.read() as session:
        found = state_hash(session, office.keystore)
    fresh.database.dispose()
    if found != expected:
        raise Violation("1: another order of the same envelopes gives another state")


def carrier_of(office: Office, tablet: Tablet) -> Carrier:
    """Return the device as the office knows it."""
    with office.context.database.read() as session:
        row = session.get(DeviceRow, tablet.device_id)
        assert row is not None
        return Carrier(row.device_id, row.enumerator, row.receiving_key, row.revoked_at, row.project_id)


def full_pull(office: Office, carrier: Carrier) -> list[PullItem]:
    """Return all that a device that knows nothing is told, page by page."""
    items: list[PullItem] = []
    cursor: str | None = None
    while True:
        with office.context.database.read() as session:
            pulled = news.pull_news(session, carrier=carrier, since=cursor, keystore=office.keystore)
        items += pulled.items
        cursor = pulled.cursor
        if not pulled.more:
            return items


Known = dict[tuple[str, bytes], tuple[str | None, ...]]


def _known_from(items: list[PullItem]) -> Known:
    known: Known = {}
    for item in items:
        if isinstance(item, FormVersionPull):
            known["form", item.hash] = (item.state,)
        elif isinstance(item, VerdictPull):
            known["verdict", item.envelope_id] = (item.state, item.reason)
    return known


def _known_by(tablet: Tablet) -> Known:
    known: Known = {("form", version.hash): (version.state,) for version in tablet.device.form_versions()}
    rows = tablet.device._database.rows("SELECT envelope_id, state, reason FROM verdict")
    return known | {("verdict", bytes(name)): (state, reason) for name, state, reason in rows}
