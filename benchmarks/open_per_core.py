"""How many full interviews of hh_remit one core opens, checks, folds and writes to disk in a second.

The envelopes are made before the clock starts: complete interviews of the made country of about 6.7 kB of XML, 40 an
epoch, all under drawn household keys. Measured is everything a worker does, fsyncs
included: certificates, signatures, X-Wing, ratchet, decryption, inflation, parsing, the structural check, typed values,
two encrypted Parquet parts a batch, revisions, the fold, holds and verdicts, on SQLite with `synchronous=FULL`.
Compared with the floor under any implementation: verify, decrypt, inflate and parse the same envelopes, and no more.
"""

import os
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from forms.definition import FormDefinition
from forms.filling import fill
from forms.instance import instance_id_bytes, parse_instance
from forms.library import workbook
from server.config import Config
from server.context import Context
from server.db.queries import devices, envelopes, feed, fieldwork
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.fieldwork import SealedHousehold
from server.db.queries.frame_rows import HouseholdRow
from server.demo.answers import answers_of
from server.demo.cases import Fieldwork, make_cases
from server.demo.country import make_country
from server.demo.design import assign, draw_survey
from server.demo.fieldwork import COMPLETE, keep_silent, visit_households
from server.demo.rates import make_rates
from server.demo.reporting import make_reports
from server.keystore import KeyStore
from server.migrations import upgrade
from server.services import publish_form
from server.services.open_items import OpeningWorker
from sync_protocol import envelope as layout
from sync_protocol import ratchet
from sync_protocol.constants import Kind
from sync_protocol.documents import DeviceCertificate, document_hash
from sync_protocol.envelope import NO_HASH, Header
from sync_protocol.epoch import make_epoch
from sync_protocol.plaintext import Manifest
from sync_protocol.ratchet import EpochKeys

INTERVIEWS = 4000
PER_EPOCH = 40
TEMPLATES = 30
CANDIDATES = 60
TYPICAL_BYTES = 6700
SEED = 148
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
GOAL = 1500


@dataclass(frozen=True, slots=True)
class Load:
    """Epochs and interviews as received, and what opens them without a server."""

    bodies: list[bytes]
    keys: dict[bytes, bytes]
    signing_key: bytes
    xml_bytes: int


def run() -> Iterator[dict[str, Any]]:
    """Open the interviews once; yield the figure."""
    with TemporaryDirectory() as folder:
        context, definition = open_office(Path(folder))
        load = load_for(context, definition)
        deliver(context, load.bodies)
        floor = _floor(load)
        worker = OpeningWorker(
            database=context.database,
            keystore=context.keystore,
            microdata=context.microdata,
            clock=lambda: NOW,
            blobs=context.blobs,
        )
        wall, processor = time.perf_counter(), time.process_time()
        batch = worker.run_until_idle()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        context.close()
    if batch.opened != len(load.bodies) or batch.quarantined:
        raise RuntimeError(f"not everything was opened: {batch}")
    yield {
        "what": "open_per_core",
        "value": round(INTERVIEWS / processor),
        "unit": "interviews/s of processor time",
        "wall_per_second": round(INTERVIEWS / wall),
        "compared_with": "verify, decrypt, inflate and parse only",
        "compared_value": round(INTERVIEWS / floor),
        "ratio": round(floor / processor, 2),
        "xml_bytes": load.xml_bytes,
        "goal": GOAL,
    }


def open_office(folder: Path) -> tuple[Context, FormDefinition]:
    """Make an office with the form and nothing else."""
    config = Config.in_directory(folder)
    KeyStore.create(config.keys_dir, None, folder / "root.pem", now=NOW)
    context = Context.open(config)
    upgrade(context.database)
    prepared = publish_form.prepare(workbook("hh_remit"), "hh_remit.xlsx")
    with context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="bench", now=NOW)
    return context, prepared.definition


def _templates(definition: FormDefinition) -> list[bytes]:
    """Fill complete interviews of the made country through the form, as long as the questionnaire says they are."""
    country, rng = make_country(SEED), np.random.default_rng([SEED, 20])
    survey = draw_survey(country, rng, psus=80)
    outcomes = visit_households(country, rng, survey)
    reports = make_reports(country, SEED)
    silences = keep_silent(country, rng, reports)
    work = Fieldwork(country, reports, silences, survey, assign(rng, survey, enumerators=100), outcomes, SEED)
    complete = [case for case in make_cases(work) if case.disposition == COMPLETE]
    complete.sort(key=lambda case: -len(case.people) - len(case.senders))
    rates = make_rates()
    filled = [
        fill(
            definition,
            answers_of(case, rates, seed=SEED),
            now=NOW,
            new_uuid=lambda: str(uuid.uuid4()),
            device_id="bench:0001",
        ).xml
        for case in complete[:CANDIDATES]
    ]
    return sorted(filled, key=lambda xml: abs(len(xml) - TYPICAL_BYTES))[:TEMPLATES]


