"""An intake as an office sees it on any day: opened, waiting, held, in conflict, in quarantine, from two teams."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from flask import Flask
from sqlalchemy import update

from server.app import create_app
from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.queries import accounts, devices
from server.db.tables import Device
from server.keystore import KeyStore
from server.microdata import Microdata
from server.services import app_users
from tests.office import MULTIPART, NOW, multipart, publish
from tests.server.opening import kit
from tests.server.opening.kit import Answers, Tablet, deliver, household, open_all, raw_id

TODAY = datetime.now(UTC).replace(microsecond=0)


TOKEN = "a" * 64
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c6360606000000004000"
    "1f61738550000000049454e44ae426082"
)
HOUSE = b"""<h:html xmlns="http://www.w3.org/2002/xforms" xmlns:h="http://www.w3.org/1999/xhtml">
<h:head><h:title>House</h:title><model><instance><data id="house" version="1"><name/><front/><roof/>
<meta><instanceID/></meta></data></instance><bind nodeset="/data/name" type="string"/>
<bind nodeset="/data/front" type="binary"/><bind nodeset="/data/roof" type="binary"/>
<bind nodeset="/data/meta/instanceID" type="string" readonly="true()"/></model></h:head>
<h:body><input ref="/data/name"><label>Whose house?</label></input>
<upload ref="/data/front" mediatype="image/*"><label>The front</label></upload>
<upload ref="/data/roof" mediatype="image/*"><label>The roof</label></upload></h:body></h:html>"""

PEOPLE = (
    ("amina", "manager", "", ""),
    ("sami", "supervisor", "01", ""),
    ("berta", "supervisor", "02", ""),
    ("eno", "enumerator", "", "0012"),
    ("nemo", "enumerator", "", ""),
    ("stata", "statistician", "", ""),
)


@contextmanager
def opened(folder: Path, keys_dir: Path) -> Iterator["Mixed"]:
    """Open an office in a data folder, and close it."""
    config = Config.in_directory(folder)
    database, keystore = Database(config.database_url), KeyStore.open(keys_dir, None)
    microdata = Microdata(config.microdata_dir, keystore, database)
    context = Context(config=config, database=database, keystore=keystore, microdata=microdata)
    yield Mixed(context, create_app(config, context))
    context.close()


@dataclass
class Mixed:
    """What was sent, by what became of it; names are 32 hexadecimal digits."""

    context: Context
    app: Flask

    opened = raw_id(1).hex()
    edited = raw_id(3).hex()
    conflict = raw_id(11).hex()
    collision = raw_id(20).hex()
    pair = (raw_id(30).hex(), raw_id(31).hex())
    no_epoch = raw_id(40).hex()
    revoked = raw_id(50).hex()
    of_team_b = raw_id(60).hex()
    unknown_form = UUID(int=70).hex
    with_photos = UUID(int=71).hex
    without_roof = UUID(int=72).hex

    def fill(self) -> "Mixed":
        """Send everything, and open what can be opened."""
        self._employ()
        kit.publish(self.context)
        publish(self.context)
        kit.publish_xform(self.context, HOUSE)
        first = Tablet(self.context.keystore).enrol(self.context)
        other = Tablet(self.context.keystore, device_id="tablet-2", enumerator="0002").enrol(self.context)
        late = Tablet(self.context.keystore, device_id="tablet-3", enumerator="0003").enrol(self.context)
        supervisor = Tablet(self.context.keystore, device_id="tablet-9", role="supervisor", enumerator="0009")
        supervisor.enrol(self.context)
        self._move("tablet-2", team="02")
        deliver(self.context, self._of_first(first), at=TODAY - timedelta(seconds=9))
        edit = supervisor.seal(Answers(number=12, edits=10, name="Kwame", amount="99"), parents=[10])
        deliver(self.context, [supervisor.epoch(), edit], carrier="tablet-9", at=TODAY - timedelta(seconds=8))
        pair = [other.seal(Answers(number=30 + place, key=household(5))) for place in (0, 1)]
        mine = other.seal(Answers(number=60, name="Esi"))
        deliver(self.context, [other.epoch(), *pair, mine], carrier="tablet-2", at=TODAY - timedelta(seconds=7))
        deliver(self.context, [late.seal(Answers(number=40))], carrier="tablet-3", at=TODAY - timedelta(seconds=6))
        self._after_revocation()
        self._through_collect()
        open_all(self.context)
        return self

    def _employ(self) -> None:
        with self.context.database.transaction() as session:
            for name, role, team, enumerator in PEOPLE:
                accounts.add_user(
                    session, name=name, role=role, password_hash=None, team=team, enumerator=enumerator, now=NOW
                )

    def _of_first(self, tablet: Tablet) -> list[bytes]:
        whole = [Answers(number=1), Answers(number=2), Answers(number=3, edits=2, amount="12"), Answers(number=10)]
        edits = [Answers(number=11, edits=10, name="Ama", age="42")]
        twins = [Answers(number=20, name="Yaw"), Answers(number=20, name="Abena")]
        bodies = [tablet.seal(one, parents=[one.edits] if one.edits else []) for one in (*whole, *edits, *twins)]
        broken = bytearray(tablet.seal(Answers(number=80)))
        broken[-1] ^= 1
        return [tablet.epoch(), *bodies, bytes(broken), b"nothing that anybody can read"]

    def _move(self, device_id: str, *, team: str) -> None:
        with self.context.database.transaction() as session:
            session.execute(update(Device).where(Device.device_id == device_id).values(team=team))

    def _after_revocation(self) -> None:
        tablet = Tablet(self.context.keystore, device_id="tablet-4", enumerator="0004").enrol(self.context)
        with self.context.database.transaction() as session:
            devices.revoke_device(session, device_id="tablet-4", now=NOW)
        body = tablet.seal(Answers(number=50, name="Kojo"))
        deliver(self.context, [tablet.epoch(), body], carrier="tablet-4", at=TODAY - timedelta(seconds=5))

    def _through_collect(self) -> None:
        with self.context.database.transaction() as session:
            app_users.create_app_user(
                session,
                name="collect 12",
                enumerator="0012",
                team="02",
                user="manager",
                now=NOW,
                randomness=lambda _: TOKEN,
            )
        self.post(69, "visit", "1")
        self.post(70, "visit", "7")
        self.post(71, "house", "1", files={"front.png": PICTURE, "roof.png": PICTURE + b"2"})
        self.post(72, "house", "1", files={"front.png": PICTURE}, names=("front.png", "roof.png"))

    def post(
        self,
        number: int,
        form_id: str,
        version: str,
        *,
        files: dict[str, bytes] | None = None,
        names: Sequence[str] = (),
        media_type: str = "image/png",
    ) -> bytes:
        """Send a submission as ODK Collect does; return its XML."""
        sent = files or {}
        named = dict(zip(("front", "roof"), names or sent, strict=False))
        xml = (
            f'<data id="{form_id}" version="{version}"><name>Ana</name>'
            + "".join(f"<{question}>{name}</{question}>" for question, name in named.items())
            + f"<meta><instanceID>uuid:{UUID(int=number)}</instanceID></meta></data>"
        ).encode()
        parts = [('name="xml_submission_file"; filename="x.xml"\r\nContent-Type: text/xml', xml)]
        parts += [
            (f'name="{name}"; filename="{name}"\r\nContent-Type: {media_type}', content)
            for name, content in sent.items()
        ]
        answer = self.app.test_client().post(f"/key/{TOKEN}/submission", data=multipart(parts), content_type=MULTIPART)
        assert answer.status_code == 201, answer.data
        return xml
