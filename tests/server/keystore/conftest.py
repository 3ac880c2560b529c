from pathlib import Path

import pytest

from server.keystore import KeyStore


@pytest.fixture(scope="session")
def shared_keystore(keys_dir: Path) -> KeyStore:
    """One for all examples of a property."""
    return KeyStore.open(keys_dir, None)
