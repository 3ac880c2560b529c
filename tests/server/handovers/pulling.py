"""A device that only pulls: it follows its cursor, page by page, and opens what is sealed to it."""

from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from server.context import Context
from server.db.queries.devices import Carrier
from server.services import news
from sync_protocol.documents import key_id
from sync_protocol.entity_rows import EntityRow, open_rows
from sync_protocol.handover import Address, Handover, Kind, open_handover, verify_handover
from sync_protocol.pull_items import (
    DraftPull,
    EntitiesPull,
    PullItem,
    ReturnedPull,
)


@dataclass
class Puller:
    """What an exchange knows of a device, and what the device keeps."""

    context: Context
    device_id: str = "puller"
    enumerator: str = "0001"
    project_id: int = 1
    cursor: str | None = None
    receiving: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    lists: dict[str, dict[str, EntityRow]] = field(default_factory=dict)

    @property
    def carrier(self) -> Carrier:
        public = self.receiving.public_key().public_bytes_raw()
        return Carrier(self.device_id, self.enumerator, public, None, self.project_id)

    def page(self) -> tuple[tuple[PullItem, ...], bool]:
        """Pull once; return what came and whether there is more."""
        with self.context.database.read() as session:
            pulled = news.pull_news(
                session,
                carrier=self.carrier,
                since=self.cursor,
                keystore=self.context.keystore,
                blobs=self.context.blobs,
            )
        self.cursor = pulled.cursor
        for item in pulled.items:
            if isinstance(item, EntitiesPull):
                self._apply(item)
        return pulled.items, pulled.more

    def pull(self) -> list[PullItem]:
        """Pull until there is no more."""
        items: list[PullItem] = []
        for _ in range(1000):
            found, more = self.page()
            items += found
            if not more:
                return items
        raise AssertionError("the server never says that it is done")

    def returned(self) -> list[ReturnedPull]:
        return [item for item in self.pull() if isinstance(item, ReturnedPull)]

    def drafts(self) -> list[DraftPull]:
        return [item for item in self.pull() if isinstance(item, DraftPull)]

    def open(self, item: ReturnedPull | DraftPull) -> Handover:
        """Check and open what was handed over."""
        assert item.sealed is not None
        assert item.sealed_to == key_id(self.receiving.public_key().public_bytes_raw())
        kind: Kind = "returned" if isinstance(item, ReturnedPull) else "draft"
        address = Address(kind, self.device_id, item.instance_id, item.form_version_hash)
        verify_handover(item.sealed, address, decision_keys=self.context.keystore.keyring.decision_keys)
        return open_handover(item.sealed, address, receiving_seed=self.receiving.private_bytes_raw())

    def _apply(self, item: EntitiesPull) -> None:
        seed = self.receiving.private_bytes_raw()
        rows = open_rows(item.sealed, list_name=item.list_name, device_id=self.device_id, receiving_seed=seed)
        kept = self.lists.setdefault(item.list_name, {})
        for row in rows:
            if row.is_gone:
                kept.pop(row.entity_id, None)
            else:
                kept[row.entity_id] = row


def small_pages(patch: pytest.MonkeyPatch, items: int) -> None:
    """Let an answer hold so many items."""
    patch.setattr(news, "PULL_ITEMS", items)
