"""From a received envelope to an interview and its row, or to a reason why not."""

import struct
import zlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from forms.documents import MAX_DEPTH
from server.context import Context
from server.db.queries import audit, devices, interviews, opening, reopening
from server.db.queries.interviews import StoredInterview, StoredRevision
from server.db.tables import Envelope, Verdict
from server.errors import Maintenance
from server.folding import entities
from server.folding.fold import Filed
from server.folding.reasons import reason_text
from server.keystore import OFFICE_ID
from server.microdata import Microdata, WrittenPart
from server.services import rebuild, settle_hold, verify_store
from sync_protocol import envelope as layout
from sync_protocol import ratchet
from sync_protocol.documents import document_hash
from sync_protocol.errors import EnvelopeError, LocalError
from tests import office
from tests.office import NOW
from tests.server.opening.kit import (
    FORM_ID,
    Answers,
    Tablet,
    deliver,
    form_hash,
    household,
    open_all,
    publish,
    publish_xform,
    raw_id,
    xform,
)


@pytest.fixture
def tablet(context: Context) -> Tablet:
    """An enrolled tablet at an office that has published the questionnaire."""
    publish(context)
    return Tablet(context.keystore).enrol(context)


def states(context: Context) -> list[tuple[str, str | None]]:
    with context.database.read() as session:
        rows = session.execute(select(Envelope.state, Envelope.reason).order_by(Envelope.sequence))
        return [(state, reason) for state, reason in rows]


def revisions(context: Context) -> tuple[StoredRevision, ...]:
    with context.database.read() as session:
        return interviews.all_revisions(session)


def folded(context: Context) -> tuple[StoredInterview, ...]:
    with context.database.read() as session:
        return interviews.all_interviews(session)


def rows(context: Context, mode: str = "survey", store: str = "analysis") -> list[dict[str, object]]:
    parts = context.microdata.read(store, form_id=FORM_ID, mode=mode)  # type: ignore[arg-type]
    return [row for part in parts for row in part.table.to_pylist()]


def test_an_interview_is_opened_folded_and_readable_as_columns(context: Context, tablet: Tablet) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1, key=household(1)))])
    batch = open_all(context)
    assert (batch.opened, batch.waiting, batch.quarantined) == (2, 0, 0)
    (row,) = rows(context)
    assert row["household_key"] == household(1)
    assert str(row["amount"]) == "10.500000000"
    assert row["age"] == 41
    assert [float(worker["w_cost"]) for worker in row["worker"]] == [100.0]  # type: ignore[attr-defined]
    assert row["_interview_id"] == raw_id(1).hex()
    assert row["_weighs"] is True


def test_names_and_free_text_are_in_the_other_store_only(context: Context, tablet: Tablet) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1))])
    open_all(context)
    (analysis,), (identifiers,) = rows(context), rows(context, store="identifiers")
    assert not {"name", "note", "instanceName"} & analysis.keys()
    assert (identifiers["name"], identifiers["note"]) == ("Adjoa", "n")
    assert [worker["w_name"] for worker in identifiers["worker"]] == ["Kofi"]  # type: ignore[attr-defined]
    assert "amount" not in identifiers


def test_the_same_answers_are_one_revision_whatever_the_ciphertext_or_white_space(
    context: Context, tablet: Tablet
) -> None:
    answers = Answers(number=1)
    deliver(context, [tablet.epoch(), tablet.seal(answers), tablet.seal(answers), tablet.seal(answers, spaced=True)])
    assert open_all(context).opened == 4
    assert len(revisions(context)) == 1
    assert [item.state for item in folded(context)] == ["current"]


def test_a_copy_that_comes_later_does_not_change_when_a_revision_came(context: Context, tablet: Tablet) -> None:
    answers = Answers(number=1)
    for hours in (1, 0, 2):
        deliver(context, [tablet.epoch(), tablet.seal(answers)], at=NOW + timedelta(hours=hours))
        open_all(context)
    assert [row.received_at for row in revisions(context)] == [NOW]


def test_other_answers_under_a_known_instance_id_are_both_kept_in_conflict(context: Context, tablet: Tablet) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1)), tablet.seal(Answers(number=1, age="42"))])
    open_all(context)
    assert len(revisions(context)) == 2
    assert [item.state for item in folded(context)] == ["id-collision"]


