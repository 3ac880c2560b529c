"""Tokens for the programs of the office: shown once, kept as hashes, named by the first digits of their hash."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import accounts, audit
from server.db.queries.accounts import PUBLIC_HEX, StoredApiToken, StoredUser
from server.errors import BadRequest, NotFound

TOKEN_BYTES: Final = 32
LONGEST_LABEL: Final = 200


def issue_token(
    session: Session,
    *,
    name: str,
    actor: str,
    now: datetime,
    label: str = "",
    expires_at: datetime | None = None,
    randomness: Callable[[int], str] = secrets.token_urlsafe,
) -> str:
    """Make a token for a person and return it; only its hash is kept.

    Args:
        session: of the transaction.
        name: whose.
        actor: who makes it.
        now: when.
        label: what it is for.
        expires_at: when it stops; None for never.
        randomness: of that many bytes, as text.

    Raises:
        NotFound: no such user.
        BadRequest: a label that is too long, or an end that is past.
    """
    user = _known(session, name)
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise BadRequest(f"A label has at most {LONGEST_LABEL} characters.")
    if expires_at is not None and expires_at <= now:
        raise BadRequest("The token would be over before it begins: give a later day.")
    token = randomness(TOKEN_BYTES)
    digest = token_hash(token)
    accounts.add_token(session, user_id=user.user_id, token_hash=digest, now=now, label=label, expires_at=expires_at)
    _audit(session, action="issue-token", actor=actor, name=name, token_id=digest.hex()[:PUBLIC_HEX], now=now)
    return token


def list_tokens(session: Session, *, name: str) -> Sequence[StoredApiToken]:
    """Return the tokens of a person, revoked ones too, the oldest first.

    Raises:
        NotFound: no such user.
    """
    return accounts.tokens(session, _known(session, name).user_id)


def revoke_token(session: Session, *, name: str, token_id: str, actor: str, now: datetime) -> None:
    """Revoke one token at once.

    Raises:
        NotFound: the person has no such token, or has it no more.
    """
    user = _known(session, name)
    if not accounts.revoke_token(session, user_id=user.user_id, token_id=_prefix(token_id), now=now):
        raise NotFound(f"“{name}” has no valid token {token_id[:PUBLIC_HEX]}.")
    _audit(session, action="revoke-token", actor=actor, name=name, token_id=token_id[:PUBLIC_HEX], now=now)


def revoke_tokens(session: Session, *, name: str, actor: str, now: datetime) -> int:
    """Revoke every token of a person and return how many there were.

    Raises:
        NotFound: no such user.
    """
    count = accounts.revoke_tokens(session, user_id=_known(session, name).user_id, now=now)
    audit.write(session, at=now, actor=actor, action="revoke-tokens", subject=name, detail=str(count))
    return count


def token_hash(token: str) -> bytes:
    """Return the SHA-256 of a token: what the server keeps of it, (32,)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _known(session: Session, name: str) -> StoredUser:
    user = accounts.user_by_name(session, name)
    if user is None:
        raise NotFound(f"There is no user “{name}”; `passerelle user list` shows who there is.")
    return user


def _prefix(token_id: str) -> bytes:
    try:
        prefix = bytes.fromhex(token_id)
    except ValueError:
        prefix = b""
    if len(prefix) != PUBLIC_HEX // 2:
        raise NotFound(f"A token is named by the {PUBLIC_HEX} hexadecimal digits that the list shows.")
    return prefix


def _audit(session: Session, *, action: str, actor: str, name: str, token_id: str, now: datetime) -> None:
    audit.write(session, at=now, actor=actor, action=action, subject=name, detail=token_id)
