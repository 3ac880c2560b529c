"""Tokens in forms, so that no page of another site can send one for a logged-in person."""

import hmac
import secrets
from typing import Final

from flask import session

MEMBER: Final = "form_token"
TOKEN_BYTES: Final = 16


def form_token() -> str:
    """Return the token of this session, made at the first form."""
    if not isinstance(session.get(MEMBER), str):
        session[MEMBER] = secrets.token_urlsafe(TOKEN_BYTES)
    token: str = session[MEMBER]
    return token


def is_ours(token: str) -> bool:
    """Tell whether a form came with the token of its session."""
    expected = session.get(MEMBER)
    return isinstance(expected, str) and hmac.compare_digest(expected.encode(), token.encode())
