"""The life of a form version: who may bring it where, what never changes, what a change would break."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forms.library import workbook as library_workbook
from server.context import Context
from server.db.engine import Database
from server.db.queries import audit, definitions, form_events, forms
from server.db.queries.forms import CLOSED, DRAFT, PUBLISHED, RETIRED, StoredVersion
from server.errors import BadRequest, Conflict, Forbidden, FormChangeBreaks, FormVersionExists, NotFound, Problem
from server.migrations import upgrade
from server.services import offer_forms, publish_form
from server.services.publish_form import TRANSITIONS, PublishedVersion
from tests.office import NOW, Tablet

QUESTIONS = "| | text | who | Who? |"
AGE = "\n| | integer | age | Age? |"
AGE_IN_WORDS = "\n| | text | age | Age? |"
SEX = "\n| | text | sex | Sex? |"


def workbook(
    version: str = "1", *, questions: str = QUESTIONS + AGE, form_id: str = "visit", declared: str = ""
) -> bytes:
    return f"""
| survey |
| | type | name | label |
{questions}
| settings |
| | form_id | version | form_title |
| | {form_id} | {version} | Visit |
{declared}""".encode()


def publish(
    context: Context, content: bytes, *, user: str = "amina", note: str = "", map_content: bytes | None = None
) -> PublishedVersion:
    prepared = publish_form.prepare(content, "visit.md", map_content=map_content)
    with context.database.transaction() as session:
        return publish_form.publish(session, prepared, note=note, user=user, now=NOW)


def change(context: Context, version: str, state: str, *, note: str = "why", user: str = "amina") -> StoredVersion:
    with context.database.transaction() as session:
        return publish_form.change_state(
            session, form_id="visit", version=version, state=state, note=note, user=user, now=NOW
        )


def approve(context: Context, version: str, *, user: str) -> StoredVersion:
    with context.database.transaction() as session:
        return publish_form.approve(session, form_id="visit", version=version, note="", user=user, now=NOW)


def need_approval(context: Context, *, is_needed: bool = True) -> None:
    with context.database.transaction() as session:
        publish_form.set_policy(session, form_id="visit", needs_approval=is_needed, user="root", now=NOW)


def states(context: Context) -> list[tuple[str, str]]:
    with context.database.read() as session:
        return [(one.version, one.state) for one in forms.versions(session)]


def acts(context: Context, version: str) -> list[tuple[str, str, str]]:
    with context.database.read() as session:
        return [
            (one.action, one.actor, one.note) for one in form_events.events(session, form_id="visit", version=version)
        ]


def test_versions_are_a_chain_in_the_order_of_publication(context: Context) -> None:
    first, second = publish(context, workbook("1")), publish(context, workbook("2", questions=QUESTIONS + AGE + SEX))
    change(context, "1", CLOSED)
    with context.database.read() as session:
        chain = forms.chain(session, "visit")
    assert [(link.version, link.previous_hash, link.state) for link in chain] == [
        ("1", None, CLOSED),
        ("2", first.hash, PUBLISHED),
    ]
    assert second.difference is not None
    assert second.difference.verdict == "safe"


def test_what_a_version_is_never_changes_whatever_comes_later(context: Context) -> None:
    content = library_workbook("hh_remit")
    prepared = publish_form.prepare(content, "hh_remit.xlsx")
    with context.database.transaction() as session:
        published = publish_form.publish(session, prepared, note="", user="amina", now=NOW)
    publish(context, workbook("1"))
    again = publish_form.prepare(content, "hh_remit.xlsx")
    with context.database.transaction() as session:
        repeated = publish_form.publish(session, again, note="other", user="sami", now=NOW + timedelta(days=9))
    context.database.dispose()  # as after a restart
    with context.database.read() as session:
        served = forms.xform(session, published.hash)
        stored = forms.version_of_hash(session, published.hash)
    assert (repeated.is_new, repeated.hash) == (False, published.hash)
    assert served == prepared.conversion.xform
    assert stored is not None
    assert stored.md5 == hashlib.md5(served or b"", usedforsecurity=False).hexdigest()
    assert (stored.note, stored.published_by, stored.published_at) == ("", "amina", NOW)


def test_the_same_file_is_the_same_version_even_if_a_newer_converter_writes_other_bytes(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(context, workbook())
    convert = publish_form.preparing.convert

    def newer(*arguments: object, **members: object) -> object:
        from dataclasses import replace

        made = convert(*arguments, **members)  # type: ignore[arg-type]
        return replace(made, xform=made.xform + b"\n")

    monkeypatch.setattr(publish_form.preparing, "convert", newer)
    again = publish(context, workbook())
    assert (again.is_new, again.hash) == (False, first.hash)
    with context.database.read() as session:
        assert hashlib.sha256(forms.xform(session, first.hash) or b"").digest() == first.hash


def test_another_content_under_a_published_version_is_refused(context: Context) -> None:
    publish(context, workbook())
    with pytest.raises(FormVersionExists, match="raise the version"):
        publish(context, workbook(questions=QUESTIONS))


def test_a_breaking_change_is_refused_with_the_list_of_what_it_would_break(context: Context) -> None:
    publish(context, workbook("1"))
    with pytest.raises(FormChangeBreaks) as refused:
        publish(context, workbook("2", questions=QUESTIONS + AGE_IN_WORDS))
    assert [change["name"] for change in refused.value.members["changes"]] == ["age"]
    assert "age" in refused.value.detail
    assert states(context) == [("1", PUBLISHED)]


@pytest.mark.parametrize("as_sheet", [True, False])
def test_a_map_says_what_becomes_of_the_answers_and_is_stored_with_the_version(
    context: Context, *, as_sheet: bool
) -> None:
    publish(context, workbook("1"))
    if as_sheet:
        pytest.importorskip("forms.workbook.reading", reason="maps in workbooks are read by the reader of workbooks")
        sheet = "| map |\n| | question | change | from | to | rule | note |\n| | age | not-comparable | | | | |\n"
        content, declared = workbook("2", questions=QUESTIONS + AGE_IN_WORDS, declared=sheet), None
    else:
        content = workbook("2", questions=QUESTIONS + AGE_IN_WORDS)
        declared = b"question,change,from,to,rule,note\nage,not-comparable,,,,\n"
    published = publish(context, content, map_content=declared)
    assert published.difference is not None
    assert published.difference.unsettled == ()
    with context.database.read() as session:
        assert b"age,not-comparable" in (forms.chain(session, "visit")[-1].map_document or b"")


def test_a_map_without_anything_before_it_is_not_stored(context: Context) -> None:
    published = publish(
        context, workbook("1"), map_content=b"question,change,from,to,rule,note\nage,not-comparable,,,,\n"
    )
    assert "map-without-previous" in [finding.code for finding in published.findings]
    with context.database.read() as session:
        assert forms.map_document(session, published.hash) is None


def test_a_comparison_made_before_is_made_again_when_another_version_came_between(context: Context) -> None:
    publish(context, workbook("1", questions=QUESTIONS))
    prepared = publish_form.prepare(workbook("3", questions=QUESTIONS + AGE_IN_WORDS), "visit.md")
    with context.database.read() as session:
        examined = publish_form.examine(session, prepared)
    assert examined.outcome == "published"
    publish(context, workbook("2"))
    with pytest.raises(FormChangeBreaks), context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="amina", now=NOW, examined=examined)


def test_a_second_person_publishes_where_the_form_asks_for_it(context: Context) -> None:
    publish(context, workbook("1"))
    need_approval(context)
    submitted = publish(context, workbook("2"), note="new round")
    assert (submitted.state, states(context)) == (DRAFT, [("1", PUBLISHED), ("2", DRAFT)])
    with pytest.raises(Forbidden, match="second person"):
        approve(context, "2", user="amina")
    with pytest.raises(Conflict, match="second person"):
        change(context, "2", PUBLISHED, user="sami")
    approved = approve(context, "2", user="sami")
    assert (approved.state, approved.published_by, approved.submitted_by) == (PUBLISHED, "sami", "amina")
    assert acts(context, "2") == [
        ("submitted", "amina", "new round"),
        ("approved", "sami", ""),
        ("published", "sami", ""),
    ]
    with pytest.raises(Conflict, match="only a draft"):
        approve(context, "2", user="sami")


def test_a_draft_is_replaced_by_what_is_submitted_anew_and_its_history_stays(context: Context) -> None:
    publish(context, workbook("1"))
    need_approval(context)
    first = publish(context, workbook("2"))
    assert not publish(context, workbook("2"), user="sami").is_new
    second = publish(context, workbook("2", questions=QUESTIONS + AGE + SEX), user="sami")
    assert second.hash != first.hash
    with pytest.raises(Forbidden):
        approve(context, "2", user="sami")
    approve(context, "2", user="amina")
    assert [act[:2] for act in acts(context, "2")] == [
        ("submitted", "amina"), ("submitted", "sami"), ("approved", "amina"), ("published", "amina"),
    ]  # fmt: skip
    with context.database.read() as session:
        assert forms.xform(session, first.hash) is None


def test_a_draft_that_was_compared_with_another_version_must_be_submitted_again(context: Context) -> None:
    publish(context, workbook("1", questions=QUESTIONS))
    need_approval(context)
    publish(context, workbook("2", questions=QUESTIONS + AGE_IN_WORDS))
    publish(context, workbook("3"))
    approve(context, "3", user="sami")
    with pytest.raises(Conflict, match="submit it again"):
        approve(context, "2", user="sami")
    with pytest.raises(FormChangeBreaks):  # now it is seen what it would change
        publish(context, workbook("2", questions=QUESTIONS + AGE_IN_WORDS))


def test_a_draft_is_published_alone_once_the_form_no_longer_asks_for_two(context: Context) -> None:
    publish(context, workbook("1"))
    need_approval(context)
    publish(context, workbook("2"))
    need_approval(context, is_needed=False)
    assert change(context, "2", PUBLISHED).state == PUBLISHED


def test_no_tablet_sees_a_draft(context: Context, client: FlaskClient, app_token: str) -> None:
    publish(context, workbook("1"))
    need_approval(context)
    draft = publish(context, workbook("2"))
    tablet = Tablet(context, client).enrol()
    pulled = tablet.exchange().answer
    assert pulled is not None
    assert [getattr(item, "version", None) for item in pulled.pull if hasattr(item, "xform")] == ["1"]
    assert draft.hash.hex().encode() not in client.get(f"/key/{app_token}/formList").data
    assert client.get(f"/key/{app_token}/forms/{draft.hash.hex()}.xml").status_code == 404
    assert client.get(f"/key/{app_token}/forms/{draft.hash.hex()}/manifest").status_code == 404
    assert context.definition(draft.hash) is None
    approve(context, "2", user="sami")
    pulled = tablet.exchange().answer
    assert pulled is not None
    assert [getattr(item, "version", None) for item in pulled.pull] == ["2"]
    assert draft.hash.hex().encode() in client.get(f"/key/{app_token}/formList").data


def test_a_closed_version_is_taken_back_from_tablets_and_comes_again_when_it_is_reopened(
    context: Context, client: FlaskClient
) -> None:
    publish(context, workbook("1"))
    tablet = Tablet(context, client).enrol()
    tablet.exchange()
    for target, told in ((CLOSED, "withdrawn"), (PUBLISHED, "published")):
        change(context, "1", target)
        answer = tablet.exchange().answer
        assert answer is not None
        assert [getattr(item, "state", None) for item in answer.pull] == [told]
    with context.database.read() as session:
        assert [offered.version for offered in offer_forms.read_catalogue(session, set()).listed] == ["1"]


def test_closing_and_retiring_say_why(context: Context) -> None:
    publish(context, workbook("1"))
    with pytest.raises(BadRequest, match="note"):
        change(context, "1", CLOSED, note="  ")
    change(context, "1", CLOSED, note="replaced")
    with pytest.raises(BadRequest, match="note"):
        change(context, "1", RETIRED, note="")
    assert change(context, "1", RETIRED, note="over").retired_at == NOW
    assert acts(context, "1")[1:] == [("closed", "amina", "replaced"), ("retired", "amina", "over")]
    with context.database.read() as session:
        assert [entry.action for entry in audit.latest(session)] == ["form-retired", "form-closed", "publish-form"]


def test_what_is_not_there_is_not_found(context: Context) -> None:
    with pytest.raises(NotFound):
        change(context, "1", CLOSED)
    with pytest.raises(NotFound):
        approve(context, "1", user="sami")
    with pytest.raises(NotFound):
        need_approval(context)


def test_lists_that_a_form_reads_are_read_with_its_definition(context: Context) -> None:
    from forms.package import Medium

    questions = "| | select_one_from_file villages.csv | village | Where? |"
    media = [Medium(name="villages.csv", content=b"name,label\n1,Kati\n")]
    prepared = publish_form.prepare(workbook(questions=questions), "visit.md", media=media)
    with context.database.transaction() as session:
        published = publish_form.publish(session, prepared, note="", user="amina", now=NOW)
    with context.database.read() as session:
        definition = definitions.definition(session, published.hash)
    assert definition is not None
    assert definition.media == {"villages.csv": b"name,label\n1,Kati\n"}


class Lives(RuleBasedStateMachine):
    """Any order of what three people may try, against a model of one page."""

    make_database: Callable[[], Database]

    @initialize()
    def begin(self) -> None:
        self.database = type(self).make_database()
        self.state: dict[str, str] = {}
        self.submitter: dict[str, str] = {}
        self.order: list[str] = []
        self.basis: dict[str, str | None] = {}
        self.needs_approval = False
        self.published: dict[str, bytes] = {}

    @rule(version=st.sampled_from("1234"), user=st.sampled_from("abc"))
    def submit(self, version: str, user: str) -> None:
        prepared = _prepared(version)
        with self.database.transaction() as session:
            publish_form.publish(session, prepared, note="", user=user, now=NOW)
        if self.state.get(version, DRAFT) != DRAFT:
            return
        last = self.order[-1] if self.order else None
        is_new = version not in self.state or self.basis[version] != last or not self.needs_approval
        if is_new:
            self.submitter[version], self.basis[version] = user, last
            self.state[version] = DRAFT
        if not self.needs_approval:
            self._publish(version)

    @precondition(lambda self: self.state)
    @rule(is_needed=st.booleans())
    def set_policy(self, *, is_needed: bool) -> None:
        with self.database.transaction() as session:
            publish_form.set_policy(session, form_id="visit", needs_approval=is_needed, user="a", now=NOW)
        self.needs_approval = is_needed

    @rule(version=st.sampled_from("1234"), user=st.sampled_from("abc"))
    def approve(self, version: str, user: str) -> None:
        may = self.state.get(version) == DRAFT and self.submitter[version] != user and self._is_fresh(version)
        assert may == self._tries(
            lambda session: publish_form.approve(session, form_id="visit", version=version, note="", user=user, now=NOW)
        )
        if may:
            self._publish(version)

    @rule(
        version=st.sampled_from("1234"),
        state=st.sampled_from((DRAFT, PUBLISHED, CLOSED, RETIRED)),
        note=st.sampled_from(("", "x")),
    )
    def bring(self, version: str, state: str, note: str) -> None:
        source = self.state.get(version, "")
        way = TRANSITIONS.get((source, state))
        may = way is not None and (bool(note) or not way.needs_note)
        if source == DRAFT:
            may = may and not self.needs_approval and self._is_fresh(version)
        assert may == self._tries(
            lambda session: publish_form.change_state(
                session, form_id="visit", version=version, state=state, note=note, user="a", now=NOW
            )
        )
        if may and source == DRAFT:
            self._publish(version)
        elif may:
            self.state[version] = state

    def _is_fresh(self, version: str) -> bool:
        return self.basis[version] == (self.order[-1] if self.order else None)

    def _publish(self, version: str) -> None:
        self.state[version] = PUBLISHED
        self.order.append(version)

    def _tries(self, act: Callable[..., object]) -> bool:
        try:
            with self.database.transaction() as session:
                act(session)
        except Problem:
            return False
        return True

    @invariant()
    def what_is_stored_is_what_the_model_says(self) -> None:
        with self.database.read() as session:
            stored = {one.version: one for one in forms.versions(session)}
            chain = forms.chain(session, "visit")
            bytes_of = {one.version: forms.xform(session, one.hash) for one in stored.values()}
        assert {version: one.state for version, one in stored.items()} == self.state
        assert [link.version for link in chain] == self.order
        assert [link.previous_hash for link in chain] == [None, *(link.hash for link in chain)][: len(chain)]
        for version, one in stored.items():
            assert (one.feed_position is None) == (one.published_at is None) == (one.state == DRAFT)
            assert (one.retired_at is not None) == (one.state == RETIRED)
            served = self.published.setdefault(version, bytes_of[version] or b"")
            assert bytes_of[version] == served


_KEPT: dict[str, publish_form.Prepared] = {}


def _prepared(version: str) -> publish_form.Prepared:
    if version not in _KEPT:
        _KEPT[version] = publish_form.prepare(workbook(version), "visit.md")
    return _KEPT[version]


def test_any_order_of_acts_ends_where_the_table_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    made: list[Database] = []

    def make_database() -> Database:
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('lives')}/passerelle.db")
        upgrade(database)
        made.append(database)
        return database

    machine = type("LivesHere", (Lives,), {"make_database": staticmethod(make_database)})
    from hypothesis.stateful import run_state_machine_as_test

    try:
        run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))
    finally:
        for database in made:
            database.dispose()
