"""A small form with a photo and a sound, interviews of it, and files to send with them."""

import hashlib
import zlib
from collections.abc import Sequence
from uuid import UUID

from forms.package import Medium
from server.context import Context
from server.demo.collect import TabletFile
from server.services import publish_form
from tests.office import NOW

XFORM = """<h:html xmlns="http://www.w3.org/2002/xforms" xmlns:h="http://www.w3.org/1999/xhtml"
 xmlns:orx="http://openrosa.org/xforms" xmlns:jr="http://openrosa.org/javarosa">
<h:head><h:title>{title}</h:title><model>
<instance><data id="{form_id}" version="{version}"><name/><photo/><sound/>
<orx:meta><orx:instanceID/></orx:meta></data></instance>{more}
<bind nodeset="/data/name" type="string"/><bind nodeset="/data/photo" type="binary"/>
<bind nodeset="/data/sound" type="binary"/><bind nodeset="/data/meta/instanceID" type="string" readonly="true()"/>
</model></h:head><h:body><input ref="/data/name"><label>Name</label></input>
<upload ref="/data/photo" mediatype="image/*"><label>Photo</label></upload>
<upload ref="/data/sound" mediatype="audio/*"><label>Sound</label></upload></h:body></h:html>"""


def small_form(form_id: str = "visit", version: str = "1", *, title: str = "Visit", more: str = "") -> bytes:
    """Write the form; `more` is further model, such as a secondary instance."""
    return XFORM.format(form_id=form_id, version=version, title=title, more=more).encode()


def publish_xform(context: Context, xform: bytes, *, media: Sequence[Medium] = ()) -> bytes:
    """Publish any XForm with its files and return its bytes."""
    prepared = publish_form.prepare(xform, "form.xml", media=media)
    with context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="manager", now=NOW)
    return prepared.conversion.xform


def uuid(number: int) -> str:
    """Return the instanceID of a number."""
    return f"uuid:{UUID(int=number, version=4)}"


def filled(
    name: str = "Amina", *, number: int = 1, edits: int | None = None, photo: str = "", sound: str = "",
    form_id: str = "visit", version: str = "1",
) -> bytes:  # fmt: skip
    """Fill the small form."""
    deprecated = "" if edits is None else f"<orx:deprecatedID>{uuid(edits)}</orx:deprecatedID>"
    return (
        f'<data xmlns:orx="http://openrosa.org/xforms" id="{form_id}" version="{version}"><name>{name}</name>'
        f"<photo>{photo}</photo><sound>{sound}</sound>"
        f"<orx:meta><orx:instanceID>{uuid(number)}</orx:instanceID>{deprecated}</orx:meta></data>"
    ).encode()


def made_file(name: str, size: int = 1000) -> TabletFile:
    """Make a file whose bytes its name decides."""
    blocks = b"".join(hashlib.sha256(f"{name} {number}".encode()).digest() for number in range(size // 32 + 1))
    return TabletFile(name, blocks[:size])


def made_png(seed: int, side: int = 64) -> bytes:
    """Draw a small picture of noise, so that it does not compress."""
    rows = b"".join(b"\0" + hashlib.shake_128(f"{seed} {row}".encode()).digest(3 * side) for row in range(side))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
