"""The OpenRosa door for tests of opening: POSTs as ODK Collect sends them, and its encryption, by our own hand."""

import base64
import hashlib
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_der_public_key

from server.context import Context
from server.db.queries import devices, forms
from server.db.queries.devices import StoredAppUser
from server.services import app_users
from server.services.receive_openrosa import Arrival, ArrivedFile, OpenRosaIntake
from sync_protocol.media import MediumSealer
from sync_protocol.plaintext import Medium
from tests.office import NOW
from tests.server.opening.kit import number_id

PHOTO_FORM = """<h:html xmlns="http://www.w3.org/2002/xforms" xmlns:h="http://www.w3.org/1999/xhtml"
 xmlns:orx="http://openrosa.org/xforms">
 <h:head><h:title>Photos</h:title><model><instance><data id="photos" version="{version}">
  <name/><house/><visit><voice/></visit><meta><audit/><instanceID/></meta></data></instance>
  <bind nodeset="/data/name" type="string"/>
  <bind nodeset="/data/house" type="binary"/>
  <bind nodeset="/data/visit/voice" type="binary"/>
  <bind nodeset="/data/meta/audit" type="binary"/>{submission}
 </model></h:head>
 <h:body><input ref="/data/name"><label>Name</label></input>
  <upload ref="/data/house" mediatype="image/*"><label>House</label></upload>
  <group ref="/data/visit"><label>Visit</label><repeat nodeset="/data/visit">
   <upload ref="/data/visit/voice" mediatype="audio/*"><label>Voice</label></upload></repeat></group>
 </h:body></h:html>"""


def photo_form(version: str = "1", public_key: str = "") -> bytes:
    """Return a form that asks for a photo, and for a recording in each row of a repeat."""
    submission = f'<submission base64RsaPublicKey="{public_key}"/>' if public_key else ""
    return PHOTO_FORM.replace("{version}", version).replace("{submission}", submission).encode()


@dataclass(frozen=True, kw_only=True)
class Photos:
    """An interview of that form."""

    number: int
    name: str = "Adjoa"
    house: str = ""
    voices: tuple[str, ...] = ()
    audit: str = ""
    edits: int | None = None
    version: str = "1"

    def xml(self) -> bytes:
        edited = "" if self.edits is None else f"<deprecatedID>{number_id(self.edits)}</deprecatedID>"
        visits = "".join(f"<visit><voice>{voice}</voice></visit>" for voice in self.voices)
        return (
            f'<data id="photos" version="{self.version}"><name>{self.name}</name><house>{self.house}</house>{visits}'
            f"<meta><audit>{self.audit}</audit><instanceID>{number_id(self.number)}</instanceID>{edited}</meta></data>"
        ).encode()


@dataclass
class Door:
    """The door of an instance, and one app user who comes to it."""

    context: Context
    user: StoredAppUser = field(init=False)
    name: str = "collect"

    def __post_init__(self) -> None:
        with self.context.database.transaction() as session:
            app_users.create_app_user(session, name=self.name, enumerator="0001", user="manager", now=NOW)
            found = devices.app_user_by_name(session, self.name)
        assert found is not None
        self.user = found
        self.intake = OpenRosaIntake(
            database=self.context.database,
            keystore=self.context.keystore,
            door=self.context.door,
            blobs=self.context.blobs,
            form_version_hash=self._hash,
        )

    def _hash(self, form_id: str, version: str) -> bytes | None:
        with self.context.database.read() as session:
            found = forms.version(session, form_id=form_id, version=version)
        return None if found is None else found.hash

    def post(self, xml: bytes, files: Mapping[str, bytes] | None = None) -> None:
        """Receive one POST."""
        with ExitStack() as stack:  # what is a repeat is not kept
            arrived = tuple(self._sealed(name, content) for name, content in (files or {}).items())
            for file in arrived:
                stack.enter_context(file.blob)
            self.intake.receive(Arrival(xml=xml, files=arrived), app_user=self.user, now=NOW)

    def _sealed(self, name: str, content: bytes) -> ArrivedFile:
        key = os.urandom(32)
        sealer, blob = MediumSealer(key), self.context.blobs.incoming()
        blob.write(sealer.update(content))
        blob.write(sealer.finalize())
        medium = Medium(
            name=name,
            type="image/jpeg",
            length_bytes=sealer.length_bytes,
            sha256=sealer.digest.hex(),
            key=key.hex(),
        )
        return ArrivedFile(medium, hashlib.sha256(content).digest(), blob)


def encrypted(
    public_key: str,
    xml: bytes,
    *,
    number: int,
    media: Mapping[str, bytes] | None = None,
    form_id: str = "photos",
    version: str | None = "1",
    mask: HashAlgorithm | None = None,
    signed_xml: bytes | None = None,
) -> tuple[bytes, dict[str, bytes]]:
    """Encrypt a submission as ODK Collect does: return the manifest that goes as XML, and the files."""
    rsa = load_der_public_key(base64.b64decode(public_key))
    assert isinstance(rsa, RSAPublicKey)

    def wrapped(plain: bytes) -> str:
        padding = OAEP(mgf=MGF1(mask or SHA256()), algorithm=SHA256(), label=None)
        return base64.b64encode(rsa.encrypt(plain, padding)).decode()

    key, instance_id = os.urandom(32), number_id(number)
    vector = bytearray(hashlib.md5(instance_id.encode() + key).digest())
    wrapped_key, files = wrapped(key), {}
    lines = [form_id, *([] if version is None else [version]), wrapped_key, instance_id]
    for place, (name, plain) in enumerate([*(media or {}).items(), ("submission.xml", xml)]):
        vector[place % 16] = (vector[place % 16] + 1) % 256
        padder = PKCS7(128).padder()
        cipher = Cipher(AES(key), CFB(bytes(vector))).encryptor()
        files[f"{name}.enc"] = cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()
        signed = plain if signed_xml is None or name != "submission.xml" else signed_xml
        lines.append(f"{name}::{hashlib.md5(signed).hexdigest()}")
    signature = wrapped(hashlib.md5("".join(f"{line}\n" for line in lines).encode()).digest())
    named = "" if version is None else f' version="{version}"'
    listed = "".join(f"<media><file>{name}.enc</file></media>\n" for name in media or {})
    manifest = (
        f'<data xmlns="http://www.opendatakit.org/xforms/encrypted" id="{form_id}"{named} encrypted="yes">'
        f"<base64EncryptedKey>{wrapped_key}</base64EncryptedKey>"
        f'<orx:meta xmlns:orx="http://openrosa.org/xforms"><orx:instanceID>{instance_id}</orx:instanceID></orx:meta>'
        f"\n{listed}<encryptedXmlFile>submission.xml.enc</encryptedXmlFile>"
        f"<base64EncryptedElementSignature>{signature}</base64EncryptedElementSignature></data>"
    )
    return manifest.encode(), files
