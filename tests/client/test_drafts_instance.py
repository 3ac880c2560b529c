"""Names inside an instance: read without a form, replaced without touching anything else."""

from uuid import UUID
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forms.instance import instance_id_bytes
from sync_protocol.client.drafts_instance import as_edit, id_bytes, read_form, read_names
from sync_protocol.errors import LocalError

NEW = "uuid:11111111-2222-4333-8444-555555555555"
OLD = "uuid:00000000-0000-4000-8000-000000000001"
META = "http://openrosa.org/xforms"


@pytest.mark.parametrize(
    "xml",
    [
        f'<data id="v"><a>1 &amp; 2</a><m:meta xmlns:m="{META}"><m:instanceID>{OLD}</m:instanceID></m:meta></data>',
        f"<data><meta><instanceID >{OLD}</instanceID ><deprecatedID/></meta></data>",
        f'<data><meta a="x>y"><deprecatedID>x</deprecatedID>\n<instanceID b=">"> {OLD}\n</instanceID></meta></data>',
        f"<data><meta><instanceID><!-- > -->{OLD}</instanceID></meta><meta><instanceID>b</instanceID></meta></data>",
        f"<data><g><meta><instanceID>other</instanceID></meta></g><meta><instanceID>{OLD}</instanceID></meta></data>",
    ],
)
def test_an_edit_has_a_new_name_and_deprecates_the_old_one(xml: str) -> None:
    edited = as_edit(xml.encode(), new_id=NEW)
    names = read_names(edited)
    assert (names.instance_id, names.deprecated_id) == (NEW, OLD)
    ElementTree.fromstring(edited)
    again = read_names(as_edit(edited, new_id=OLD))
    assert (again.instance_id, again.deprecated_id) == (OLD, NEW)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))


@settings(max_examples=60)
@given(before=TEXTS, after=TEXTS, blank=st.sampled_from(["", " ", "\n  "]), prefix=st.sampled_from(["", "orx:"]))
def test_everything_else_stays_byte_for_byte(before: str, after: str, blank: str, prefix: str) -> None:
    def element(tag: str, text: str) -> str:
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"<{tag}>{escaped}</{tag}>"

    def interview(names: str) -> bytes:
        meta = f"<{prefix}meta>{blank}{names}{blank}</{prefix}meta>"
        root = f'<data xmlns:orx="{META}" id="visit" version="é&quot;">'
        return f"{root}{element('a', before)}{meta}{element('b', after)}</data>".encode()

    xml = interview(element(f"{prefix}instanceID", OLD))
    both = element(f"{prefix}instanceID", NEW) + element(f"{prefix}deprecatedID", OLD)
    assert as_edit(xml, new_id=NEW) == interview(both)
    assert read_form(xml) == ("visit", 'é"')


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"<data>",
        b"<data/>",
        b"\xff",
        b"<data><meta/></data>",
        b"<!DOCTYPE data [<!ENTITY x 'y'>]><data><meta><instanceID>&x;</instanceID></meta></data>",
        b"<data><instanceID>a</instanceID></data>",
    ],
)
def test_what_is_no_interview_is_refused(xml: bytes) -> None:
    for call in (read_names, read_form):
        with pytest.raises(LocalError) as caught:
            call(xml)
        assert caught.value.code == "malformed"


@given(st.one_of(TEXTS, st.uuids().map(lambda one: f"uuid:{one}"), st.uuids().map(str), st.just("uuid:{x}")))
def test_device_and_office_have_the_same_bytes_for_a_name(text: str) -> None:
    assert id_bytes(text) == instance_id_bytes(text)
    assert id_bytes(NEW) == UUID(NEW.removeprefix("uuid:")).bytes
