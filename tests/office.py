"""An office for tests: links, accounts, and what carries a device's requests to an app in this process."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from flask.testing import FlaskClient

from server.context import Context
from server.db.queries import accounts, devices
from server.services import enrol_device
from sync_protocol.client.transport import Answer
from sync_protocol.enrolment import EnrolmentLink, token_hash

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
BASE_URL = "http://localhost"


@dataclass
class ClientTransport:
    """Carries a device's requests to an app in this process."""

    client: FlaskClient
    answers: list[Answer] = field(default_factory=list)

    def send(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        response = self.client.open(path, method=method, headers=dict(headers), data=body)
        self.answers.append(Answer(response.status_code, dict(response.headers), response.get_data()))
        return self.answers[-1]

    def close(self) -> None:
        return None


def enrolment_link(context: Context, enumerator: str = "0001", *, role: str = "enumerator") -> EnrolmentLink:
    """Return a fresh link of this office."""
    with context.database.transaction() as session:
        token = enrol_device.issue_token(
            session, enumerator=enumerator, role=role, user="manager", now=datetime.now(UTC)
        )
    return EnrolmentLink(base_url=BASE_URL, token=token, root_key=context.keystore.root_key)


def bearer(context: Context, role: str) -> dict[str, str]:
    """Make a user of a role and return the header that lets it in."""
    token = f"token-of-{role}"
    with context.database.transaction() as session:
        user_id = accounts.add_user(session, name=role, role=role, password_hash=None, now=NOW)
        accounts.add_token(session, user_id=user_id, token_hash=token_hash(token), now=NOW)
    return {"Authorization": f"Bearer {token}"}


def revoke(context: Context, device_id: str, *, at: datetime = NOW + timedelta(hours=1)) -> None:
    """Revoke a device."""
    with context.database.transaction() as session:
        assert devices.revoke_device(session, device_id=device_id, now=at)
