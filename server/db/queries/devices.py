"""SQL of devices, certificates, enrolment tokens, app users and keyrings."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, LargeBinary, bindparam, case, func, select, update
from sqlalchemy.orm import Session

from server.db.insert import insert_new
from server.db.prepared import Prepared
from server.db.queries import feed
from server.db.queries.scoped import visible_devices
from server.db.scope import EVERYTHING, Scope
from server.db.tables import AppUser, Certificate, Device, EnrolmentToken, KeyringDocument
from server.db.tables.accounts import FIRST_PROJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDevice:
    """A device as stored."""

    device_id: str
    certificate_hash: bytes
    signing_key: bytes
    receiving_key: bytes
    enumerator: str
    team: str
    role: str
    counter: int
    enrolled_at: datetime
    revoked_at: datetime | None
    last_seen_at: datetime | None
    project_id: int = FIRST_PROJECT
    backlog: str = ""
    clock_offset_seconds: int | None = None
    keyring_serial: int = 0
    wipe_position: int | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """What is ordered of a device, each with its place in the feed; None for what is not."""

    revoked_at: datetime | None
    revoked_position: int | None
    wipe_document: bytes | None
    wipe_position: int | None


@dataclass(frozen=True, slots=True)
class Carrier:
    """What an exchange needs of the device that carries it.

    `quota_envelopes` and `quota_bytes` are what it has brought today, with this exchange.
    """

    device_id: str
    enumerator: str
    receiving_key: bytes
    revoked_at: datetime | None
    project_id: int
    quota_envelopes: int = 0
    quota_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a device says of itself in an exchange; see `server.db.tables.devices` for what each member means."""

    receiving_key: bytes | None = None
    backlog: str = ""
    clock_offset_seconds: int | None = None
    keyring_serial: int = 0


NOTHING_TOLD: Final = Told()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """An enrolment token as stored."""

    enumerator: str
    team: str
    role: str
    expires_at: datetime
    used_at: datetime | None
    device_id: str | None
    project_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAppUser:
    """A person who uses ODK Collect, as stored; see `server.db.tables.devices` for what each member means."""

    app_user_id: int
    name: str
    project_id: int
    enumerator: str
    team: str
    mode: str
    language: str
    is_for_every_form: bool
    username: str | None
    created_at: datetime
    revoked_at: datetime | None


_device = Device.__table__.c
_IS_SAME_DAY = _device.quota_day == bindparam("today")
_ADVANCE: Final = Prepared(
    update(Device.__table__)  # type: ignore[arg-type]
    .where(_device.device_id == bindparam("carrier"), _device.counter < bindparam("ahead"))
    .values(
        counter=bindparam("ahead"),
        last_seen_at=bindparam("seen_at"),
        receiving_key=func.coalesce(bindparam("next_key", type_=LargeBinary), _device.receiving_key),
        backlog=bindparam("left"),
        clock_offset_seconds=bindparam("offset"),
        keyring_serial=bindparam("serial"),
        quota_day=bindparam("today"),
        quota_envelopes=bindparam("count") + case((_IS_SAME_DAY, _device.quota_envelopes), else_=0),
        quota_bytes=bindparam("size") + case((_IS_SAME_DAY, _device.quota_bytes), else_=0),
    )
    .returning(*(_device[name] for name in Carrier.__slots__))
)


def keep_keyring(session: Session, *, serial: int, document: bytes) -> None:
    """Keep a keyring for ever; one that is there already is left alone."""
    session.execute(insert_new(session, KeyringDocument).values(serial=serial, document=document))


def highest_serial(session: Session, *, below: int) -> int:
    """Return the highest serial of a keyring that is kept here, or that a device has named, below a bound; or 0."""
    kept = select(func.max(KeyringDocument.serial)).where(KeyringDocument.serial < below)
    named = select(func.max(Device.keyring_serial)).where(Device.keyring_serial < below)
    return max(session.scalar(kept) or 0, session.scalar(named) or 0)


def keyrings(session: Session) -> list[bytes]:
    """Return every keyring there ever was, oldest first."""
    return list(session.scalars(select(KeyringDocument.document).order_by(KeyringDocument.serial)))