@pytest.mark.parametrize("by", ["header", "deprecatedID"])
def test_an_edit_takes_the_place_of_what_it_edits_even_when_it_comes_first(
    context: Context, tablet: Tablet, by: str
) -> None:
    first = tablet.seal(Answers(number=1))
    if by == "header":
        edit = tablet.seal(Answers(number=2, age="42"), parents=[1])
    else:
        edit = tablet.seal(Answers(number=2, age="42", edits=1))
    deliver(context, [tablet.epoch(), edit])
    open_all(context)
    assert [(item.interview_id, item.state) for item in folded(context)] == [(raw_id(1), "incomplete-history")]
    deliver(context, [first])
    open_all(context)
    assert [(item.interview_id, item.state) for item in folded(context)] == [(raw_id(1), "current")]
    assert [row["age"] for row in rows(context)] == [42]


def test_modes_are_kept_apart(context: Context, tablet: Tablet) -> None:
    for number, mode in enumerate(("survey", "training", "pilot"), start=1):
        deliver(context, [tablet.epoch(mode), tablet.seal(Answers(number=number, mode=mode), mode=mode)])
    open_all(context)
    assert [[row["_interview_id"] for row in rows(context, mode)] for mode in ("survey", "training", "pilot")] == [
        [raw_id(1).hex()],
        [raw_id(2).hex()],
        [raw_id(3).hex()],
    ]


def test_an_interview_waits_for_its_epoch_and_no_other_waits_with_it(context: Context, tablet: Tablet) -> None:
    other = Tablet(context.keystore, "tablet-2").enrol(context)
    deliver(context, [tablet.seal(Answers(number=1)), other.epoch(), other.seal(Answers(number=2))])
    open_all(context)
    assert [state for state, _ in states(context)] == ["waiting-for-epoch", "opened", "opened"]
    deliver(context, [tablet.epoch()])
    open_all(context)
    assert {state for state, _ in states(context)} == {"opened"}
    assert len(rows(context)) == 2


def test_an_interview_waits_for_its_form_version(context: Context, tablet: Tablet) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1, version="2"))])
    open_all(context)
    assert [state for state, _ in states(context)] == ["opened", "waiting-for-form"]
    publish(context, version="2")
    open_all(context)
    assert [state for state, _ in states(context)] == ["opened", "opened"]


DICTIONARY = b"<data id='visit' version='1'><name></name></data>"


def test_an_interview_is_inflated_with_the_dictionary_of_its_form(context: Context, tablet: Tablet) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1, version="2"), dictionary=DICTIONARY)])
    open_all(context)
    assert [state for state, _ in states(context)] == ["opened", "waiting-for-form"]
    publish(context, version="2", dictionary=DICTIONARY)
    open_all(context)
    assert [state for state, _ in states(context)] == ["opened", "opened"]
    assert len(rows(context)) == 1
    rebuild.rebuild(database=context.database, keystore=context.keystore, microdata=context.microdata, now=NOW)
    assert verify_store.verify(context.database, keystore=context.keystore).is_sound


def test_an_interview_with_an_unknown_dictionary_is_tried_again_when_a_form_is_published(
    context: Context, tablet: Tablet
) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1), dictionary=DICTIONARY)])
    open_all(context)
    assert states(context)[1] == ("quarantined", "unknown-dictionary")
    for language in ("en", "fr"):
        assert reason_text("unknown-dictionary", language).ends_by_itself
    office.publish(context)
    assert states(context)[1] == ("received", None)
    open_all(context)
    assert states(context)[1] == ("quarantined", "unknown-dictionary")
    publish(context, version="2", dictionary=DICTIONARY)
    with context.database.transaction() as session:
        reopening.retry_unknown_dictionaries(session)
    open_all(context)
    assert states(context)[1] == ("opened", None)


def test_interviews_wait_while_the_key_store_is_locked(
    context: Context, tablet: Tablet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1))])
    with monkeypatch.context() as locking:
        locking.setattr(context.keystore, "_vault", None)
        open_all(context)
        assert [state for state, _ in states(context)] == ["opened", "waiting-for-key"]
        assert "wait for the key" in caplog.text
    open_all(context)
    assert [state for state, _ in states(context)] == ["opened", "opened"]


