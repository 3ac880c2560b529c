"""An intake as an office sees it on any day: opened, waiting, held, in conflict, in quarantine, from two teams."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask.testing import FlaskClient

from server.context import Context
from server.db.queries import devices
from server.services import enrol_device
from sync_protocol.enrolment import token_hash
from tests.office import NOW, multipart, publish
from tests.office import MULTIPART as MULTIPART_TYPE
from tests.server.opening import kit
from tests.server.opening.kit import Answers, Tablet, deliver, household, open_all, raw_id

TODAY = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Mixed:
    """What was sent, by what became of it; names are 32 hexadecimal digits."""

    context: Context
    client: FlaskClient

    opened = raw_id(1).hex()
    edited = raw_id(3).hex()
    conflict = raw_id(11).hex()
    collision = raw_id(20).hex()
    pair = (raw_id(30).hex(), raw_id(31).hex())
    no_epoch = raw_id(40).hex()
    revoked = raw_id(50).hex()
    of_team_b = raw_id(60).hex()
    unknown_form = UUID(int=70).hex

    def fill(self) -> "Mixed":
        """Send everything, and open what can be opened."""
        kit.publish(self.context)
        publish(self.context)
        first = Tablet(self.context.keystore).enrol(self.context)
        other = Tablet(self.context.keystore, device_id="tablet-2", enumerator="0002").enrol(self.context)
        late = Tablet(self.context.keystore, device_id="tablet-3", enumerator="0003").enrol(self.context)
        supervisor = Tablet(self.context.keystore, device_id="tablet-9", role="supervisor", enumerator="0009")
        supervisor.enrol(self.context)
        self._move("tablet-2", team="02")
        deliver(self.context, self._of_first(first), at=TODAY - timedelta(minutes=9))
        edit = supervisor.seal(Answers(number=12, edits=10, name="Kwame", amount="99"), parents=[10])
        deliver(self.context, [supervisor.epoch(), edit], carrier="tablet-9", at=TODAY - timedelta(minutes=8))
        pair = [other.seal(Answers(number=30 + place, key=household(5))) for place in (0, 1)]
        mine = other.seal(Answers(number=60, name="Esi"))
        deliver(self.context, [other.epoch(), *pair, mine], carrier="tablet-2", at=TODAY - timedelta(minutes=7))
        deliver(self.context, [late.seal(Answers(number=40))], carrier="tablet-3", at=TODAY - timedelta(minutes=6))
        self._after_revocation()
        self._through_collect()
        open_all(self.context)
        return self

    def _of_first(self, tablet: Tablet) -> list[bytes]:
        whole = [Answers(number=1), Answers(number=2), Answers(number=3, edits=2, amount="12"), Answers(number=10)]
        edits = [Answers(number=11, edits=10, name="Ama", age="42")]
        twins = [Answers(number=20, name="Yaw"), Answers(number=20, name="Abena")]
        bodies = [tablet.seal(one, parents=[] if one.edits is None else [one.edits]) for one in (*whole, *edits, *twins)]
        broken = bytearray(tablet.seal(Answers(number=80)))
        broken[-1] ^= 1
        return [tablet.epoch(), *bodies, bytes(broken), b"nothing that anybody can read"]

    def _move(self, device_id: str, *, team: str) -> None:
        from sqlalchemy import update

        from server.db.tables import Device

        with self.context.database.transaction() as session:
            session.execute(update(Device).where(Device.device_id == device_id).values(team=team))

    def _after_revocation(self) -> None:
        tablet = Tablet(self.context.keystore, device_id="tablet-4", enumerator="0004").enrol(self.context)
        with self.context.database.transaction() as session:
            devices.revoke_device(session, device_id="tablet-4", now=NOW)
        body = tablet.seal(Answers(number=50, name="Kojo"))
        deliver(self.context, [tablet.epoch(), body], carrier="tablet-4", at=TODAY - timedelta(minutes=5))

    def _through_collect(self) -> None:
        with self.context.database.transaction() as session:
            token = enrol_device.create_app_user(
                session, name="collect 12", enumerator="0012", user="manager", now=NOW
            )
            assert devices.app_user_by_token(session, token_hash(token)) is not None
        for number, (form_id, version) in enumerate([("visit", "1"), ("visit", "7")], start=69):
            xml = (
                f'<data id="{form_id}" version="{version}"><name>Ana</name>'
                f"<meta><instanceID>uuid:{UUID(int=number)}</instanceID></meta></data>"
            ).encode()
            part = ('name="xml_submission_file"; filename="x.xml"\r\nContent-Type: text/xml', xml)
            answer = self.client.post(
                f"/key/{token}/submission", data=multipart([part]), content_type=MULTIPART_TYPE
            )
            assert answer.status_code == 201, answer.data
