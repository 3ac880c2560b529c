"""What one app instance owns, and who may ask it for what."""

from server.context.access import Access, Caller, access_of, anonymous, caller, own_auth, public, roles, rows
from server.context.instance import Context, current

__all__ = [
    "Access",
    "Caller",
    "Context",
    "access_of",
    "anonymous",
    "caller",
    "current",
    "own_auth",
    "public",
    "roles",
    "rows",
]
