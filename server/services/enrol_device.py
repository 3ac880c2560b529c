"""Let tablets with our own client in, and shut them out: tokens are shown once, and only their hashes are kept."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy.orm import Session

from server.db.queries import audit, devices, projects, reopening
from server.db.queries.devices import StoredDevice, StoredToken
from server.db.tables.accounts import FIRST_PROJECT
from server.errors import BadRequest, Conflict, NotFound, TokenInvalid
from sync_protocol.documents import DeviceCertificate, document_hash, key_id
from sync_protocol.enrolment import token_hash
from sync_protocol.keyring import Keyring
from sync_protocol.messages import EnrolRequest

TOKEN_BYTES: Final = 24
VALID: Final = timedelta(days=14)
DEVICE_ROLES: Final = ("enumerator", "supervisor")


class Issuer(Protocol):
    """What signs device certificates, and the keyring that names its keys."""

    @property
    def keyring(self) -> Keyring:
        """Return the newest keyring."""
        ...

    def issue_certificate(self, certificate: DeviceCertificate) -> bytes:
        """Return the signed document."""
        ...


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A device is known: its id and its certificate."""

    device_id: str
    certificate: bytes


def issue_token(
    session: Session,
    *,
    enumerator: str,
    user: str,
    now: datetime,
    team: str = "",
    role: str = "enumerator",
    project_id: int = FIRST_PROJECT,
    randomness: Callable[[int], str] = secrets.token_urlsafe,
) -> str:
    """Make a single-use token for one device of a project and return it; it is valid for 14 days.

    Raises:
        BadRequest: for a role that devices do not have, no enumerator, or names that are too long.
        Conflict: the project is archived.
    """
    if role not in DEVICE_ROLES:
        raise BadRequest(f"a device is of an {' or a '.join(DEVICE_ROLES)}, not of a {role}")
    if projects.is_archived(session, project_id):
        raise Conflict("the project is archived: no tablet is let in")
    if not enumerator.strip():
        raise BadRequest("say which enumerator will use the tablet: give the code")
    _check_names(enumerator=enumerator, team=team)
    token = randomness(TOKEN_BYTES)
    devices.add_token(
        session,
        token_hash=token_hash(token),
        enumerator=enumerator,
        team=team,
        role=role,
        now=now,
        expires_at=now + VALID,
        project_id=project_id,
    )
    audit.write(session, at=now, actor=user, action="issue-enrolment", subject=enumerator, detail=role)
    return token


def enrol(session: Session, request: EnrolRequest, *, issuer: Issuer, now: datetime) -> Enrolment:
    """Enrol a device whose proof of possession has been verified.

    The same token with the same key again returns the same certificate: the answer may have been lost.

    Raises:
        TokenInvalid: for a token that is unknown, used by another device, or over its time.
    """
    digest = token_hash(request.token)
    token = devices.token_for_use(session, digest)
    device_id = key_id(request.signing_key)
    if token is None:
        raise TokenInvalid("this code is not known here")
    if token.used_at is not None:
        return _again(session, token, request)
    if now > token.expires_at:
        raise TokenInvalid(f"this code was valid until {token.expires_at:%Y-%m-%d}")
    if devices.device(session, device_id) is not None:
        raise TokenInvalid("a device with this key is enrolled already: a device makes new keys for each enrolment")
    certificate = DeviceCertificate(
        device_id=device_id,
        signing_key=request.signing_key,
        receiving_key=request.receiving_key,
        role=token.role,
        enumerator=token.enumerator,
        team=token.team,
        issued_at=now.isoformat(timespec="seconds"),
    )
    document = issuer.issue_certificate(certificate)
    _keep(session, certificate, document, project_id=token.project_id, now=now)
    devices.use_token(session, token_hash=digest, device_id=device_id, now=now)
    audit.write(session, at=now, actor=device_id, action="enrol-device", subject=token.enumerator, detail=token.role)
    return Enrolment(device_id, document)


