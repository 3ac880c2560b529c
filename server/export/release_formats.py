"""The estimates of a release in the formats of its door: JSON as written, CSV row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator

from server.export.delimited import write_csv
from server.export.release_content import ESTIMATE_COLUMNS


def estimates_json(content: bytes, release_id: int) -> bytes:
    """Return the content of a release with its number; the same bytes for the same release for ever."""
    document = {"release_id": release_id, **json.loads(content)}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def estimates_csv(content: bytes) -> Iterator[bytes]:
    """Yield the estimates of a release as CSV; figures of hidden ones are empty."""
    estimates = json.loads(content)["estimates"]
    return write_csv(ESTIMATE_COLUMNS, ([one[name] for name in ESTIMATE_COLUMNS] for one in estimates))
