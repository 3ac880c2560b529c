"""The office's view of its tablets: who has which, what each still has to send, and what is ordered of it."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import segno
from sqlalchemy.orm import Session

from server.db.queries import audit, devices, proposals, set_aside
from server.db.queries.devices import StoredDevice
from server.db.scope import EVERYTHING, Scope
from server.errors import NotFound
from sync_protocol.messages import Backlog

WIPE: Final = "wipe"
_MEMBERS: Final = frozenset(Backlog.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A tablet as the office sees it.

    Attributes:
        backlog: what it still had to send at its last exchange; None before the first.
        set_aside: envelopes that came after its revocation and wait for a person.
        wipe: empty | proposed | ordered.
        has_old_keys: it had another keyring than the newest when it was last here.
    """

    device: StoredDevice
    backlog: Backlog | None
    set_aside: int
    wipe: str
    has_old_keys: bool

    @property
    def has_sent_all(self) -> bool | None:
        """Nothing waited on it at its last exchange; None when nobody knows."""
        if self.backlog is None:
            return None
        return not (self.backlog.envelopes or self.backlog.media or self.backlog.unsealed)

    def members(self) -> dict[str, Any]:
        """Return what programs are told, as JSON knows it."""
        one = self.device
        moments = {"enrolled_at": one.enrolled_at, "last_seen_at": one.last_seen_at, "revoked_at": one.revoked_at}
        return {
            "device_id": one.device_id,
            "project_id": one.project_id,
            "enumerator": one.enumerator,
            "team": one.team,
            "role": one.role,
            **{name: None if moment is None else moment.isoformat() for name, moment in moments.items()},
            "backlog": None if self.backlog is None else {name: getattr(self.backlog, name) for name in _ORDER},
            "clock_offset_seconds": one.clock_offset_seconds,
            "keyring_serial": one.keyring_serial,
            "has_old_keys": self.has_old_keys,
            "set_aside": self.set_aside,
            "wipe": self.wipe or None,
        }


_ORDER: Final = tuple(Backlog.__dataclass_fields__)


def list_devices(session: Session, *, keyring_serial: int, scope: Scope = EVERYTHING) -> Sequence[DeviceView]:
    """Return the tablets of a scope: those in use first, by team and enumerator."""
    found = devices.devices(session, scope)
    late = set_aside.set_aside_by_device(session, scope)
    proposed = proposals.open_subjects(session, WIPE)
    views = [
        DeviceView(
            device=one,
            backlog=read_backlog(one.backlog),
            set_aside=late.get(one.device_id, 0),
            wipe="ordered" if one.wipe_position is not None else "proposed" if one.device_id in proposed else "",
            has_old_keys=one.last_seen_at is not None and 0 < one.keyring_serial < keyring_serial,
        )
        for one in found
    ]
    return tuple(sorted(views, key=lambda view: (view.device.revoked_at is not None, *_place(view.device))))


def show_device(session: Session, device_id: str, *, keyring_serial: int = 0, scope: Scope = EVERYTHING) -> DeviceView:
    """Return one tablet.

    Raises:
        NotFound: there is none that this person sees.
    """
    for view in list_devices(session, keyring_serial=keyring_serial, scope=scope):
        if view.device.device_id == device_id:
            return view
    raise NotFound(f"there is no tablet {device_id} in your projects; `passerelle device list` shows who there is")


def release_set_aside(session: Session, *, device_id: str, user: str, now: datetime, scope: Scope = EVERYTHING) -> int:
    """Let all be opened that came after the revocation of a tablet, of what a scope sees; return how many envelopes.

    Whoever does it says that a person of the office held the tablet, and no thief.

    Raises:
        NotFound: nothing is set aside.
    """
    count = set_aside.release_of_device(session, device_id, scope)
    if not count:
        raise NotFound(f"nothing that came after the revocation of {device_id} is set aside")
    audit.write(session, at=now, actor=user, action="release-of-device", subject=device_id, detail=str(count))
    return count


def read_backlog(text: str) -> Backlog | None:
    """Read what a tablet said it still has to send, None where it said nothing that can be read."""
    try:
        members = json.loads(text) if text else None
    except ValueError:
        return None
    if not isinstance(members, dict):
        return None
    return Backlog(**{name: value for name, value in members.items() if name in _MEMBERS and type(value) is int})


def link_svg(link: str) -> bytes:
    """Return the QR code of an enrolment link as an SVG picture."""
    out = io.BytesIO()
    segno.make(link, error="m", micro=False).save(out, kind="svg", scale=6, border=4)
    return out.getvalue()


def _place(device: StoredDevice) -> tuple[str, str, str]:
    return device.team, device.enumerator, device.device_id
