"""Settings have no default secret, and what an instance keeps is what the database says."""

import hashlib
from pathlib import Path

import pytest

from forms.definition import FormDefinition
from server.app import create_app
from server.config import Config, ConfigError
from server.context import Context
from server.context import instance as instances
from server.keystore import KeyStore, KeyStoreError
from server.migrations import upgrade
from tests.office import NOW, Tablet, publish


def test_only_the_data_folder_must_be_named(tmp_path: Path) -> None:
    config = Config.from_env({"PASSERELLE_DATA": str(tmp_path)})
    assert config == Config.in_directory(tmp_path)
    assert config.database_url == f"sqlite:///{tmp_path}/passerelle.db"
    assert (config.passphrase, config.base_url) == (None, None)
    assert (config.keys_dir.parent, config.microdata_dir.parent) == (tmp_path, tmp_path)


@pytest.mark.parametrize("given", ["postgres://u@h/d", "postgresql://u@h/d", "postgresql+psycopg://u@h/d"])
def test_each_spelling_of_postgresql_means_psycopg(given: str) -> None:
    config = Config.from_env({"PASSERELLE_DATA": "/d", "PASSERELLE_DATABASE_URL": given})
    assert config.database_url == "postgresql+psycopg://u@h/d"


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, "PASSERELLE_DATA"),
        ({"PASSERELLE_DATA": " "}, "PASSERELLE_DATA"),
        ({"PASSERELLE_DATA": "/d", "PASSERELLE_DATABASE_URL": "mysql://x"}, "PASSERELLE_DATABASE_URL"),
        ({"PASSERELLE_DATA": "/d", "PASSERELLE_BIND": "localhost"}, "PASSERELLE_BIND"),
        ({"PASSERELLE_DATA": "/d", "PASSERELLE_BIND": ":80"}, "PASSERELLE_BIND"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(settings: dict[str, str], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Config.from_env(settings)


def test_an_app_needs_a_key_store(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="passerelle init"):
        create_app(Config.in_directory(tmp_path))


def test_an_app_opens_what_was_made(tmp_path: Path) -> None:
    config = Config.in_directory(tmp_path)
    KeyStore.create(config.keys_dir, None, tmp_path / "root.pem", now=NOW)
    context = Context.open(config)
    upgrade(context.database)
    assert create_app(config, context).test_client().get("/health").status_code == 200
    context.close()


def test_definitions_are_read_once_and_only_so_many_are_kept(
    sqlite_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "DEFINITIONS", 2)
    hashes = [hashlib.sha256(publish(sqlite_context, version=str(number))).digest() for number in range(3)]
    first = sqlite_context.definition(hashes[0])
    assert isinstance(first, FormDefinition)
    assert first.version == "0"
    assert sqlite_context.definition(hashes[0]) is first
    for other in hashes[1:]:
        sqlite_context.definition(other)
    assert sqlite_context.definition(hashes[0]) is not first
    assert sqlite_context.definition(bytes(32)) is None


def test_a_device_is_known_as_soon_as_it_is_enrolled(sqlite_context: Context) -> None:
    client = create_app(sqlite_context.config, sqlite_context).test_client()
    tablet = Tablet(sqlite_context, client)
    public_key = tablet.key.public_key().public_bytes_raw()
    assert sqlite_context.signing_key("nobody") is None
    tablet.enrol()
    assert sqlite_context.signing_key(tablet.device_id) == public_key
