"""Turning a form into one whose interviews ODK Collect encrypts: its XForm names a key, before it is hashed.

Source: https://getodk.github.io/xforms-spec/encryption. ODK Collect encrypts only what has an instanceID.
"""

from typing import Final

from lxml import etree

from forms.documents import local_name, parse_xml
from forms.xform import MAX_XFORM_BYTES, XFormError

_XFORMS: Final = "http://www.w3.org/2002/xforms"
_KEY: Final = "base64RsaPublicKey"


def with_public_key(xform: bytes, public_key: str) -> bytes:
    """Return an XForm that names this key; where it names another already, this one takes its place.

    Args:
        xform: a usable form.
        public_key: base64 of the RSA key, as SubjectPublicKeyInfo.

    Raises:
        XFormError: ``no-instance-id``: ODK Collect would send the interviews of this form in clear.
    """
    root = parse_xml(xform, max_bytes=MAX_XFORM_BYTES)
    model = next(element for element in root.iter() if local_name(element) == "model")
    main = next(child for child in model if local_name(child) == "instance")[0]
    meta = next((child for child in main if local_name(child) == "meta"), None)
    if meta is None or all(local_name(child) != "instanceID" for child in meta):
        raise XFormError("no-instance-id", "The form has no meta/instanceID: ODK Collect would not encrypt it.")
    submission = next((child for child in model if local_name(child) == "submission"), None)
    if submission is None:
        submission = etree.SubElement(model, f"{{{_XFORMS}}}submission")
    submission.set(_KEY, public_key)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)
