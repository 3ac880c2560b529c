"""A small questionnaire, tablets that seal without a network, and a draw: what the tests of opening stand on."""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from forms.definition import FormDefinition
from forms.instance import instance_id_bytes
from forms.package import package_hash
from server.context import Context
from server.db.queries import devices, envelopes, feed, fieldwork, form_media, forms
from server.db.queries.devices import StoredDevice
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.fieldwork import SealedHousehold
from server.db.queries.forms import NewVersion, StoredVersion
from server.db.queries.frame_rows import HouseholdRow
from server.keystore import KeyStore
from server.services.open_items import OpenedBatch, OpeningWorker
from sync_protocol import envelope as layout
from sync_protocol import ratchet
from sync_protocol.constants import Kind
from sync_protocol.documents import DeviceCertificate, document_hash
from sync_protocol.envelope import NO_HASH, Header
from sync_protocol.epoch import make_epoch
from sync_protocol.plaintext import Manifest, Medium
from tests.office import NOW

XFORM = """<?xml version="1.0"?>
<h:html xmlns="http://www.w3.org/2002/xforms" xmlns:h="http://www.w3.org/1999/xhtml"
 xmlns:passerelle="https://passerelle.example/xforms" xmlns:orx="http://openrosa.org/xforms">
 <h:head><h:title>Small</h:title>
  <model><instance><data id="{form_id}" version="{version}">
   <a_mode/><household_key/><enumerator_id/><name/><note/><amount/><age/>
   <worker><w_name/><w_cost/></worker><j_result/>
   <orx:meta><orx:instanceID/><orx:instanceName/></orx:meta></data></instance>
   <bind nodeset="/data/a_mode" type="string"/>
   <bind nodeset="/data/household_key" type="string" passerelle:pii="key"/>
   <bind nodeset="/data/enumerator_id" type="string" passerelle:pii="none"/>
   <bind nodeset="/data/name" type="string" passerelle:pii="direct"/>
   <bind nodeset="/data/note" type="string"/>
   <bind nodeset="/data/amount" type="decimal"/>
   <bind nodeset="/data/age" type="int"/>
   <bind nodeset="/data/worker/w_name" type="string" passerelle:pii="direct"/>
   <bind nodeset="/data/worker/w_cost" type="decimal"/>
   <bind nodeset="/data/j_result" type="string"/>
  </model></h:head>
 <h:body>
  <select1 ref="/data/a_mode"><label>Mode</label>
   <item><label>s</label><value>survey</value></item><item><label>t</label><value>training</value></item>
   <item><label>p</label><value>pilot</value></item></select1>
  <input ref="/data/household_key"><label>Key</label></input>
  <input ref="/data/enumerator_id"><label>Enumerator</label></input>
  <input ref="/data/name"><label>Name</label></input>
  <input ref="/data/note"><label>Note</label></input>
  <input ref="/data/amount"><label>Amount</label></input>
  <input ref="/data/age"><label>Age</label></input>
  <group ref="/data/worker"><label>Worker</label><repeat nodeset="/data/worker">
   <input ref="/data/worker/w_name"><label>Name</label></input>
   <input ref="/data/worker/w_cost"><label>Cost</label></input></repeat></group>
  <select1 ref="/data/j_result"><label>Result</label>
   <item><label>complete</label><value>110</value></item><item><label>partial</label><value>120</value></item>
   <item><label>refusal</label><value>211</value></item></select1>
 </h:body>
</h:html>"""
FORM_ID = "small"
VERSION = "1"


@cache
def xform(form_id: str = FORM_ID, version: str = VERSION) -> bytes:
    """Return the XForm of the small questionnaire."""
    return XFORM.replace("{form_id}", form_id).replace("{version}", version).encode()


def form_hash(form_id: str = FORM_ID, version: str = VERSION) -> bytes:
    return document_hash(xform(form_id, version))


def number_id(number: int) -> str:
    """Return the instanceID of a number."""
    return f"uuid:{uuid.UUID(int=number)}"


def raw_id(number: int) -> bytes:
    """Return the 16 bytes of `number_id`."""
    return instance_id_bytes(number_id(number))


