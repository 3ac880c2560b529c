"""The library's form, and ODK Collect's engine where this machine has it."""

import datetime
import itertools
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forms import library
from forms.definition import FormDefinition
from forms.xlsform import convert

SHARED = Path(__file__).parents[2].parent / "shared"
NOW = datetime.datetime(2026, 11, 20, 9, 30, tzinfo=datetime.UTC)

Collect = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def hh_remit_xform() -> bytes:
    """The first version, which the interviews of tests.forms.interviews are told in."""
    return convert(library.workbook("hh_remit@1"), "hh_remit.xlsx").xform


@pytest.fixture(scope="session")
def hh_remit(hh_remit_xform: bytes) -> FormDefinition:
    return FormDefinition.parse(hh_remit_xform)


@pytest.fixture
def new_uuid() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: str(uuid.UUID(int=next(numbers), version=4))


@pytest.fixture(scope="session")
def hh_remit_path(hh_remit_xform: bytes, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("forms") / "hh_remit.xml"
    path.write_bytes(hh_remit_xform)
    return str(path)
