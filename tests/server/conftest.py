import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.mixed import Mixed, opened


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, keys_dir: Path) -> Path:
    """The data folder of an office with a mixed intake, to be copied: filling it takes longer than a test."""
    folder = tmp_path_factory.mktemp("filled") / "data"
    folder.mkdir()
    shutil.copyfile(migrated_file, folder / "passerelle.db")
    with opened(folder, keys_dir) as mixed:
        mixed.fill()
    return folder


@pytest.fixture
def mixed(filled: Path, keys_dir: Path, tmp_path: Path) -> Iterator[Mixed]:
    """An office with a mixed intake and six people, on SQLite."""
    shutil.copytree(filled, tmp_path / "data")
    with opened(tmp_path / "data", keys_dir) as found:
        yield found
