"""Parsing received XML, hostile or not, and the identity of answers."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from forms.instance import (
    InstanceError,
    answers_hash,
    canonical_leaves,
    instance_id_bytes,
    parse_instance,
)

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
NAMES = st.sampled_from(["a", "b", "c", "member", "q1"])
TREES = st.recursive(TEXTS, lambda inner: st.lists(st.tuples(NAMES, inner), min_size=1, max_size=4), max_leaves=12)


def element(name: str, tree: str | list, space: str = "") -> etree._Element:
    made = etree.Element(name)
    if isinstance(tree, str):
        made.text = tree
        return made
    made.text = space
    for child_name, child in tree:
        made.append(element(child_name, child, space))
        made[-1].tail = space
    return made


def document(tree: str | list, space: str = "") -> bytes:
    root = element("data", tree if isinstance(tree, list) else [("q", tree)], space)
    root.set("id", "f")
    return etree.tostring(root, encoding="UTF-8")


def leaves_of(xml: bytes) -> tuple[tuple[str, str], ...]:
    return canonical_leaves(parse_instance(xml))


def test_the_parts_of_an_instance_are_read() -> None:
    instance = parse_instance(
        b'<data id="f" version="7"><q>1</q><orx:meta xmlns:orx="http://openrosa.org/xforms"><orx:instanceID> uuid:a '
        b"</orx:instanceID><orx:deprecatedID>uuid:b</orx:deprecatedID></orx:meta></data>"
    )
    assert (instance.form_id, instance.version) == ("f", "7")
    assert (instance.instance_id, instance.deprecated_id) == ("uuid:a", "uuid:b")


def test_an_old_form_is_named_by_its_namespace() -> None:
    assert parse_instance(b'<data xmlns="http://example.org/f"><q/></data>').form_id == "http://example.org/f"


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"<data id='f'><q>", "malformed"),
        (b"<data id='f'>&nbsp;</data>", "malformed"),
        (b"<data><q/></data>", "no-form-id"),
        (b"<data id='f'>" + b"<a>" * 101 + b"</a>" * 101 + b"</data>", "too-deep"),
        (b"<data id='f'>" + b"<a>" * 30_000 + b"</a>" * 30_000 + b"</data>", "too-deep"),
        (b"<data id='f'>" + b" " * 1_048_576 + b"</data>", "too-large"),
        (b"<!DOCTYPE data><data id='f'/>", "doctype"),
        (
            b"\xef\xbb\xbf<?xml version='1.0'?><!-- x -->\n<!DOCTYPE data [<!ENTITY a 'b'>]><data id='f'>&a;</data>",
            "doctype",
        ),
        (
            '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE d [<!ENTITY a "b">]><d id="f">&a;</d>'.encode("utf-16"),
            "doctype",
        ),
        (b"<!DOCTYPE d SYSTEM 'file:///etc/passwd'><d id='f'/>", "doctype"),
    ],
)
def test_hostile_or_broken_xml_is_refused_with_a_code(xml: bytes, code: str) -> None:
    with pytest.raises(InstanceError) as refusal:
        parse_instance(xml)
    assert refusal.value.code == code


@pytest.mark.parametrize("filler", [b"\n", b"<!-- a -->\n", b"<?a b?> ", b"<!-- <?a -->"])
def test_a_long_prolog_costs_no_time_and_hides_no_document_type(filler: bytes) -> None:
    prolog = b"<?xml version='1.0'?>" + filler * 10_000
    began = time.process_time()
    assert parse_instance(prolog + b"<data id='f' version='1'/>").form_id == "f"
    for rest in (b"<!DOCTYPE data><data id='f'/>", b"<!--", b"<?", b"<data id='f'>"):
        with pytest.raises(InstanceError) as refusal:
            parse_instance(prolog + rest)
        assert refusal.value.code == ("doctype" if b"DOCTYPE" in rest else "malformed")
    assert time.process_time() - began < 1


def test_a_refusal_does_not_repeat_what_the_document_says() -> None:
    with pytest.raises(InstanceError) as refusal:
        parse_instance(b"<data id='f'><name>Awa Secret</other></data>")
    assert "Secret" not in str(refusal.value)
    assert "other" not in str(refusal.value)


def test_an_answer_that_looks_like_a_document_type_is_an_answer() -> None:
    assert leaves_of(b"<data id='f'><q>&lt;!DOCTYPE x&gt;</q><r><![CDATA[<!DOCTYPE y>]]></r></data>") == (
        ("/data/q", "<!DOCTYPE x>"),
        ("/data/r", "<!DOCTYPE y>"),
    )


def test_leaves_carry_the_positions_of_later_rows() -> None:
    xml = b"<data id='f'><m><n>a</n></m><m><n>b</n><k><n>x</n></k><k><n>y</n></k></m></data>"
    assert leaves_of(xml) == (
        ("/data/m/n", "a"),
        ("/data/m[2]/k/n", "x"),
        ("/data/m[2]/k[2]/n", "y"),
        ("/data/m[2]/n", "b"),
    )


def test_the_identity_of_a_revision_is_not_an_answer() -> None:
    meta = "<instanceID>{}</instanceID><deprecatedID>{}</deprecatedID><instanceName>n</instanceName>"
    xml = f"<data id='f'><q>1</q><meta>{meta}</meta></data>"
    assert leaves_of(xml.format("uuid:1", "uuid:2").encode()) == (("/data/meta/instanceName", "n"), ("/data/q", "1"))
    assert leaves_of(xml.format("uuid:1", "uuid:2").encode()) == leaves_of(xml.format("uuid:3", "").encode())


def test_attributes_and_text_beside_elements_count_as_answers() -> None:
    plain = b"<data id='f' version='1'><meta><entity/></meta></data>"
    entity = b"<data id='f' version='2'><meta><entity id='e' dataset='people'/></meta></data>"
    mixed = b"<data id='f'>oops<meta><entity/></meta></data>"
    assert leaves_of(entity) == (
        ("/data/meta/entity", ""),
        ("/data/meta/entity/@dataset", "people"),
        ("/data/meta/entity/@id", "e"),
    )
    assert len({leaves_of(plain), leaves_of(entity), leaves_of(mixed)}) == 3


def test_prefixes_comments_and_instructions_do_not_count() -> None:
    plain = leaves_of(b"<data id='f'><meta><instanceName>n</instanceName></meta></data>")
    meta = b"<o:meta xmlns:o='http://openrosa.org/xforms'><o:instanceName>n</o:instanceName></o:meta>"
    other = b"<data id='f'><!-- c --><?p i?>" + meta + b"</data>"
    assert leaves_of(other) == plain


@given(TREES, st.sampled_from([" ", "\n  ", "\t\r\n"]))
def test_white_space_between_elements_does_not_count(tree: str | list, space: str) -> None:
    assert leaves_of(document(tree, space)) == leaves_of(document(tree))


@given(TREES, st.randoms())
def test_the_order_of_different_questions_does_not_count(tree: str | list, random) -> None:
    def shuffled(part: str | list) -> str | list:
        if isinstance(part, str):
            return part
        names = sorted({name for name, _ in part})
        random.shuffle(names)
        return [(name, shuffled(child)) for wanted in names for name, child in part if name == wanted]

    assert leaves_of(document(shuffled(tree))) == leaves_of(document(tree))


@given(TREES, TREES)
def test_equal_hashes_mean_equal_leaves(first: str | list, second: str | list) -> None:
    a, b = leaves_of(document(first)), leaves_of(document(second))
    assert (answers_hash(a) == answers_hash(b)) == (a == b)
    assert len(answers_hash(a)) == 32


@given(TREES)
def test_a_leaf_is_found_again_where_its_path_says(tree: str | list) -> None:
    xml = document(tree)
    root = etree.fromstring(xml)
    for path, text in leaves_of(xml):
        found = root.xpath(re.sub(r"/([^/\[\]]+)(?=/|$)", r"/\1[1]", path))
        assert [((leaf.text or "").strip() and leaf.text) or "" for leaf in found] == [text]


def test_an_instance_id_of_another_form_still_has_16_bytes() -> None:
    plain = "uuid:0d8b1b46-6f3c-4b8e-9d0a-0123456789ab"
    assert instance_id_bytes(plain).hex() == plain[5:].replace("-", "")
    assert instance_id_bytes(plain.upper().replace("UUID:", "uuid:")) == instance_id_bytes(plain)
    others = ["", "uuid:", "made by hand", plain[5:], "uuid:{0d8b1b46-6f3c-4b8e-9d0a-0123456789a}", "uuid:" + "z" * 36]
    assert {len(instance_id_bytes(text)) for text in others} == {16}
    assert len({instance_id_bytes(text) for text in [plain, *others]}) == len(others) + 1


def test_a_million_bytes_of_anything_are_read_in_a_moment(tmp_path: Path) -> None:
    for filler in (b"<a/>", b"<a b=''/>", b"<a><b/>x</a>"):
        body = filler * (1_000_000 // len(filler))
        assert len(leaves_of(b"<data id='f'>" + body + b"</data>")) > 50_000


@pytest.mark.parametrize("attribute", ["", " b='1'"])
def test_names_that_multiply_are_refused_before_they_take_memory(attribute: str) -> None:
    name = "n" * 20_000
    deep = f"<{name}>" * 10 + f"<a{attribute}/>" * 5_000 + f"</{name}>" * 10
    instance = parse_instance(f"<data id='f'>{deep}</data>".encode())
    with pytest.raises(InstanceError) as caught:
        canonical_leaves(instance)
    assert caught.value.code == "too-large"