def admit_again(session: Session, request: EnrolRequest, *, issuer: Issuer, now: datetime) -> Enrolment:
    """Make a device known again that this office has enrolled and forgot: it was restored from an older backup.

    Its certificate is the office's own word. Of what the backup does not know, the project is guessed: that of the
    enumerator's other devices and codes. What waits for the certificate is opened again.

    Raises:
        LocalError: ``signature-invalid``, ``malformed``: no issuer key of the keyring has signed the certificate.
        TokenInvalid: it is revoked, or of other keys than the request.
    """
    document = request.certificate or b""
    certificate = DeviceCertificate.read(document, issuer.keyring.issuer_keys)
    keys = (certificate.signing_key, certificate.receiving_key)
    if keys != (request.signing_key, request.receiving_key) or certificate.device_id != key_id(request.signing_key):
        raise TokenInvalid("the certificate is of other keys than the request")
    device = devices.device(session, certificate.device_id)
    if document_hash(document) in issuer.keyring.revocations or (device is not None and device.revoked_at is not None):
        raise TokenInvalid("this device has been revoked")
    if certificate.role not in DEVICE_ROLES:
        raise TokenInvalid(f"a certificate of a {certificate.role} is not a device's")
    if device is not None:
        kept = devices.certificate(session, device.certificate_hash)
        return Enrolment(device.device_id, document if kept is None else kept)
    project_id = devices.project_of_enumerator(session, certificate.enumerator)
    _keep(session, certificate, document, project_id=project_id, now=now)
    reopening.retry_unknown_certificate(session, document_hash(document))
    audit.write(
        session,
        at=now,
        actor=certificate.device_id,
        action="readmit-device",
        subject=certificate.enumerator,
        detail=certificate.role,
    )
    return Enrolment(certificate.device_id, document)


def revoke(session: Session, *, device_id: str, user: str, now: datetime) -> None:
    """Revoke a device: what it brings from now on is kept apart, and it gets nothing.

    Raises:
        NotFound: when there is no such device.
        Conflict: when it was revoked before.
    """
    if devices.device(session, device_id) is None:
        raise NotFound(f"there is no device {device_id}; `passerelle device list` shows who there is")
    if not devices.revoke_device(session, device_id=device_id, now=now):
        raise Conflict(f"device {device_id} is revoked already")
    audit.write(session, at=now, actor=user, action="revoke-device", subject=device_id)


def list_devices(session: Session) -> Sequence[StoredDevice]:
    """Return all devices by id."""
    return devices.devices(session)


def _again(session: Session, token: StoredToken, request: EnrolRequest) -> Enrolment:
    """Return the enrolment of a token that was used, to the device that used it."""
    device = devices.device(session, token.device_id or "")
    keys = None if device is None else (device.signing_key, device.receiving_key)
    if device is None or device.revoked_at is not None or keys != (request.signing_key, request.receiving_key):
        raise TokenInvalid("this code has let in another device; each code lets one in")
    document = devices.certificate(session, device.certificate_hash)
    if document is None:
        raise TokenInvalid("the certificate of this device is gone; ask for a new code")
    return Enrolment(device.device_id, document)


def _keep(session: Session, certificate: DeviceCertificate, document: bytes, *, project_id: int, now: datetime) -> None:
    digest = document_hash(document)
    devices.keep_certificate(
        session, certificate_hash=digest, document=document, device_id=certificate.device_id, now=now
    )
    device = StoredDevice(
        device_id=certificate.device_id,
        certificate_hash=digest,
        signing_key=certificate.signing_key,
        receiving_key=certificate.receiving_key,
        enumerator=certificate.enumerator,
        team=certificate.team,
        role=certificate.role,
        counter=0,
        enrolled_at=now,
        revoked_at=None,
        last_seen_at=None,
        project_id=project_id,
    )
    devices.add_device(session, device)


def _check_names(**names: str) -> None:
    for what, text in names.items():
        if len(text) > 200:
            raise BadRequest(f"the {what} has {len(text)} characters, at most 200 fit")