def keep_certificate(
    session: Session | Connection, *, certificate_hash: bytes, document: bytes, device_id: str, now: datetime
) -> None:
    """Keep a certificate for ever; one that is there already is left alone."""
    row = {"hash": certificate_hash, "document": document, "device_id": device_id, "issued_at": now}
    session.execute(insert_new(session, Certificate).values(row))


def certificates(session: Session) -> dict[bytes, bytes]:
    """Return all certificates by their hash."""
    return {row.hash: row.document for row in session.execute(select(Certificate.hash, Certificate.document))}


def certificate(session: Session, certificate_hash: bytes) -> bytes | None:
    """Return one certificate."""
    return session.scalar(select(Certificate.document).where(Certificate.hash == certificate_hash))


def add_device(session: Session, device: StoredDevice) -> None:
    """Store a newly enrolled device."""
    session.add(
        Device(
            device_id=device.device_id,
            certificate_hash=device.certificate_hash,
            signing_key=device.signing_key,
            receiving_key=device.receiving_key,
            enumerator=device.enumerator,
            team=device.team,
            role=device.role,
            counter=device.counter,
            enrolled_at=device.enrolled_at,
            project_id=device.project_id,
        )
    )
    session.flush()


def device(session: Session, device_id: str) -> StoredDevice | None:
    """Return one device."""
    found = session.get(Device, device_id, populate_existing=True)
    return None if found is None else _stored_device(found)


def devices(session: Session, scope: Scope = EVERYTHING) -> list[StoredDevice]:
    """Return the devices of a scope by id."""
    query = select(Device).where(visible_devices(scope)).order_by(Device.device_id)
    return [_stored_device(found) for found in session.scalars(query)]


def project_of_enumerator(session: Session, enumerator: str) -> int:
    """Return the project of an enumerator's newest device, else of the newest code, else the first project."""
    by_device = select(Device.project_id).where(Device.enumerator == enumerator).order_by(Device.enrolled_at.desc())
    by_code = (
        select(EnrolmentToken.project_id)
        .where(EnrolmentToken.enumerator == enumerator)
        .order_by(EnrolmentToken.created_at.desc())
    )
    found = (session.scalar(query.limit(1)) for query in (by_device, by_code))
    return next((project_id for project_id in found if project_id is not None), FIRST_PROJECT)


def revoke_device(session: Session, *, device_id: str, now: datetime) -> bool:
    """Revoke a device and let it find that in the feed; return whether it was in use until now."""
    revoked = update(Device).where(Device.device_id == device_id, Device.revoked_at.is_(None)).values(revoked_at=now)
    if session.execute(revoked.returning(Device.device_id)).first() is None:
        return False
    position = feed.next_position(session)
    session.execute(update(Device).where(Device.device_id == device_id).values(revoked_position=position))
    return True


def order_wipe(session: Session, *, device_id: str, document: bytes, position: int) -> None:
    """Store the signed order to wipe a device, and where it finds it in the feed."""
    ordered = update(Device).where(Device.device_id == device_id)
    session.execute(ordered.values(wipe_document=document, wipe_position=position))


def orders(session: Session, device_id: str) -> Orders:
    """Return what is ordered of a device."""
    query = select(Device.revoked_at, Device.revoked_position, Device.wipe_document, Device.wipe_position)
    row = session.execute(query.where(Device.device_id == device_id)).first()
    return Orders(None, None, None, None) if row is None else Orders(*row)


def advance_counter(
    session: Session | Connection,
    *,
    device_id: str,
    counter: int,
    now: datetime,
    told: Told = NOTHING_TOLD,
    envelopes: int = 0,
    envelope_bytes: int = 0,
) -> Carrier | None:
    """Set the counter of a device and return who it is, None when the counter is not ahead.

    What the device says of itself is stored with it, and what it brings is counted. The row stays locked until the
    commit, so that no second exchange of the device passes by.
    """
    values = {
        "carrier": device_id,
        "ahead": counter,
        "seen_at": now,
        "next_key": told.receiving_key,
        "left": told.backlog,
        "offset": told.clock_offset_seconds,
        "serial": told.keyring_serial,
        "today": f"{now:%Y-%m-%d}",
        "count": envelopes,
        "size": envelope_bytes,
    }
    row = _ADVANCE.first(session, values)
    return None if row is None else Carrier(*row)


