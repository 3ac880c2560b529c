"""How the app proves who it is: nothing until it is asked, then Digest (RFC 7616), or Basic over TLS only."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

_HASHES: Final = {"MD5": "md5", "SHA-256": "sha256"}
_CHALLENGE: Final = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@dataclass(slots=True)
class Credentials:
    """A name and a password; once a challenge was answered, every request carries the proof unasked."""

    username: str
    password: str
    _digest: dict[str, str] = field(default_factory=dict)
    _is_basic: bool = False
    _count: int = 0

    def take(self, challenges: list[str], *, scheme: str, sent: str) -> bool:
        """Take the first challenge that the app can answer; return whether it is worth asking again.

        Args:
            challenges: values of WWW-Authenticate, in order.
            scheme: http or https.
            sent: the Authorization header of the refused request, empty if it had none.
        """
        for challenge in challenges:
            kind, _, rest = challenge.strip().partition(" ")
            if kind.lower() == "digest":
                found = {name.lower(): quoted or plain for name, quoted, plain in _CHALLENGE.findall(rest)}
                if sent.startswith("Digest") and found.get("stale", "").lower() != "true":
                    return False
                self._digest, self._count = found, 0
                return found.get("algorithm", "MD5").upper() in _HASHES
            if kind.lower() == "basic" and scheme == "https":
                self._is_basic = True
                return not sent
        return False

    def header(self, method: str, target: str) -> str:
        """Return the Authorization header of a request to a path with its query; empty before the first challenge."""
        if self._digest:
            return self._digest_header(method, target)
        if self._is_basic:
            return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return ""

    def _digest_header(self, method: str, target: str) -> str:
        challenge = self._digest
        self._count += 1
        algorithm = challenge.get("algorithm", "MD5")
        count, own = f"{self._count:08x}", secrets.token_hex(8)

        def digest(text: str) -> str:
            return hashlib.new(_HASHES[algorithm.upper()], text.encode(), usedforsecurity=False).hexdigest()

        secret = digest(f"{self.username}:{challenge['realm']}:{self.password}")
        asked = digest(f"{method}:{target}")
        proof = digest(f"{secret}:{challenge['nonce']}:{count}:{own}:auth:{asked}")
        opaque = f', opaque="{challenge["opaque"]}"' if "opaque" in challenge else ""
        return (
            f'Digest username="{_quoted(self.username)}", realm="{challenge["realm"]}", nonce="{challenge["nonce"]}", '
            f'uri="{target}", response="{proof}", qop=auth, nc={count}, cnonce="{own}", algorithm={algorithm}{opaque}'
        )
