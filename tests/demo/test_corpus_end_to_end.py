"""Forms that nobody here wrote, filled by Collect's engine, through seal, exchange, opening and folding, and back."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from forms.columns import Column
from forms.definition import FormDefinition
from forms.instance import canonical_leaves, instance_id_bytes, parse_instance
from server.demo.office import Office
from server.demo.served import ServedOffice, free_port
from server.services import publish_form
from sync_protocol.client.device import Device
from sync_protocol.client.transport import HttpTransport

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"

FORMS = (
    "web-forms/packages_common_src_fixtures_preview-service_xforms_ifrc-distribution-site-assessment-v1.xml",
    "web-forms/packages_common_src_fixtures_test-web-forms_select-control.xml",
    "web-forms/packages_common_src_fixtures_repeats_12-NestedRepeat.xml",
    "web-forms/packages_common_src_fixtures_repeats_08-complex-repeats.xml",
    "web-forms/packages_common_src_fixtures_preview-service_xforms_socio-economic-survey-v20240515.xml",
    "collect/test-forms_src_main_resources_forms_all-widgets.xml",
    "collect/test-forms_src_main_resources_forms_RepeatTitles_1648.xml",
    "collect/test-forms_src_main_resources_forms_formHierarchy2.xml",
    "pyxform/tests_example_xls_attribute_columns_test.xlsx",
    "pyxform/tests_example_xls_table-list.xls",
    "pyxform/tests_example_xls_tutorial.xls",
)


@dataclass(frozen=True)
class Carried:
    """A form and the instance that Collect's engine made of it."""

    definition: FormDefinition
    xml: bytes
    instance_id: bytes


def fill_all(office: Office, collect: Any, folder: Path) -> list[Carried]:
    """Publish every form and let Collect's engine fill what was published."""
    carried = []
    for number, name in enumerate(FORMS):
        prepared = publish_form.prepare((CORPUS / name).read_bytes(), Path(name).name)
        with office.context() as context, context.database.transaction() as session:
            publish_form.publish(session, prepared, note="", user="test", now=datetime.now(UTC))
        form = folder / f"form{number}.xml"
        form.write_bytes(prepared.conversion.xform)
        result = collect(op="auto", form=str(form), seed=3, max_repeats=3)
        assert result["ok"], name
        xml = result["xml"].encode()
        text = parse_instance(xml).instance_id
        assert text is not None
        carried.append(Carried(prepared.definition, xml, instance_id_bytes(text)))
    return carried


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    office = Office(tmp_path_factory.mktemp("corpus") / "office", port=free_port())
    office.run("init")
    return office


@pytest.fixture(scope="module")
def carried(office: Office, collect: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Carried]]:
    """Carry the instances from a device to the microdata of a served office."""
    if not CORPUS.exists():
        pytest.skip("../shared/corpus is not here")
    folder = tmp_path_factory.mktemp("tablet")
    found = fill_all(office, collect, folder)
    served = ServedOffice(office.serve_command, office.environment, port=office.port, log=folder / "server.log")
    served.start()
    try:
        link = office.enrolment_links(["0001"], datetime.now(UTC))["0001"]
        with Device.create(folder / "device") as device:
            with closing(HttpTransport(office.url)) as transport:
                device.enrol(link, transport=transport)
            for one in found:
                device.seal_interview(
                    one.xml,
                    instance_id=one.instance_id,
                    form_version_hash=one.definition.hash,
                    now=datetime.now(UTC),
                )
            report = device.sync(device.transport(), datetime.now(UTC))
            assert report.outcome == "synced"
            assert report.forms == len(FORMS)
        office.wait_until_opened()
        yield found
    finally:
        served.stop()


def test_every_leaf_is_read_back_from_the_two_stores(office: Office, carried: list[Carried]) -> None:
    assert len(carried) >= 5
    for one in carried:
        back = read_back(office, one)
        sent = {
            path: text.strip()
            for path, text in canonical_leaves(parse_instance(one.xml))
            if text.strip() and not is_identity(path)
        }
        assert set(back) == set(sent), one.definition.form_id
        differing = [path for path, value in back.items() if not is_same(sent[path], value)]
        assert differing == [], one.definition.form_id


def test_nothing_was_set_aside(office: Office, carried: list[Carried]) -> None:
    assert office.run_json("quarantine", "list") == []
    assert len(office.stored().instance_ids) == len(carried)


def is_identity(path: str) -> bool:
    """Say whether a leaf is an attribute or a meta node other than instanceName: not an answer."""
    return "/@" in path or ("/meta/" in path and not path.endswith("/instanceName"))


def read_back(office: Office, one: Carried) -> dict[str, Any]:
    """Return the values of both stores by canonical path."""
    found: dict[str, Any] = {}
    with office.context() as context:
        for store in ("analysis", "identifiers"):
            parts = context.microdata.read(store, form_id=one.definition.form_id)  # type: ignore[arg-type]
            rows = [
                row for part in parts for row in part.table.to_pylist() if row["_interview_id"] == one.instance_id.hex()
            ]
            assert len(rows) == 1
            found |= leaves(one.definition.columns(store), rows[0], "", "")  # type: ignore[arg-type]
    return found


def leaves(columns: Sequence[Column], row: dict[str, Any], plain: str, indexed: str) -> dict[str, Any]:
    """Flatten a row: paths below ``plain`` are put below ``indexed``, which has the positions of repeats."""
    found: dict[str, Any] = {}
    for column in columns:
        value = row.get(column.name)
        path = indexed + column.path.removeprefix(plain)
        if column.children:
            for place, inner in enumerate(value or ()):
                position = f"[{place + 1}]" if place else ""
                found |= leaves(column.children, inner, column.path, path + position)
        elif value is not None:
            found[path] = value
    return found


def is_same(text: str, value: object) -> bool:
    """Say whether a stored value is what was written."""
    if isinstance(value, date):
        return date.fromisoformat(text) == value
    if isinstance(value, (int, Decimal)):
        return Decimal(text) == Decimal(value)
    return text == value
