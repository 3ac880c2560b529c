"""How the app reads the server's XML: one incomplete entry spoils the whole list, an unknown element is passed over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from lxml import etree

from server.demo.collect.connection import CollectError, Reply

_LIST_SPACE: Final = "{http://openrosa.org/xforms/xformsList}"
_MANIFEST_SPACE: Final = "{http://openrosa.org/xforms/xformsManifest}"
_PREFIX: Final = "md5:"
ENTITY_LISTS: Final = ("entityList", "approvalEntityList")


@dataclass(frozen=True, slots=True)
class ListedForm:
    """One entry of the form list; ``hash`` is None where the server gave none that the app takes."""

    form_id: str
    version: str
    hash: str | None
    download_url: str
    manifest_url: str = ""


@dataclass(frozen=True, slots=True)
class ListedMedium:
    """One file of a manifest; ``kind`` is one of ENTITY_LISTS, or empty."""

    name: str
    hash: str
    download_url: str
    kind: str = ""
    integrity_url: str = ""


def parsed(reply: Reply) -> etree._Element:
    """Parse an answer as the app does: marked as OpenRosa's, and XML by its type if it says one.

    Raises:
        CollectError: something stands between tablet and server, or the server speaks another language.
    """
    kind = reply.headers.get("content-type", "text/xml").lower()
    if "text/xml" not in kind:
        raise CollectError(f"ContentType: {kind} returned. Do you need to login to your network?", reply.status)
    if "x-openrosa-version" not in reply.headers:
        raise CollectError("this is no OpenRosa server", reply.status)
    try:
        return etree.fromstring(reply.body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        raise CollectError("the server's XML cannot be parsed", reply.status) from None


def form_list(reply: Reply) -> tuple[ListedForm, ...]:
    """Read a form list.

    Raises:
        CollectError: it is none, or an entry lacks its id, name or address.
    """
    root = parsed(reply)
    if root.tag != f"{_LIST_SPACE}xforms":
        raise CollectError("the form list cannot be parsed", reply.status)
    return tuple(_listed(form) for form in root.iterchildren(f"{_LIST_SPACE}xform"))


def _listed(form: etree._Element) -> ListedForm:
    def text(name: str) -> str:
        return (form.findtext(f"{_LIST_SPACE}{name}") or "").strip()

    found = text("hash")
    listed = ListedForm(
        form_id=text("formID"),
        version=text("version"),
        hash=found.removeprefix(_PREFIX) if found.startswith(_PREFIX) else None,
        download_url=text("downloadUrl"),
        manifest_url=text("manifestUrl"),
    )
    if not (listed.form_id and text("name") and listed.download_url):
        raise CollectError("one entry without id, name or address spoils the whole list")
    return listed


def manifest(reply: Reply) -> tuple[ListedMedium, ...]:
    """Read a manifest.

    Raises:
        CollectError: it is none, or an entry lacks its name, hash or address.
    """
    root = parsed(reply)
    if root.tag != f"{_MANIFEST_SPACE}manifest":
        raise CollectError("the manifest cannot be parsed", reply.status)
    return tuple(_medium(entry) for entry in root.iterchildren(f"{_MANIFEST_SPACE}mediaFile"))


def _medium(entry: etree._Element) -> ListedMedium:
    def text(name: str) -> str:
        return (entry.findtext(f"{_MANIFEST_SPACE}{name}") or "").strip()

    kind = entry.get("type", "")
    found = ListedMedium(
        name=PurePosixPath(text("filename")).name,
        hash=text("hash")[len(_PREFIX) :],  # the app cuts four characters, whatever they are
        download_url=text("downloadUrl"),
        kind=kind if kind in ENTITY_LISTS else "",
        integrity_url=text("integrityUrl"),
    )
    if not (found.name and found.hash and found.download_url):
        raise CollectError("one file without name, hash or address spoils the whole manifest")
    return found


def deleted_entities(reply: Reply) -> dict[str, bool]:
    """Read which entities the server has deleted, by id.

    Raises:
        CollectError: the answer says not of each.
    """
    root = parsed(reply)
    entities = root.find("entities")
    if root.tag != "data" or entities is None:
        raise CollectError("the integrity answer cannot be parsed", reply.status)
    words = {"true": True, "false": False}
    try:
        return {str(entity.attrib["id"]): words[entity.findtext("deleted") or ""] for entity in entities.iter("entity")}
    except KeyError:
        raise CollectError("the integrity answer cannot be parsed", reply.status) from None


def message(body: bytes) -> str | None:
    """Return the first message of an OpenRosa response, None where there is none."""
    if b"OpenRosaResponse" not in body:
        return None
    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return None
    found = next((element for element in root.iter() if etree.QName(element).localname == "message"), None)
    return None if found is None else "".join(found.itertext())  # type: ignore[arg-type]