def _sealed_as(tablet: Tablet, packed: bytes, number: int) -> bytes:
    """Seal any plaintext, as a hostile tablet would."""
    good = tablet.seal(Answers(number=number))
    header = layout.peek(good)
    assert isinstance(header, layout.Header)
    key = ratchet.content_key(
        ratchet.advance(tablet._epochs["survey"][1], header.index), header.epoch_hash, header.index
    )
    return layout._seal(header, key, tablet.signer, packed)


def _packed(document: bytes, manifest: bytes = b'{"device_time":"x"}') -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(struct.pack(">I", len(manifest)) + manifest + document) + deflater.flush()


def _flip(body: bytes, place: int) -> bytes:
    flipped = bytearray(body)
    flipped[place] ^= 1
    return bytes(flipped)


XML = Answers(number=9).xml()
POISON: dict[str, tuple[str, Callable[[Tablet], bytes]]] = {
    "not an envelope": ("malformed", lambda _: b"hello"),
    "nothing": ("malformed", lambda _: b""),
    "cut short": ("truncated", lambda tablet: tablet.seal(Answers(number=9))[:100]),
    "signature": ("signature-invalid", lambda tablet: _flip(tablet.seal(Answers(number=9)), -1)),
    "body": ("signature-invalid", lambda tablet: _flip(tablet.seal(Answers(number=9)), 300)),
    "trailing bytes": ("trailing-bytes", lambda tablet: _sealed_as(tablet, _packed(XML) + b"x", 9)),
    "no deflate": ("malformed", lambda tablet: _sealed_as(tablet, b"\xff" * 50, 9)),
    "bomb": ("too-large", lambda tablet: _sealed_as(tablet, _packed(b" " * (5 << 20)), 9)),
    "no manifest": ("malformed", lambda tablet: _sealed_as(tablet, _packed(XML, b"[]"), 9)),
    "not XML": ("malformed", lambda tablet: tablet.seal(b"hello", number=9)),
    "doctype": ("doctype", lambda tablet: tablet.seal(b'<!DOCTYPE d [<!ENTITY x "y">]>' + XML, number=9)),
    "deep": ("too-deep", lambda tablet: tablet.seal(b"<a>" * (MAX_DEPTH + 9) + b"</a>" * (MAX_DEPTH + 9), number=9)),
    "large": ("too-large", lambda tablet: tablet.seal(b'<data id="small">' + b" " * (1 << 20) + b"</data>", number=9)),
    "no form": ("no-form-id", lambda tablet: tablet.seal(b"<data/>", number=9)),
    "form": ("wrong-form", lambda tablet: tablet.seal(Answers(number=9, form_id="x"), form_version_hash=form_hash())),
    "age": ("wrong-form", lambda tablet: tablet.seal(Answers(number=9, version="7"), form_version_hash=form_hash())),
    "other instance": ("wrong-instance-id", lambda tablet: tablet.seal(Answers(number=9), number=8)),
    "stranger": ("unknown-certificate", lambda tablet: Tablet(tablet.keystore, "stranger").seal(Answers(number=9))),
}  # fmt: skip


@pytest.mark.parametrize("kind", POISON)
def test_a_poisoned_envelope_is_set_aside_with_its_reason_and_delays_nobody(sqlite_context: Context, kind: str) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    reason, poison = POISON[kind]
    before, bad, after = tablet.seal(Answers(number=1)), poison(tablet), tablet.seal(Answers(number=2))
    deliver(sqlite_context, [tablet.epoch(), before, bad, after])
    open_all(sqlite_context)
    assert states(sqlite_context) == [("opened", None), ("opened", None), ("quarantined", reason), ("opened", None)]
    assert len(rows(sqlite_context)) == 2
    with sqlite_context.database.read() as session:
        assert [item.reason for item in opening.quarantined(session)] == [reason]


def test_every_flipped_byte_is_detected(sqlite_context: Context) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    good = tablet.seal(Answers(number=1, workers=(), note=""))
    deliver(sqlite_context, [tablet.epoch(), *(_flip(good, place) for place in range(len(good)))])
    open_all(sqlite_context)
    assert not revisions(sqlite_context)
    assert {state for state, _ in states(sqlite_context)[1:]} == {"quarantined"}
    deliver(sqlite_context, [good])
    assert open_all(sqlite_context).opened == 1


