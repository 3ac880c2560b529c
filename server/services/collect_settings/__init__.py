"""Settings codes for ODK Collect: a fresh access for an app user and what the office wants of its tablet, in one.

Tokens and passwords are kept in forms that nobody can show again, so each code makes the only access there is: what was
there before stops.
"""

from server.services.collect_settings.access import Reach, find_app_user, give_access, project_name
from server.services.collect_settings.document import (
    AUTOSEND,
    CONSTRAINTS,
    IMAGE_SIZES,
    LOCKED,
    RULES,
    UPDATE_CHECKS,
    UPDATE_MODES,
    Settings,
    Wishes,
    payload,
    png,
    qr_code,
    svg,
    write_settings,
)

__all__ = [
    "AUTOSEND",
    "CONSTRAINTS",
    "IMAGE_SIZES",
    "LOCKED",
    "RULES",
    "UPDATE_CHECKS",
    "UPDATE_MODES",
    "Reach",
    "Settings",
    "Wishes",
    "find_app_user",
    "give_access",
    "payload",
    "png",
    "project_name",
    "qr_code",
    "svg",
    "write_settings",
]
