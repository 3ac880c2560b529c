from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from server.context import Context
from server.services import app_users
from tests.office import NOW, Tablet


@pytest.fixture
def tablet(context: Context, client: FlaskClient) -> Tablet:
    """An enrolled device, on SQLite and on PostgreSQL in turn."""
    return Tablet(context, client).enrol()


@pytest.fixture
def another_tablet(context: Context, client: FlaskClient) -> Callable[..., Tablet]:
    """Return a function that enrols one more device."""
    return lambda enumerator="0002": Tablet(context, client, enumerator).enrol()


@pytest.fixture
def sqlite_client(sqlite_app: Flask) -> FlaskClient:
    return sqlite_app.test_client()


@pytest.fixture
def sqlite_tablet(sqlite_context: Context, sqlite_client: FlaskClient) -> Tablet:
    """An enrolled device, on SQLite only."""
    return Tablet(sqlite_context, sqlite_client).enrol()


@pytest.fixture
def app_token_sqlite(sqlite_context: Context) -> str:
    """The token of an app user of ODK Collect, on SQLite only."""
    with sqlite_context.database.transaction() as session:
        return app_users.create_app_user(session, name="tablet 12", enumerator="0012", user="manager", now=NOW)
