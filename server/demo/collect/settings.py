"""The app's settings, typed in or scanned from a QR code."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass

from server.demo.collect.connection import CollectError


@dataclass(frozen=True, slots=True)
class Settings:
    """What the app needs to know of a server.

    Attributes:
        server_url: holds the token of an app user, or none beside a username.
        deletes_sent: delete a form from the tablet once it is sent.
        matches_exactly: have on the tablet what the form list has, no more and no less.
    """

    server_url: str
    username: str = ""
    password: str = ""
    deletes_sent: bool = False
    matches_exactly: bool = False

    @classmethod
    def scan(cls, payload: str) -> Settings:
        """Read the payload of a QR code; keys that it leaves out are reset to the app's defaults.

        Raises:
            CollectError: it is none of the app's settings.
        """
        try:
            document = json.loads(zlib.decompress(base64.b64decode(payload, validate=True)).decode())
            general, _ = document["general"], document["admin"]
            return cls(
                server_url=str(general["server_url"]),
                username=str(general.get("username", "")),
                password=str(general.get("password", "")),
                deletes_sent=bool(general.get("delete_send", False)),
                matches_exactly=general.get("form_update_mode") == "match_exactly",
            )
        except (ValueError, KeyError, TypeError, AttributeError, zlib.error):
            raise CollectError("invalid settings") from None
