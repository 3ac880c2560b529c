"""Both suites, from the tablet's seal to the opened interview, through the real doors."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from server import migrations
from server.app import create_app
from server.config import Config
from server.context import Context
from server.db.tables import Envelope
from server.keystore import KeyStore, making
from sync_protocol import envelope as layout
from sync_protocol import hpke, ratchet
from sync_protocol.constants import SUITE_X25519, SUITE_X_WING, Kind
from sync_protocol.documents import document_hash
from sync_protocol.envelope import NO_HASH, Header, peek
from sync_protocol.epoch import make_epoch
from sync_protocol.messages import ReceiptCode
from sync_protocol.plaintext import Manifest
from sync_protocol.pull_items import FormVersionPull
from tests import office
from tests.office import NOW
from tests.server.opening.kit import open_all

XML = (
    b'<data id="visit" version="1"><name>Awa</name><meta><instanceID>uuid:00000000-0000-4000-8000-000000000001'
    b"</instanceID></meta></data>"
)


@pytest.fixture(params=[SUITE_X_WING, SUITE_X25519], ids=["X-Wing", "X25519"])
def of_suite(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """An office whose survey keys are of a suite."""
    config = Config.in_directory(tmp_path / "office")
    config.data_dir.mkdir()
    monkeypatch.setattr(making, "SUITE_X_WING", request.param)
    KeyStore.create(config.keys_dir, None, tmp_path / "root.key", now=NOW)
    context = Context.open(config)
    migrations.upgrade(context.database)
    yield context
    context.close()


def test_what_a_tablet_seals_is_opened_under_either_suite(of_suite: Context) -> None:
    tablet = office.Tablet(of_suite, create_app(of_suite.config, of_suite).test_client()).enrol()
    xform = office.publish(of_suite)
    (pulled,) = (item for item in tablet.exchange().answer.pull if isinstance(item, FormVersionPull))  # type: ignore[union-attr]
    with of_suite.database.read() as session:
        from server.db.queries import devices, form_media

        known = devices.device(session, tablet.device_id)
        dictionary = form_media.dictionaries(session, [pulled.dictionary or b""])[pulled.dictionary or b""]
    assert known is not None
    survey_key = of_suite.keystore.keyring.survey_key("survey")
    assert survey_key is not None
    key = bytes(range(32))
    epoch = make_epoch(
        survey_key=survey_key,
        certificate_hash=known.certificate_hash,
        signer=tablet.key,
        sequence=1,
        previous=NO_HASH,
        nonce=bytes(32),
        epoch_key=key,
    )
    header = Header(
        kind=Kind.INTERVIEW,
        suite=survey_key.suite,
        epoch_hash=document_hash(epoch),
        index=0,
        sequence=2,
        previous=document_hash(epoch),
        instance_id=bytes.fromhex("00000000000040008000000000000001"),
        parents=(),
        form_version_hash=document_hash(xform),
        dictionary_hash=document_hash(dictionary),
        certificate_hash=known.certificate_hash,
    )
    sealed = layout.seal_interview(
        header=header,
        content_key=ratchet.content_key(key, header.epoch_hash, 0),
        signer=tablet.key,
        manifest=Manifest(device_time=NOW.isoformat()),
        instance_xml=XML,
        dictionary=dictionary,
    )
    assert peek(epoch).suite == peek(sealed).suite == survey_key.suite
    assert len(epoch) - (122 + 48 + 64) == {SUITE_X_WING: 1120, SUITE_X25519: 32}[survey_key.suite]
    assert tablet.exchange(epoch, sealed).codes == [ReceiptCode.STORED] * 2
    open_all(of_suite)
    with of_suite.database.read() as session:
        states = session.execute(select(Envelope.kind, Envelope.state, Envelope.reason)).all()
    assert [tuple(row) for row in states] == [(1, "opened", None), (2, "opened", None)]


def test_the_key_of_one_suite_opens_nothing_of_the_other() -> None:
    from sync_protocol.errors import EnvelopeError

    seed = bytes(range(32))
    for suite, other in ((SUITE_X_WING, SUITE_X25519), (SUITE_X25519, SUITE_X_WING)):
        sealed = hpke.seal(suite, hpke.public_key(suite, seed), bytes(32), b"info")
        with pytest.raises(EnvelopeError, match="undecryptable"):
            hpke.open_(other, seed, sealed, b"info")