def household(number: int) -> str:
    """Return a household key with its check digits."""
    nine = 100_000_000 + number
    return f"{nine}{(1 - 100 * nine) % 97:02d}"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one interview says; `number` is its instanceID."""

    number: int
    key: str | None = None
    mode: str | None = "survey"
    enumerator: str = "0001"
    name: str = "Adjoa"
    note: str = "n"
    amount: str = "10.5"
    age: str = "41"
    workers: Sequence[tuple[str, str]] = (("Kofi", "100"),)
    result: str = "110"
    edits: int | None = None
    version: str = VERSION
    form_id: str = FORM_ID

    def xml(self, *, spaced: bool = False) -> bytes:
        """Write the instance; with white space between elements the answers are the same."""
        leaves = {
            "a_mode": self.mode,
            "household_key": self.key,
            "enumerator_id": self.enumerator,
            "name": self.name,
            "note": self.note,
            "amount": self.amount,
            "age": self.age,
        }
        parts = [f"<{name}>{value}</{name}>" for name, value in leaves.items() if value is not None]
        parts += [f"<worker><w_name>{name}</w_name><w_cost>{cost}</w_cost></worker>" for name, cost in self.workers]
        deprecated = "" if self.edits is None else f"<deprecatedID>{number_id(self.edits)}</deprecatedID>"
        parts += [
            f"<j_result>{self.result}</j_result>",
            f'<meta xmlns="http://openrosa.org/xforms"><instanceID>{number_id(self.number)}</instanceID>'
            f"{deprecated}<instanceName>x</instanceName></meta>",
        ]
        between = "\n  " if spaced else ""
        return (f'<data id="{self.form_id}" version="{self.version}">' + between.join(parts) + "</data>").encode()


@dataclass
class Tablet:
    """A device that seals, with an epoch a mode; everything it draws at random is drawn from its name."""

    keystore: KeyStore
    device_id: str = "tablet-1"
    role: str = "enumerator"
    enumerator: str = "0001"
    certificate: bytes = b""
    team: str = "01"
    project_id: int = 1
    _epochs: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    _indices: dict[str, int] = field(default_factory=dict)
    _sequence: int = 0
    _previous: bytes = NO_HASH

    def __post_init__(self) -> None:
        self.signer = Ed25519PrivateKey.from_private_bytes(self._drawn("signing key"))
        self.certificate = self.keystore.issue_certificate(
            DeviceCertificate(
                device_id=self.device_id,
                signing_key=self.signer.public_key().public_bytes_raw(),
                receiving_key=self._drawn("receiving key"),
                role=self.role,
                enumerator=self.enumerator,
                team=self.team,
                issued_at=NOW.isoformat(),
            )
        )
        self.certificate_hash = document_hash(self.certificate)

    def _drawn(self, what: str) -> bytes:
        return hashlib.sha256(f"{self.device_id} {what}".encode()).digest()

    def epoch(self, mode: str = "survey") -> bytes:
        """Return the epoch envelope of a mode."""
        if mode not in self._epochs:
            survey_key = self.keystore.keyring.survey_key(mode)
            assert survey_key is not None
            key = self._drawn(f"epoch key {mode}")
            body = make_epoch(
                survey_key=survey_key,
                certificate_hash=self.certificate_hash,
                signer=self.signer,
                sequence=self._next(),
                previous=self._previous,
                nonce=self._drawn(f"nonce {mode}"),
                epoch_key=key,
            )
            self._previous = document_hash(body)
            self._epochs[mode], self._indices[mode] = (body, key), 0
        return self._epochs[mode][0]

    def seal(
        self,
        answers: Answers | bytes,
        *,
        mode: str = "survey",
        parents: Iterable[int] = (),
        number: int | None = None,
        form_version_hash: bytes | None = None,
        device_time: str = "2026-11-24T08:00:00+00:00",
        spaced: bool = False,
        dictionary: bytes | None = None,
        media: Sequence[Medium] = (),
    ) -> bytes:
        """Seal one interview; every call makes another ciphertext."""
        xml = answers if isinstance(answers, bytes) else answers.xml(spaced=spaced)
        if isinstance(answers, Answers):
            number = answers.number if number is None else number
            form_version_hash = form_version_hash or form_hash(answers.form_id, answers.version)
        header, content_key = self._header(
            Kind.INTERVIEW, mode, raw_id(number or 0), parents, form_version_hash or form_hash()
        )
        return self._sent(
            layout.seal_interview(
                header=header if dictionary is None else replace(header, dictionary_hash=document_hash(dictionary)),
                content_key=content_key,
                signer=self.signer,
                manifest=Manifest(device_time=device_time, media=tuple(media)),
                instance_xml=xml,
                dictionary=dictionary,
            )
        )

    def draft(
        self,
        answers: Answers | bytes,
        *,
        number: int | None = None,
        media: Sequence[Medium] = (),
        parents: Iterable[int] = (),
    ) -> bytes:
        """Seal one unfinished interview."""
        xml = answers if isinstance(answers, bytes) else answers.xml()
        named = answers.number if isinstance(answers, Answers) and number is None else number or 0
        version = form_hash(answers.form_id, answers.version) if isinstance(answers, Answers) else form_hash()
        header, content_key = self._header(Kind.DRAFT, "survey", raw_id(named), parents, version)
        return self._sent(
            layout.seal_draft(
                header=header,
                content_key=content_key,
                signer=self.signer,
                manifest=Manifest(device_time="2026-11-24T08:00:00+00:00", media=tuple(media)),
                instance_xml=xml,
            )
        )

    def decide(self, *, about: int, decision: dict[str, str]) -> bytes:
        """Seal a decision, as only the office may."""
        header, content_key = self._header(Kind.DECISION, "survey", self._drawn("decision")[:16], [about], form_hash())
        return self._sent(
            layout.seal_decision(
                header=header,
                content_key=content_key,
                signer=self.signer,
                manifest=Manifest(device_time=NOW.isoformat()),
                decision=decision,
            )
        )

    def _header(
        self, kind: Kind, mode: str, instance_id: bytes, parents: Iterable[int], form_version_hash: bytes
    ) -> tuple[Header, bytes]:
        epoch_hash = document_hash(self.epoch(mode))
        index = self._indices[mode]
        self._indices[mode] += 1
        header = Header(
            kind=kind,
            suite=1,
            epoch_hash=epoch_hash,
            index=index,
            sequence=self._next(),
            previous=self._previous,
            instance_id=instance_id,
            parents=tuple(raw_id(parent) for parent in parents),
            form_version_hash=form_version_hash,
            dictionary_hash=NO_HASH,
            certificate_hash=self.certificate_hash,
        )
        return header, ratchet.content_key(ratchet.advance(self._epochs[mode][1], index), epoch_hash, index)

    def _sent(self, body: bytes) -> bytes:
        self._previous = document_hash(body)
        return body

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def enrol(self, context: Context) -> "Tablet":
        """Make the device known to a server."""
        with context.database.transaction() as session:
            devices.keep_certificate(
                session,
                certificate_hash=self.certificate_hash,
                document=self.certificate,
                device_id=self.device_id,
                now=NOW,
            )
            devices.add_device(
                session,
                StoredDevice(
                    device_id=self.device_id,
                    certificate_hash=self.certificate_hash,
                    signing_key=self.signer.public_key().public_bytes_raw(),
                    receiving_key=self._drawn("receiving key"),
                    enumerator=self.enumerator,
                    team=self.team,
                    role=self.role,
                    counter=0,
                    enrolled_at=NOW,
                    revoked_at=None,
                    last_seen_at=None,
                    project_id=self.project_id,
                ),
            )
        return self


def publish(
    context: Context,
    form_id: str = FORM_ID,
    version: str = VERSION,
    project_id: int = 1,
    dictionary: bytes | None = None,
) -> FormDefinition:
    """Publish the small questionnaire."""
    return publish_xform(context, xform(form_id, version), project_id, dictionary)


def publish_xform(
    context: Context, content: bytes, project_id: int = 1, dictionary: bytes | None = None
) -> FormDefinition:
    """Publish any XForm."""
    definition = FormDefinition.parse(content)
    with context.database.transaction() as session:
        forms.lock_form(session, form_id=definition.form_id, title=definition.title, project_id=project_id)
        chain, position = forms.chain(session, definition.form_id), feed.next_position(session)
        stored = StoredVersion(
            hash=definition.hash,
            form_id=definition.form_id,
            version=definition.version,
            title=definition.title,
            md5=definition.md5,
            package_hash=package_hash(definition.hash, ()),
            previous_hash=chain[-1].hash if chain else None,
            state="published",
            note="",
            submitted_at=NOW,
            submitted_by="manager",
            published_at=NOW,
            published_by="manager",
            published_position=position,
            retired_at=None,
            workbook_name=None,
            feed_position=position,
            dictionary_hash=None if dictionary is None else document_hash(dictionary),
        )
        if dictionary is not None:
            form_media.add_dictionary(session, dictionary)
        forms.add_version(session, NewVersion(stored=stored, xform=content, workbook=None, map_document=None))
    return definition


def deliver(context: Context, bodies: Iterable[bytes], *, carrier: str = "tablet-1", at: datetime = NOW) -> None:
    """Store envelopes as the exchange does."""
    arrived = [NewEnvelope.read(body) for body in bodies]
    with context.database.transaction() as session:
        envelopes.store(session, arrived, carrier=carrier, received_at=at)


def worker(context: Context, *, at: datetime = NOW + timedelta(minutes=1)) -> OpeningWorker:
    """Return a worker of an instance."""
    return OpeningWorker(
        database=context.database,
        keystore=context.keystore,
        microdata=context.microdata,
        clock=lambda: at,
        blobs=context.blobs,
    )


def open_all(context: Context) -> OpenedBatch:
    """Open whatever can be opened."""
    return worker(context).run_until_idle()


def draw(context: Context, households: Iterable[tuple[str, str, str]], *, project_id: int = 1) -> None:
    """Put (household key, unit, enumerator) into the draw."""
    with context.database.transaction() as session:
        fieldwork.replace_draw(
            session,
            [
                SealedHousehold(
                    row=HouseholdRow(
                        household_key=key, psu=psu, listing_class=1, enumerator=enumerator, head="", position="",
                        persons=None,
                    ),
                    tag=context.keystore.household_tag(key),
                    sealed=context.keystore.seal_projection(b"{}", fieldwork.identity_context(key)),
                )
                for key, psu, enumerator in households
            ],
            feed_position=feed.next_position(session),
            project_id=project_id,
        )  # fmt: skip