@pytest.mark.parametrize("name", ["tablet-1", OFFICE_ID])
def test_only_the_offices_decision_key_decides(sqlite_context: Context, name: str) -> None:
    publish(sqlite_context)
    forger = Tablet(sqlite_context.keystore, name, role="manager").enrol(sqlite_context)
    interview = forger.seal(Answers(number=1))
    forged = forger.decide(about=1, decision={"action": "settle-hold", "verdict": "exclude", "user": "nobody"})
    deliver(sqlite_context, [forger.epoch(), interview, forged])
    open_all(sqlite_context)
    assert states(sqlite_context)[2] == ("quarantined", "not-the-office")
    assert [row["_weighs"] for row in rows(sqlite_context)] == [True]


def test_an_epoch_of_another_device_opens_nothing(sqlite_context: Context) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    thief = Tablet(sqlite_context.keystore, "tablet-2").enrol(sqlite_context)
    thief._epochs, thief._indices = dict(tablet._epochs) or {"survey": (tablet.epoch(), b"")}, {"survey": 0}
    thief._epochs["survey"] = (tablet.epoch(), tablet._drawn("epoch key survey"))
    deliver(sqlite_context, [tablet.epoch(), thief.seal(Answers(number=1))])
    open_all(sqlite_context)
    assert states(sqlite_context)[1] == ("quarantined", "certificate-mismatch")


@pytest.mark.parametrize("epoch_first", [True, False])
def test_interviews_of_an_epoch_that_cannot_be_trusted_go_where_it_went(
    sqlite_context: Context, epoch_first: bool
) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    forged = _flip(tablet.epoch(), -1)
    tablet._epochs["survey"] = (forged, tablet._drawn("epoch key survey"))
    interview = tablet.seal(Answers(number=1))
    for body in [forged, interview] if epoch_first else [interview, forged]:
        deliver(sqlite_context, [body])
        open_all(sqlite_context)
    assert states(sqlite_context) == [("quarantined", "signature-invalid")] * 2


def test_a_form_that_cannot_be_read_sets_its_interviews_aside(
    sqlite_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(sqlite_context)
    broken = xform(version="2")
    publish_xform(sqlite_context, broken)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    with sqlite_context.database.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE form_version SET xform = x'00' WHERE hash = ?", (document_hash(broken),)
        )
    deliver(
        sqlite_context,
        [tablet.epoch(), tablet.seal(Answers(number=1, version="2")), tablet.seal(Answers(number=2))],
    )
    open_all(sqlite_context)
    assert states(sqlite_context) == [("opened", None), ("quarantined", "unforeseen"), ("opened", None)]


def test_an_interview_that_the_database_cannot_take_is_found_among_its_neighbours(
    context: Context, tablet: Tablet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(context, [tablet.epoch(), *(tablet.seal(Answers(number=number)) for number in range(1, 8))])
    add_revisions = interviews.add_revisions

    def refuse(session: object, rows: list[dict[str, object]]) -> None:
        for row in rows:
            if row["instance_id"] == raw_id(5):
                row["mode"] = None
        add_revisions(session, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(interviews, "add_revisions", refuse)
    batch = open_all(context)
    assert (batch.opened, batch.quarantined) == (7, 1)
    assert [reason for _, reason in states(context) if reason] == ["cannot-be-folded"]
    assert len(rows(context)) == 6


@pytest.mark.parametrize(
    "error", [EnvelopeError("malformed", "x"), LocalError("x", "x"), RuntimeError(), AttributeError(), RecursionError()]
)
@pytest.mark.parametrize("at", ["writing", "folding"])
def test_whatever_one_interview_breaks_stops_no_other(
    sqlite_context: Context, monkeypatch: pytest.MonkeyPatch, at: str, error: Exception
) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(
        sqlite_context,
        [tablet.epoch(), *(tablet.seal(Answers(number=number, note=f"no. {number}")) for number in range(1, 5))],
    )
    fold_batch, write_part = entities.fold_batch, Microdata.write_part

    def fold(session: Any, filed: Sequence[Filed], *rest: Any, **named: Any) -> None:
        if any(item.opened.revision.instance_id == raw_id(2) for item in filed):
            raise error
        fold_batch(session, filed, *rest, **named)

    def write(self: Microdata, definition: Any, analysis: Sequence[Any], identifiers: Any) -> WrittenPart:
        if "no. 2" in str((analysis, identifiers)):
            raise error
        return write_part(self, definition, analysis, identifiers)

    if at == "folding":
        monkeypatch.setattr(entities, "fold_batch", fold)
    else:
        monkeypatch.setattr(Microdata, "write_part", write)
    batch = open_all(sqlite_context)
    assert (batch.opened, batch.quarantined) == (4, 1)
    reason = "cannot-be-folded" if at == "folding" else "unstorable-answers"
    assert [said for _, said in states(sqlite_context) if said] == [reason]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Maintenance("the database is away")])