def counter(connection: Connection, device_id: str) -> int | None:
    """Return the counter of the last exchange of a device, or None when nobody has that name."""
    found: int | None = connection.scalar(select(_device.counter).where(_device.device_id == device_id))
    return found


def set_brought(session: Session | Connection, *, device_id: str, envelopes: int, envelope_bytes: int) -> None:
    """Correct what a device has brought today, when not all of it was taken."""
    counted = update(Device).where(Device.device_id == device_id)
    session.execute(counted.values(quota_envelopes=envelopes, quota_bytes=envelope_bytes))


def add_token(
    session: Session,
    *,
    token_hash: bytes,
    enumerator: str,
    team: str,
    role: str,
    now: datetime,
    expires_at: datetime,
    project_id: int = FIRST_PROJECT,
) -> None:
    """Store the hash of a new enrolment token."""
    session.add(
        EnrolmentToken(
            token_hash=token_hash,
            enumerator=enumerator,
            team=team,
            role=role,
            created_at=now,
            expires_at=expires_at,
            used_at=None,
            device_id=None,
            project_id=project_id,
        )
    )


def token_for_use(session: Session, token_hash: bytes) -> StoredToken | None:
    """Return an enrolment token, locked until the commit: two devices cannot both use it."""
    found = session.scalar(select(EnrolmentToken).where(EnrolmentToken.token_hash == token_hash).with_for_update())
    if found is None:
        return None
    return StoredToken(
        enumerator=found.enumerator,
        team=found.team,
        role=found.role,
        expires_at=found.expires_at,
        used_at=found.used_at,
        device_id=found.device_id,
        project_id=found.project_id,
    )


def expire_tokens(session: Session) -> None:
    """Let no enrolment token that has not let in a device do so any more, whatever clocks say."""
    expired = update(EnrolmentToken).where(EnrolmentToken.used_at.is_(None))
    session.execute(expired.values(expires_at=EnrolmentToken.created_at))


def use_token(session: Session, *, token_hash: bytes, device_id: str, now: datetime) -> None:
    """Set whom a token let in."""
    used = update(EnrolmentToken).where(EnrolmentToken.token_hash == token_hash)
    session.execute(used.values(used_at=now, device_id=device_id))


def add_app_user(
    session: Session,
    *,
    token_hash: bytes,
    name: str,
    project_id: int,
    enumerator: str,
    team: str,
    mode: str,
    language: str,
    now: datetime,
) -> int:
    """Store a new app user with the hash of the token, and return its number."""
    added = AppUser(
        token_hash=token_hash,
        name=name,
        project_id=project_id,
        enumerator=enumerator,
        team=team,
        mode=mode,
        language=language,
        created_at=now,
    )
    session.add(added)
    session.flush()
    return added.app_user_id


def app_user_by_name(session: Session, name: str) -> StoredAppUser | None:
    """Return the app user of a name, revoked or not."""
    found = session.scalar(select(AppUser).where(AppUser.name == name))
    return None if found is None else _stored_app_user(found)


def app_users(session: Session) -> list[StoredAppUser]:
    """Return all app users by name."""
    return [_stored_app_user(found) for found in session.scalars(select(AppUser).order_by(AppUser.name))]


def revoke_app_user(session: Session, *, name: str, now: datetime) -> bool:
    """Revoke an app user; return whether the token was valid until now."""
    revoked = update(AppUser).where(AppUser.name == name, AppUser.revoked_at.is_(None)).values(revoked_at=now)
    return session.execute(revoked.returning(AppUser.name)).first() is not None


def _stored_device(found: Device) -> StoredDevice:
    return StoredDevice(
        device_id=found.device_id,
        certificate_hash=found.certificate_hash,
        signing_key=found.signing_key,
        receiving_key=found.receiving_key,
        enumerator=found.enumerator,
        team=found.team,
        role=found.role,
        counter=found.counter,
        enrolled_at=found.enrolled_at,
        revoked_at=found.revoked_at,
        last_seen_at=found.last_seen_at,
        project_id=found.project_id,
        backlog=found.backlog,
        clock_offset_seconds=found.clock_offset_seconds,
        keyring_serial=found.keyring_serial,
        wipe_position=found.wipe_position,
    )


def _stored_app_user(found: AppUser) -> StoredAppUser:
    return StoredAppUser(**{name: getattr(found, name) for name in StoredAppUser.__dataclass_fields__})
