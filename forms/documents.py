"""XML that others wrote: parsed without entities, network or surprise.

A document type declaration is refused outright (entity expansion and external entities need one), size is limited
before parsing and depth before anybody walks the tree.
"""

import re
from typing import Final

from lxml import etree

MAX_DEPTH: Final = 100
"""Deepest element allowed; the deepest form of the public corpora nests 12."""

# Atomic and possessive: what has been passed over is never tried otherwise, which would take for ever.
_PROLOG_DOCTYPE: Final = re.compile(rb"\A(?:\xef\xbb\xbf)?(?>\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)
_TOO_DEEP: Final = etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")


class DocumentError(Exception):
    """An XML document was refused.

    Attributes:
        code: ``doctype``, ``too-large``, ``too-deep`` or ``malformed``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def parse_xml(xml: bytes, *, max_bytes: int) -> etree._Element:
    """Parse a document and return its root, without comments and processing instructions.

    Raises:
        DocumentError: ``doctype``, ``too-large``, ``too-deep`` or ``malformed``.
    """
    if len(xml) > max_bytes:
        raise DocumentError("too-large", f"The document has {len(xml)} bytes; at most {max_bytes} are read.")
    if _PROLOG_DOCTYPE.match(xml):
        raise DocumentError("doctype", "The document declares a document type (DOCTYPE); none is allowed.")
    # A parser each: lxml serialises threads on a shared one, and making one costs 10 microseconds.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        if "xcessive depth" in str(error) or "depth" in str(error).lower():
            raise DocumentError("too-deep", f"Elements nest deeper than {MAX_DEPTH} levels.") from None
        line, column = error.position
        # The parser's own text can quote the document, hence an answer: only the place is told.
        raise DocumentError(
            "malformed", f"The document is not well-formed XML at line {line}, column {column}."
        ) from None
    except (ValueError, LookupError):
        raise DocumentError("malformed", "The document is not well-formed XML.") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise DocumentError("doctype", "The document declares a document type (DOCTYPE); none is allowed.")
    if _TOO_DEEP(root):
        raise DocumentError("too-deep", f"Elements nest deeper than {MAX_DEPTH} levels.")
    return root


def local_name(element: etree._Element) -> str:
    """Return the name of an element without its namespace."""
    tag = str(element.tag)
    return tag.rpartition("}")[2] if tag[0] == "{" else tag
