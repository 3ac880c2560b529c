"""The rows that an account sees, against a plain reading of the rules over every scope of a small world."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, combinations, product

from sqlalchemy import select
from sqlalchemy.orm import Session

from server.db.engine import Database
from server.db.queries import devices, envelopes, projects
from server.db.queries.devices import StoredDevice
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.scoped import (
    visible_app_users,
    visible_devices,
    visible_envelopes,
    visible_forms,
    visible_households,
)
from server.db.scope import Scope
from server.db.tables import AppUser, Device, DrawnHousehold, Envelope, Form, FormVersion
from tests.office import NOW

TEAMS = ("red", "blue")
CODES = ("0001", "")
PROJECTS = (1, 2)
DRAWN_FOR = 1
UNKNOWN = b"\x00" * 32


@dataclass(frozen=True)
class Bringer:
    """A tablet or an app user."""

    name: str
    is_tablet: bool
    project: int
    team: str
    code: str


BRINGERS = tuple(
    Bringer(f"{'tablet' if is_tablet else 'app'}-{project}-{team}-{code}", is_tablet, project, team, code)
    for is_tablet, project, team, code in product((True, False), PROJECTS, TEAMS, CODES)
)
FORMS = {"one": 1, "two": 2}
NAMED: tuple[str | None, ...] = ("one", "two", None)
"""Of an envelope: its form, or one that nobody has published."""
SCOPES = tuple(
    Scope(projects=of, team=team, enumerator=code)
    for of in (None, *(frozenset(some) for some in chain.from_iterable(combinations(PROJECTS, n) for n in range(3))))
    for team in (None, *TEAMS, "nobody's")
    for code in (None, *CODES)
)


def sees_bringer(scope: Scope, bringer: Bringer, *, whatever_project: bool = False) -> bool:
    is_in = whatever_project or scope.projects is None or bringer.project in scope.projects
    is_own = scope.enumerator is None or (scope.enumerator == bringer.code != "")
    return is_in and scope.team in (None, bringer.team) and is_own


def sees_envelope(scope: Scope, bringer: Bringer, form_id: str | None) -> bool:
    project = bringer.project if form_id is None else FORMS[form_id]
    is_in = scope.projects is None or project in scope.projects
    return is_in and sees_bringer(scope, bringer, whatever_project=True)


def sees_household(scope: Scope, code: str) -> bool:
    if scope.enumerator is not None and (scope.enumerator != code or not code):
        return False
    if scope.projects is None and scope.team is None:
        return True
    return any(sees_bringer(scope, one) for one in BRINGERS if one.code == code and one.project == DRAWN_FOR)


def test_every_condition_is_a_plain_reading_of_the_rules(database: Database) -> None:
    with database.transaction() as session:
        arrived = _make(session)
        for scope in SCOPES:
            found = set(session.scalars(select(Envelope.envelope_id).where(visible_envelopes(scope))))
            assert found == {
                envelope_id
                for envelope_id, (bringer, form_id) in arrived.items()
                if sees_envelope(scope, bringer, form_id)
            }, scope
            tablets = set(session.scalars(select(Device.device_id).where(visible_devices(scope))))
            app_users = set(session.scalars(select(AppUser.name).where(visible_app_users(scope))))
            assert tablets | app_users == {one.name for one in BRINGERS if sees_bringer(scope, one)}, scope
            forms = set(session.scalars(select(Form.form_id).where(visible_forms(scope))))
            assert forms == {name for name, of in FORMS.items() if scope.projects is None or of in scope.projects}
            households = set(session.scalars(select(DrawnHousehold.household_key).where(visible_households(scope))))
            assert households == {code for code in (*CODES, "0009") if sees_household(scope, code)}, scope


def _make(session: Session) -> dict[bytes, tuple[Bringer, str | None]]:
    """Fill the database; return who brought which envelope, and of which form."""
    projects.add(session, name="two", now=NOW)
    for form_id, project_id in FORMS.items():
        session.add(Form(form_id=form_id, title=form_id, project_id=project_id))
        session.flush()
        session.add(
            FormVersion(
                hash=_hash(form_id), form_id=form_id, version="1", title="", md5="", xform=b"",
                package_hash=bytes(32), state="published", note="", submitted_at=NOW, submitted_by="",
            )
        )  # fmt: skip
    for code in (*CODES, "0009"):
        session.add(
            DrawnHousehold(
                household_key=code, psu="p", listing_class=1, enumerator=code, tag=_hash(code), sealed=b"",
                feed_position=1,
            )
        )  # fmt: skip
    return dict(chain.from_iterable(_bring(session, bringer) for bringer in BRINGERS))


def _bring(session: Session, bringer: Bringer) -> Iterable[tuple[bytes, tuple[Bringer, str | None]]]:
    number = None if bringer.is_tablet else _add_app_user(session, bringer)
    if bringer.is_tablet:
        _add_tablet(session, bringer)
    for form_id in NAMED:
        envelope_id = _hash(f"{bringer.name} {form_id}")
        arrived = NewEnvelope(
            envelope_id=envelope_id, kind=2, body=b"", epoch_hash=None, instance_id=None, certificate_hash=None,
            form_version_hash=UNKNOWN if form_id is None else _hash(form_id), app_user_id=number,
        )  # fmt: skip
        carrier = bringer.name if bringer.is_tablet else "door"
        envelopes.store(session, [arrived], carrier=carrier, received_at=NOW)
        yield envelope_id, (bringer, form_id)


def _add_tablet(session: Session, bringer: Bringer) -> None:
    devices.keep_certificate(
        session, certificate_hash=_hash(bringer.name), document=b"", device_id=bringer.name, now=NOW
    )
    devices.add_device(
        session,
        StoredDevice(
            device_id=bringer.name, certificate_hash=_hash(bringer.name), signing_key=bytes(32),
            receiving_key=bytes(32), enumerator=bringer.code, team=bringer.team, role="enumerator", counter=0,
            enrolled_at=NOW, revoked_at=None, last_seen_at=None, project_id=bringer.project,
        ),
    )  # fmt: skip


def _add_app_user(session: Session, bringer: Bringer) -> int:
    return devices.add_app_user(
        session, token_hash=_hash(bringer.name), name=bringer.name, project_id=bringer.project,
        enumerator=bringer.code, team=bringer.team, mode="survey", language="", now=NOW,
    )  # fmt: skip


def _hash(text: str) -> bytes:
    return text.encode().ljust(32, b"\x01")[:32]
