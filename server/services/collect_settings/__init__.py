"""Settings codes for ODK Collect: a fresh access for an app user and what the office wants of its tablet, in one.

Tokens and passwords are kept in forms that nobody can show again, so each code makes the only access there is: what was
there before stops.
"""

from server.services.collect_settings.access import Reach, give_access
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
    usual_wishes,
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
    "give_access",
    "payload",
    "png",
    "qr_code",
    "svg",
    "usual_wishes",
    "write_settings",
]
