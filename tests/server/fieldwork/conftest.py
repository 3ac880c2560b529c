from pathlib import Path

import pytest

from server.keystore import KeyStore
from tests.office import NOW


@pytest.fixture(scope="session")
def locked_keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locked-office")
    KeyStore.create(folder / "keys", "a passphrase", folder / "root.pem", now=NOW)
    return folder / "keys"


@pytest.fixture
def locked_keystore(locked_keys_dir: Path) -> KeyStore:
    """A key store that waits for its passphrase."""
    return KeyStore.open(locked_keys_dir, None)
