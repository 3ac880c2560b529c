import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from server.context import Context
from server.db.queries import statistics
from server.services import accounts
from server.services.import_frame import import_frame
from tests.office import NOW
from tests.server.fieldwork.frames import documents

PASSWORD = "correct horse battery"


def estimate(**members: Any) -> dict[str, Any]:
    """Return one figure of a release's content."""
    usual = {
        "indicator": "MIG-01", "statistic": "proportion", "unit": "share", "row": "household",
        "domain": "national", "domain_value": "", "value": 0.148, "se": 0.006, "cv": 0.04, "low": 0.136, "high": 0.16,
        "df": 240, "n": 3935, "deff": 1.26, "flag": "ok",
    }  # fmt: skip
    return usual | members


def hidden(**members: Any) -> dict[str, Any]:
    """Return one hidden figure."""
    numbers = dict.fromkeys(("value", "se", "cv", "low", "high", "df", "n", "deff"))
    return estimate(**numbers, flag="hidden", **members)


FIGURES = (
    estimate(),
    estimate(domain="area", domain_value="1", value=0.1, low=0.08, high=0.12),
    estimate(domain="sex_head", domain_value="2", value=0.2, low=0.12, high=0.28, flag="E"),
    estimate(domain="province", domain_value="01", value=0.3, low=0.01, high=0.59, flag="F"),
    hidden(domain="province", domain_value="02"),
    estimate(indicator="REM-04", statistic="total", unit="USD", value=79.66e6, low=70e6, high=89e6),
    *(
        estimate(indicator="RCT-01", statistic=statistic, unit="months of earnings", row="worker", value=value)
        for statistic, value in (("mean", 4.05), ("median", 2.78), ("p80", 6.06))
    ),
)
Publish = Callable[..., int]


@pytest.fixture
def publish(sqlite_context: Context) -> Publish:
    """Return a function that publishes figures and returns the release's id."""

    def publish_figures(*figures: dict[str, Any], is_published: bool = True) -> int:
        content = json.dumps({"estimates": figures or FIGURES}).encode()
        with sqlite_context.database.transaction() as session:
            run = statistics.RunRow(
                due_at=NOW, started_at=NOW, finished_at=NOW, state="done", reason=None, inputs_hash=bytes(32)
            )
            run_id = statistics.add_run(session, run)
            release_id = statistics.add_draft(
                session, run_id=run_id, now=NOW, cut_off=NOW, content=content, content_hash=bytes(32), open_holds=0
            )
            if is_published:
                statistics.set_published(session, release_id, by="amina", at=NOW)
        return release_id

    return publish_figures


@pytest.fixture
def page(sqlite_app: Flask) -> FlaskClient:
    """A browser without a session."""
    return sqlite_app.test_client()


@pytest.fixture
def surveyed(sqlite_context: Context) -> Context:
    """An office with a sample and three people."""
    with sqlite_context.database.transaction() as session:
        import_frame(session, documents=documents(), keystore=sqlite_context.keystore, user="office", now=NOW)
        for name, role in (("amina", "manager"), ("sami", "supervisor"), ("stata", "statistician")):
            accounts.add_user(session, name=name, role=role, password=PASSWORD, actor="root", now=NOW)
    return sqlite_context