def load_for(context: Context, definition: FormDefinition) -> Load:
    """Seal the interviews, and draw the households that they are of."""
    templates = _templates(definition)
    signer = Ed25519PrivateKey.generate()
    certificate_hash = _enrol(context, signer)
    survey_key = context.keystore.keyring.survey_key("survey")
    if survey_key is None:
        raise RuntimeError("the keyring has no key for the survey")
    households = [_household(number) for number in range(INTERVIEWS)]
    _draw(context, households)
    load = Load([], {}, signer.public_key().public_bytes_raw(), 0)
    total = 0
    for start in range(0, INTERVIEWS, PER_EPOCH):
        key = os.urandom(32)
        epoch = make_epoch(
            survey_key=survey_key,
            certificate_hash=certificate_hash,
            signer=signer,
            sequence=start * 2 + 1,
            previous=NO_HASH,
            nonce=os.urandom(32),
            epoch_key=key,
        )
        load.bodies.append(epoch)
        load.keys[document_hash(epoch)] = key
        step = key
        for index in range(PER_EPOCH):
            xml = _own(templates[(start + index) % len(templates)], households[start + index])
            total += len(xml)
            header = _header(xml, definition, document_hash(epoch), index, certificate_hash)
            load.bodies.append(
                layout.seal_interview(
                    header=header,
                    content_key=ratchet.content_key(step, header.epoch_hash, index),
                    signer=signer,
                    manifest=Manifest(device_time=NOW.isoformat()),
                    instance_xml=xml,
                )
            )
            step = ratchet.next_key(step)
    return Load(load.bodies, load.keys, load.signing_key, total // INTERVIEWS)


def _own(template: bytes, household: str) -> bytes:
    """Make an interview of its own: another instanceID, another household."""
    xml = re.sub(rb"<household_key>\d+<", b"<household_key>" + household.encode() + b"<", template)
    xml = re.sub(rb"<enumerator_id>\d+<", b"<enumerator_id>0001<", xml)
    return re.sub(rb"uuid:[0-9a-f-]{36}", f"uuid:{uuid.uuid4()}".encode(), xml)


def _header(xml: bytes, definition: FormDefinition, epoch_hash: bytes, index: int, certificate_hash: bytes) -> Header:
    found = re.search(rb"instanceID>(uuid:[0-9a-f-]{36})", xml)
    if found is None:
        raise RuntimeError("an interview without an instanceID")
    return Header(
        kind=Kind.INTERVIEW,
        suite=1,
        epoch_hash=epoch_hash,
        index=index,
        sequence=index + 2,
        previous=NO_HASH,
        instance_id=instance_id_bytes(found[1].decode()),
        parents=(),
        form_version_hash=definition.hash,
        dictionary_hash=NO_HASH,
        certificate_hash=certificate_hash,
    )


def _household(number: int) -> str:
    nine = 100_000_000 + number
    return f"{nine}{(1 - 100 * nine) % 97:02d}"


def _enrol(context: Context, signer: Ed25519PrivateKey) -> bytes:
    certificate = context.keystore.issue_certificate(
        DeviceCertificate(
            device_id="bench",
            signing_key=signer.public_key().public_bytes_raw(),
            receiving_key=bytes(32),
            role="enumerator",
            enumerator="0001",
            team="01",
            issued_at=NOW.isoformat(),
        )
    )
    digest = document_hash(certificate)
    with context.database.transaction() as session:
        devices.keep_certificate(session, certificate_hash=digest, document=certificate, device_id="bench", now=NOW)
    return digest


def _draw(context: Context, households: Sequence[str]) -> None:
    with context.database.transaction() as session:
        rows = [
            SealedHousehold(
                row=HouseholdRow(
                    household_key=key,
                    psu=key[:6],
                    listing_class=1,
                    enumerator="0001",
                    head="",
                    position="",
                    persons=None,
                ),
                tag=context.keystore.household_tag(key),
                sealed=b"",
            )
            for key in households
        ]
        fieldwork.replace_draw(session, rows, feed_position=feed.next_position(session))


def deliver(context: Context, bodies: Sequence[bytes]) -> None:
    """Store envelopes as the exchange does."""
    arrived = [NewEnvelope.read(body) for body in bodies]
    with context.database.transaction() as session:
        envelopes.store(session, arrived, carrier="bench", received_at=NOW)


def _floor(load: Load) -> float:
    """Return the processor seconds that signatures, ciphers, inflation and parsing take by themselves."""
    keys: dict[bytes, EpochKeys] = {}
    start = time.process_time()
    for body in load.bodies:
        layout.verify(body, load.signing_key)
        header = layout.peek(body)
        if isinstance(header, Header):
            found = keys.setdefault(header.epoch_hash, EpochKeys(load.keys[header.epoch_hash], header.epoch_hash))
            parse_instance(layout.open_interview(body, found.content_key(header.index))[1])
    return time.process_time() - start
