"""Settings of ODK Collect as it scans them: JSON in Collect's own words, deflated, in base64, as a QR code.

Collect takes a document with `general` and `admin`, puts every key that is left out back to its own default, passes
over a wrong choice without a word and refuses a wrong type. So nothing is written here that `RULES` does not know; they
are those of `client-settings.schema.json` in getodk/collect, for the keys that an office has a use for.
"""

import base64
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import segno
from sqlalchemy.orm import Session

from server.db.queries import projects
from server.db.queries.devices import StoredAppUser
from server.errors import BadRequest
from server.services.collect_settings.access import Reach

Settings = Mapping[str, Mapping[str, Any]]
"""A document: `general` and `admin`, and `project`."""

UPDATE_MODES: Final = ("manual", "previously_downloaded", "match_exactly")
UPDATE_CHECKS: Final = ("every_fifteen_minutes", "every_one_hour", "every_six_hours", "every_24_hours")
AUTOSEND: Final = ("off", "wifi_only", "cellular_only", "wifi_and_cellular")
IMAGE_SIZES: Final = ("original_image_size", "large", "medium", "small", "very_small")
CONSTRAINTS: Final = ("on_swipe", "on_finalize")

LOCKED: Final = (
    "change_server",
    "change_project_display",
    "form_update_mode",
    "periodic_form_updates_check",
    "automatic_update",
    "hide_old_form_versions",
    "change_autosend",
    "delete_after_send",
    "delete_saved",
    "change_constraint_behavior",
    "high_resolution",
    "image_size",
    "external_app_recording",
    "instance_form_sync",
    "change_form_metadata",
    "analytics",
)
"""What an enumerator cannot touch on a locked tablet; language, letter size, drafts and sending stay open."""

RULES: Final[Mapping[str, Mapping[str, type | tuple[str, ...]]]] = {
    "project": {"name": str, "icon": str, "color": str},
    "general": {
        "server_url": str,
        "username": str,
        "password": str,
        "form_update_mode": UPDATE_MODES,
        "periodic_form_updates_check": UPDATE_CHECKS,
        "automatic_update": bool,
        "autosend": AUTOSEND,
        "delete_send": bool,
        "constraint_behavior": CONSTRAINTS,
        "image_size": IMAGE_SIZES,
        "app_language": str,
        "metadata_username": str,
    },
    "admin": {"admin_pw": str, **dict.fromkeys(LOCKED, bool)},
}
"""By section and key: its type, or the words that it may be."""

COLOUR: Final = "#3e5c76"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the office wants of a tablet; None leaves Collect's own default.

    Attributes:
        project_name: shown in Collect beside its icon, one character or emoji, on its colour, `#rrggbb`.
        language: of Collect itself, as BCP 47 writes it; empty for the tablet's.
        enumerator: written into forms that ask for the metadata `username`.
        is_locked: what `LOCKED` names is out of reach without the administrator's password.
    """

    project_name: str
    project_icon: str = ""
    project_colour: str = COLOUR
    form_update_mode: str = "match_exactly"
    update_check: str = "every_one_hour"
    autosend: str = "wifi_and_cellular"
    is_deleted_when_sent: bool = False
    image_size: str | None = None
    constraint_behavior: str | None = None
    language: str = ""
    enumerator: str = ""
    admin_password: str = ""
    is_locked: bool = False


def usual_wishes(session: Session, app_user: StoredAppUser, asked: Mapping[str, Any]) -> Wishes:
    """Return what is asked for, and for the rest what the app user and its project say.

    Raises:
        BadRequest: a wish that is not known.
    """
    if not asked.keys() <= Wishes.__dataclass_fields__.keys():
        raise BadRequest(f"these are known: {', '.join(Wishes.__dataclass_fields__)}")
    project = projects.project(session, app_user.project_id)
    usual = {
        "project_name": "" if project is None else project.name,
        "language": app_user.language,
        "enumerator": app_user.enumerator,
    }
    return Wishes(**{**usual, **asked})


def write_settings(reach: Reach, wishes: Wishes) -> Settings:
    """Write the settings of a tablet.

    Raises:
        BadRequest: a word that Collect does not know, or a lock without a password.
    """
    if wishes.is_locked and not wishes.admin_password:
        raise BadRequest("a locked tablet needs a password of the administrator: without one anybody opens the lock")
    icon = wishes.project_icon or str(wishes.project_name)[:1]
    general: dict[str, Any] = {
        "server_url": reach.server_url,
        "username": reach.username,
        "password": reach.password,
        "form_update_mode": wishes.form_update_mode,
        "periodic_form_updates_check": wishes.update_check,
        "automatic_update": True,
        "autosend": wishes.autosend,
        "delete_send": wishes.is_deleted_when_sent,
        "image_size": wishes.image_size,
        "constraint_behavior": wishes.constraint_behavior,
        "app_language": wishes.language,
        "metadata_username": wishes.enumerator,
    }
    admin = dict.fromkeys(LOCKED, False) if wishes.is_locked else {}
    settings = {
        "project": {"name": wishes.project_name, "icon": icon, "color": wishes.project_colour},
        "general": {key: value for key, value in general.items() if value not in (None, "")},
        "admin": admin | ({"admin_pw": wishes.admin_password} if wishes.admin_password else {}),
    }
    _check(settings)
    return settings


def payload(settings: Settings) -> str:
    """Return what the QR code says: base64 of the deflated JSON, in one line."""
    text = json.dumps(settings, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")


def qr_code(settings: Settings) -> segno.QRCode:
    """Return the QR code that Collect scans."""
    return segno.make(payload(settings), error="m", micro=False)


def png(settings: Settings) -> bytes:
    """Return the QR code as a PNG picture."""
    return _drawn(settings, "png")


def svg(settings: Settings) -> bytes:
    """Return the QR code as an SVG picture."""
    return _drawn(settings, "svg")


def _drawn(settings: Settings, kind: str) -> bytes:
    out = io.BytesIO()
    qr_code(settings).save(out, kind=kind, scale=6, border=4)
    return out.getvalue()


def _check(settings: Settings) -> None:
    """Hold a document against `RULES`.

    Raises:
        BadRequest: naming the first key that does not fit, and what would.
    """
    for section, members in settings.items():
        for key, value in members.items():
            rule = RULES[section][key]
            if isinstance(rule, tuple) and value not in rule:
                raise BadRequest(f"{key} is one of {', '.join(rule)}, not {value!r}")
            if isinstance(rule, type) and type(value) is not rule:
                raise BadRequest(f"{key} must be {'yes or no' if rule is bool else 'a text'}, not {value!r}")
