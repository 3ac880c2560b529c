"""The app's HTTP cache, as OkHttp keeps one a credential: stored answers are asked about, not asked for again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Cached:
    """A stored answer to a GET."""

    headers: Mapping[str, str]
    body: bytes
    stored_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Say whether it may be used without asking."""
        control = self.headers.get("cache-control", "")
        age = re.search(r"max-age=(\d+)", control)
        if age is None or "no-cache" in control:
            return False
        return (now - self.stored_at).total_seconds() < int(age.group(1))

    def conditions(self) -> dict[str, str]:
        """Return the headers that ask whether it still holds."""
        if "etag" in self.headers:
            return {"If-None-Match": self.headers["etag"]}
        if "last-modified" in self.headers:
            return {"If-Modified-Since": self.headers["last-modified"]}
        return {}


def may_store(headers: Mapping[str, str]) -> bool:
    """Say whether an answer may be stored at all."""
    return "no-store" not in headers.get("cache-control", "") and headers.get("vary", "") != "*"
