"""HTTP authentication of tablets: Digest (RFC 7616) on any line, Basic (RFC 7617) on an encrypted one only.

Nothing is remembered between requests but the names that failed too often: a nonce carries its time and our tag, and
is good for an hour. See docs/adr/0019-digest-and-basic.md.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import unquote_to_bytes

from werkzeug.datastructures import Authorization

from server.keystore import DigestSecret, TabletSecrets
from server.keystore.tablets import REALM

NONCE_SECONDS: Final = 3600
"""Collect asks with HEAD before it sends, so that no photo is sent in vain for a nonce that has become old."""
ALGORITHMS: Final = {"MD5": "md5", "SHA-256": "sha256"}
_COUNT: Final = re.compile(r"[0-9a-fA-F]{8}")


class Verdict(Enum):
    """What a proof is worth."""

    RIGHT = "right"
    STALE = "stale"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Asked:
    """What Digest binds a proof to: the method and the address, its path decoded and its query as it came."""

    method: str
    path: str
    query: bytes


def challenges(secrets: TabletSecrets, *, now: int, is_encrypted: bool, is_stale: bool = False) -> list[str]:
    """Return the values of the WWW-Authenticate headers, one each: OkHttp takes the first one that it can answer."""
    nonce, stale = secrets.nonce(now), ", stale=true" if is_stale else ""
    offered = [
        f'Digest realm="{REALM}", qop="auth", algorithm={algorithm}, nonce="{nonce}"{stale}'
        for algorithm in ("SHA-256", "MD5")
    ]
    return [*offered, f'Basic realm="{REALM}", charset="UTF-8"'] if is_encrypted else offered


def username_of(given: Authorization | None, *, is_encrypted: bool) -> str | None:
    """Return the name that is claimed; None when no proof is given in a way that counts here."""
    if given is None or not (given.type == "digest" or (given.type == "basic" and is_encrypted)):
        return None
    username = given.parameters.get("username") if given.parameters else None
    return username if isinstance(username, str) and username.isascii() and username else None


def verdict(given: Authorization, secret: DigestSecret, *, asked: Asked, secrets: TabletSecrets, now: int) -> Verdict:
    """Hold a proof against what is kept of the password; compares in constant time."""
    members = {name: value or "" for name, value in given.parameters.items()}
    if given.type == "basic":
        proof = DigestSecret.of(members["username"], members.get("password", ""))
        return Verdict.RIGHT if hmac.compare_digest(proof.sha256, secret.sha256) else Verdict.WRONG
    if not _is_digest_right(members, secret, asked):
        return Verdict.WRONG
    age = secrets.nonce_age(members["nonce"], now)
    # A right answer to a nonce that is not ours: of keys before a restore. The tablet may answer a new one.
    return Verdict.RIGHT if age is not None and -NONCE_SECONDS < age <= NONCE_SECONDS else Verdict.STALE


def digest_response(algorithm: str, first: str, *, method: str, uri: str, nonce: str, count: str, cnonce: str) -> str:
    """Return `response` as section 3.4.1 makes it with qop=auth, of H(A1) in hexadecimal."""
    second = _hash(algorithm, f"{method}:{uri}")
    return _hash(algorithm, f"{first}:{nonce}:{count}:{cnonce}:auth:{second}")


def _is_digest_right(members: Mapping[str, str], secret: DigestSecret, asked: Asked) -> bool:
    """Check a proof; without `qop` and a count none counts."""
    algorithm = ALGORITHMS.get(members.get("algorithm", "MD5").upper())
    uri, count = members.get("uri", ""), members.get("nc", "")
    fits = members.get("qop") == "auth" and members.get("realm") == REALM and _COUNT.fullmatch(count) is not None
    if algorithm is None or not fits or not _is_same_address(uri, asked):
        return False
    expected = digest_response(
        algorithm,
        secret.md5 if algorithm == "md5" else secret.sha256,
        method=asked.method,
        uri=uri,
        nonce=members.get("nonce", ""),
        count=count,
        cnonce=members.get("cnonce", ""),
    )
    return hmac.compare_digest(expected.encode(), members.get("response", "").lower().encode("utf-8", "replace"))


def _is_same_address(uri: str, asked: Asked) -> bool:
    """Compare as section 3.4.6 asks for: a proxy between may have written the same path otherwise."""
    path, _, query = uri.partition("?")
    return unquote_to_bytes(path) == asked.path.encode() and query.encode("utf-8", "replace") == asked.query


def _hash(algorithm: str, text: str) -> str:
    return hashlib.new(algorithm, text.encode("latin-1", "replace"), usedforsecurity=False).hexdigest()
