"""The sweep of blobs that nobody names, against a tablet that sends the last part of one again."""

import hashlib
import os
from collections.abc import Sequence

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from server.context import Context
from server.db.queries import uploads
from server.jobs import scheduled
from tests.office import NOW, Tablet

MEDIUM = bytes(range(250)) * 20


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_stray_stays_when_its_tablet_comes_back_before_it_is_removed(
    sqlite_context: Context, sqlite_client: FlaskClient, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    tablet = Tablet(sqlite_context, sqlite_client).enrol()
    sha256 = hashlib.sha256(MEDIUM).digest()
    with sqlite_context.blobs.incoming() as incoming:  # the server died between the file and its row
        incoming.write(MEDIUM)
        incoming.keep(sha256)
    os.utime(sqlite_context.config.blobs_dir / sha256.hex()[:2] / sha256.hex()[2:], (0, 0))
    looks, unnamed_blobs = 0, uploads.unnamed_blobs

    def look(session: Session, digests: Sequence[bytes]) -> Sequence[bytes]:
        nonlocal looks
        found = tuple(unnamed_blobs(session, digests))
        looks += 1
        if looks == 1 and comes_back:
            tablet.upload(MEDIUM)
        return found

    monkeypatch.setattr(uploads, "unnamed_blobs", look)
    scheduled._sweep_blobs(sqlite_context, None, NOW)  # type: ignore[arg-type]
    assert (looks, sqlite_context.blobs.has(sha256)) == (2, comes_back)