def test_trouble_of_the_machine_is_blamed_on_no_interview(
    sqlite_context: Context, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(sqlite_context, [tablet.epoch(), tablet.seal(Answers(number=1))])

    def fail(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(entities, "fold_batch", fail)
        with pytest.raises(type(error)):
            open_all(sqlite_context)
    assert states(sqlite_context) == [("received", None)] * 2
    assert open_all(sqlite_context).opened == 2


def test_what_fails_the_structural_check_is_opened_and_its_findings_are_kept_sealed(
    context: Context, tablet: Tablet
) -> None:
    xml = Answers(number=1, age="forty", result="999").xml().replace(b"</data>", b"<spy>1</spy></data>")
    deliver(context, [tablet.epoch(), tablet.seal(xml, number=1)])
    assert open_all(context).opened == 2
    (row,) = rows(context)
    assert row["age"] is None
    with context.database.read() as session:
        (held,) = interviews.all_interviews(session)
    from server.microdata import Standing

    codes = {code for code, _ in Standing.open(held.sealed, held.interview_id, context.keystore).findings}
    assert codes == {"bad-type", "not-a-choice", "unknown-node"}


def test_numbers_beyond_every_column_do_not_stop_an_interview(context: Context, tablet: Tablet) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1, amount="9e30", age="9" * 18))])
    assert open_all(context).opened == 2
    (row,) = rows(context)
    assert (row["amount"], row["age"]) == (None, int("9" * 18))


def test_what_a_revoked_device_sealed_is_set_aside_whoever_carries_it_until_a_person_releases_it(
    context: Context, tablet: Tablet
) -> None:
    early, late = tablet.seal(Answers(number=1)), tablet.seal(Answers(number=2))
    deliver(context, [tablet.epoch(), early])
    with context.database.transaction() as session:
        devices.revoke_device(session, device_id=tablet.device_id, now=NOW + timedelta(hours=1))
    deliver(context, [late], carrier="tablet-2", at=NOW + timedelta(hours=2))
    open_all(context)
    assert states(context) == [("opened", None), ("opened", None), ("quarantined", "after-revocation")]
    with context.database.transaction() as session:
        settle_hold.release_quarantined(session, envelope_id=document_hash(late), user="manager", now=NOW)
    open_all(context)
    assert states(context)[2] == ("opened", "released:after-revocation")
    assert len(rows(context)) == 2


def test_the_maker_is_told_of_what_came_in_a_file(sqlite_context: Context) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(sqlite_context, [tablet.epoch(), tablet.seal(Answers(number=1))], carrier="file")
    open_all(sqlite_context)
    with sqlite_context.database.read() as session:
        told = session.execute(select(Verdict.device_id, Verdict.state)).all()
    assert [tuple(row) for row in told] == [(tablet.device_id, "opened")]


def test_maker_and_carrier_are_told_what_became_of_envelopes(context: Context, tablet: Tablet) -> None:
    bad = _flip(tablet.seal(Answers(number=2)), -1)
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1)), bad], carrier="tablet-7")
    open_all(context)
    with context.database.read() as session:
        told = session.execute(select(Verdict.device_id, Verdict.instance_id, Verdict.state, Verdict.reason)).all()
    assert {tuple(row) for row in told} == {
        ("tablet-7", raw_id(1), "opened", None),
        (tablet.device_id, raw_id(1), "opened", None),
        ("tablet-7", raw_id(2), "quarantined", "signature-invalid"),
    }


def test_unwrapping_an_epoch_is_audited(context: Context, tablet: Tablet) -> None:
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1))])
    open_all(context)
    with context.database.read() as session:
        entries = [(entry.action, entry.subject) for entry in audit.latest(session)]
    assert ("open-epoch", document_hash(tablet.epoch()).hex()) in entries
