"""What comes after a version was retired waits for a person; what came before its form was published does not."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from server.context import Context
from server.db.queries import interviews
from server.db.tables import Envelope
from server.services import publish_form, settle_hold
from server.services.rebuild import rebuild
from server.services.verify_store import verify
from sync_protocol.documents import document_hash
from tests.office import MULTIPART, NOW, multipart
from tests.office import publish as publish_visit
from tests.server.opening.kit import FORM_ID, VERSION, Answers, Tablet, deliver, open_all, publish

RETIRED_AT = NOW + timedelta(hours=1)
LATER = NOW + timedelta(hours=2)


def states(context: Context) -> list[tuple[str, str | None]]:
    with context.database.read() as session:
        rows = session.execute(select(Envelope.state, Envelope.reason).order_by(Envelope.sequence))
        return [(state, reason) for state, reason in rows]


def bring_to(context: Context, *targets: str) -> None:
    for target in targets:
        with context.database.transaction() as session:
            publish_form.change_state(
                session, form_id=FORM_ID, version=VERSION, state=target, note="over", user="amina", now=RETIRED_AT
            )


@pytest.fixture
def tablet(context: Context) -> Tablet:
    publish(context)
    return Tablet(context.keystore).enrol(context)


def test_an_interview_on_a_closed_version_is_opened_as_ever(context: Context, tablet: Tablet) -> None:
    bring_to(context, "closed")
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1))], at=LATER)
    assert open_all(context).opened == 2


def test_what_comes_after_retirement_waits_until_a_person_releases_it_and_a_rebuild_keeps_both(
    context: Context, tablet: Tablet
) -> None:
    early, late, never = (tablet.seal(Answers(number=number)) for number in (1, 2, 3))
    deliver(context, [tablet.epoch(), early])
    bring_to(context, "closed", "retired")
    deliver(context, [late, never], at=LATER)
    open_all(context)
    assert states(context) == [
        ("opened", None),
        ("opened", None),  # it had come before, and was opened after
        ("quarantined", "form-retired"),
        ("quarantined", "form-retired"),
    ]
    with context.database.transaction() as session:
        settle_hold.release_quarantined(session, envelope_id=document_hash(late), user="manager", now=LATER)
    open_all(context)
    expected = [("opened", None), ("opened", None), ("opened", "released"), ("quarantined", "form-retired")]
    assert states(context) == expected
    report = rebuild(database=context.database, keystore=context.keystore, microdata=context.microdata, now=LATER)
    assert (report.is_same, report.interviews) == (True, 2)
    assert states(context) == expected
    assert verify(context.database, keystore=context.keystore, microdata=context.microdata).is_sound


def test_a_submission_that_came_before_its_form_is_opened_once_that_is_published(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    xml = (
        b'<data id="visit" version="1"><name>Amina</name><meta>'
        b"<instanceID>uuid:11111111-2222-4333-8444-555555555555</instanceID></meta></data>"
    )
    parts = multipart([('name="xml_submission_file"; filename="visit.xml"', xml)])
    assert client.post(f"/key/{app_token}/submission", data=parts, content_type=MULTIPART).status_code == 201
    open_all(context)
    assert states(context)[-1] == ("quarantined", "unknown-form-version")
    publish_visit(context, form_id="another")
    open_all(context)
    assert states(context)[-1] == ("quarantined", "unknown-form-version")
    xform = publish_visit(context)
    open_all(context)
    assert states(context)[-1] == ("opened", None)
    with context.database.read() as session:
        (revision,) = interviews.all_revisions(session)
    assert revision.form_version_hash == document_hash(xform)
    report = rebuild(database=context.database, keystore=context.keystore, microdata=context.microdata, now=LATER)
    assert (report.is_same, report.interviews) == (True, 1)
    assert verify(context.database, keystore=context.keystore, microdata=context.microdata).is_sound
