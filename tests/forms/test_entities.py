"""What an interview writes to entities, read from its XML; and what is no entity."""

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms.definition import FormDefinition
from forms.entities import (
    declared_lists,
    entity_id_bytes,
    entity_writes,
    is_list_name,
    is_property_name,
    possible_lists,
)
from forms.instance import parse_instance
from tests.server.entities.kit import FOLLOW, MEMBERS, REGISTER, entity_id, followed, registered

FORM = FormDefinition.parse(REGISTER.encode())
UPDATING = FormDefinition.parse(FOLLOW.encode())


def test_a_creation_has_id_label_and_the_properties_that_the_form_saves() -> None:
    (write,), findings = entity_writes(FORM, parse_instance(registered(1, " Amina ")))
    assert (write.dataset, write.entity_id, write.path) == ("households", entity_id(1).bytes, "/data/meta/entity")
    assert (write.creates, write.updates, write.base_version) == (True, False, 0)
    assert (write.label, dict(write.properties)) == ("Amina", {"head": " Amina ", "persons": "4"})
    assert findings == ()


def test_a_question_that_was_not_asked_is_not_written_and_an_empty_answer_is() -> None:
    (write,), _ = entity_writes(UPDATING, parse_instance(followed(2, 1, base=3, trunk=3, head="")))
    assert (write.creates, write.updates, dict(write.properties), write.label) == (False, True, {"head": ""}, None)
    assert (write.base_version, write.trunk_version, write.branch_id) == (3, 3, b"")


@pytest.mark.parametrize("flag", ["0", "false", "", "yes"])
def test_only_1_and_true_are_an_action(flag: str) -> None:
    xml = registered(1).replace(b'create="1"', f'create="{flag}"'.encode())
    assert entity_writes(FORM, parse_instance(xml)) == ((), ())


@pytest.mark.parametrize(
    "text", ["", "1", "Amina", str(uuid.UUID(int=5)), f"uuid:{entity_id(1)}", f"{{{entity_id(1)}}}", entity_id(1).hex]
)
def test_only_version_4_uuids_name_an_entity(text: str) -> None:
    writes, (finding,) = entity_writes(FORM, parse_instance(registered(1, of=text)))
    assert (writes, finding.code, finding.path) == ((), "entity-id", "/data/meta/entity")
    assert text == "" or text not in finding.message


def test_an_id_is_one_whatever_its_case() -> None:
    upper = str(entity_id(0xABC)).upper()
    assert entity_id_bytes(upper) == entity_id(0xABC).bytes


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "four", "2147483648", "99999999999", "٣", ""])
def test_a_version_that_is_no_positive_number_of_32_bits_is_none(text: str) -> None:
    xml = followed(2, 1, base=7).replace(b'baseVersion="7"', f'baseVersion="{text}"'.encode())
    (write,), _ = entity_writes(UPDATING, parse_instance(xml))
    assert write.base_version == 0


def test_rows_of_a_repeat_take_the_answers_of_their_own_row() -> None:
    rows = "".join(
        f'<member><given>M{n}</given><meta><entity dataset="persons" id="{entity_id(n)}" create="1"><label>M{n}</label>'
        "</entity></meta></member>"
        for n in (1, 2)
    )
    xml = f'<data id="members" version="1">{rows}<meta><instanceID>uuid:x</instanceID></meta></data>'.encode()
    writes, _ = entity_writes(FormDefinition.parse(MEMBERS.encode()), parse_instance(xml))
    assert [(write.path, dict(write.properties)) for write in writes] == [
        ("/data/member/meta/entity", {"given": "M1"}),
        ("/data/member[2]/meta/entity", {"given": "M2"}),
    ]


def test_the_rows_of_a_long_repeat_are_counted_once() -> None:
    row = f'<member><meta><entity id="{entity_id(1)}" create="1"><label/></entity></meta></member>'
    form = FormDefinition.parse(MEMBERS.encode())

    few, many = (
        parse_instance(f'<data id="members" version="1">{row * rows}</data>'.encode()) for rows in (900, 9_000)
    )
    took = []
    for instance in (few, few, few, many):
        began = time.process_time()
        writes, findings = entity_writes(form, instance)
        took.append(time.process_time() - began)
    assert took[-1] < 50 * min(took[:3])  # ten times where they are counted once, a hundred times where again for each
    assert [write.path for write in writes[::8_999]] == [
        "/data/member/meta/entity",
        "/data/member[9000]/meta/entity",
    ]
    assert len(findings) == 9_000


def test_a_form_uses_the_lists_that_it_reads_and_writes_but_not_its_own_files() -> None:
    assert declared_lists(UPDATING) == {"households": ("head", "persons")}
    assert possible_lists(UPDATING, FOLLOW.encode(), []) == {"households"}
    assert possible_lists(UPDATING, FOLLOW.encode(), ["Households.csv"]) == frozenset()
    assert possible_lists(FORM, REGISTER.encode(), []) == {"households"}
    pulling = REGISTER.replace('calculate="/data/head"', "calculate=\"pulldata('villages', 'a', 'b', /data/head)\"")
    assert possible_lists(FORM, pulling.encode(), []) == {"households", "villages"}


@pytest.mark.parametrize("name", ["name", "label", "LABEL", "__version", "a b", "1st", "", "a,b", 'a"b', "a" * 101])
def test_reserved_and_odd_names_are_no_property(name: str) -> None:
    assert not is_property_name(name)


@pytest.mark.parametrize("name", ["a.b", "__a", "a/b", "../a", "", "a b", "a\n"])
def test_a_list_is_named_so_that_its_file_is_one(name: str) -> None:
    assert not is_list_name(name)


@given(st.text(), st.text(), st.text(), st.text())
def test_any_texts_in_the_attributes_give_writes_or_findings_and_no_error(
    one: str, two: str, three: str, four: str
) -> None:
    from lxml import etree

    root = etree.fromstring(followed(2, 1, base=1))
    entity = next(root.iter("entity"))
    for name, value in (("id", one), ("baseVersion", two), ("trunkVersion", three), ("branchId", four)):
        entity.set(name, "".join(letter for letter in value if letter.isprintable()))
    writes, findings = entity_writes(UPDATING, parse_instance(etree.tostring(root)))
    assert len(writes) + len(findings) == 1
