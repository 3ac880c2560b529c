"""A made world for tests of rows: two projects, two teams in the first, and one tablet and one app user in each.

Everything that belongs somewhere carries the name of the place where it belongs, so that what an answer must not show
can be looked for in its text.
"""

from dataclasses import dataclass

from flask.testing import FlaskClient

from server.context import Context
from server.db.queries import fieldwork
from server.db.queries.frame_rows import PsuRow
from server.folding.checking import CheckingWorker
from server.services import accounts as account_service
from server.services import app_users, projects, proposals, set_up_entity_list
from tests.office import NOW, begin_session
from tests.server.opening.kit import Answers, Tablet, deliver, draw, household, open_all, publish, raw_id

PROJECT = 1
FORM_TOKEN = "of the session"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One corner of the world; numbers name its interviews: one in the draw, one outside it, which is held."""

    word: str
    project_id: int
    form_id: str
    team: str
    number: int

    @property
    def enumerator(self) -> str:
        return f"code-{self.word}"

    @property
    def psu(self) -> str:
        return f"psu-{self.word}"

    @property
    def app_user(self) -> str:
        return f"Collect of {self.word}"

    @property
    def device(self) -> str:
        return f"tablet-{self.word}"

    @property
    def entity_list(self) -> str:
        return f"households-{self.word}"

    @property
    def interviews(self) -> tuple[str, str]:
        return raw_id(self.number).hex(), raw_id(self.number + 1).hex()

    @property
    def marks(self) -> tuple[str, ...]:
        """What an answer shows when it shows anything of this place."""
        return (self.enumerator, self.psu, self.app_user, *self.interviews)


OWN = Place(word="own", project_id=1, form_id="ours", team="team-of-ours", number=101)
TEAM = Place(word="beside", project_id=1, form_id="ours", team="team-beside", number=201)
ABROAD = Place(word="abroad", project_id=2, form_id="theirs", team="team-of-ours", number=301)
PLACES = (OWN, TEAM, ABROAD)
OF_PROJECT = ("theirs", "Survey abroad", ABROAD.entity_list, *ABROAD.marks)
OF_TEAM = ("team-beside", *TEAM.marks)
VIEWERS = {
    "manager": OF_PROJECT,
    "statistician": OF_PROJECT,
    "supervisor": (*OF_PROJECT, *OF_TEAM),
    "enumerator": (*OF_PROJECT, *OF_TEAM),
}
"""Role → what somebody of that role, in the first project and at the place `OWN`, must never be shown."""


def make_world(context: Context) -> dict[str, int]:
    """Fill an empty office; return the number of the app user of each place, by its word."""
    with context.database.transaction() as session:
        projects.add_project(session, name="Survey abroad", user="root", now=NOW)
    _draw(context)
    for form_id, project_id in (("ours", 1), ("theirs", 2)):
        publish(context, form_id, project_id=project_id)
    for place in PLACES:
        _collect(context, place)
    CheckingWorker(context.database, context.keystore, lambda: NOW).run_until_idle()
    with context.database.transaction() as session:
        for place in PLACES:
            app_users.create_app_user(
                session,
                name=place.app_user,
                enumerator=place.enumerator,
                team=place.team,
                project_id=place.project_id,
                user="root",
                now=NOW,
            )
        for place in (OWN, ABROAD):
            set_up_entity_list.create_list(
                session,
                project_id=place.project_id,
                name=place.entity_list,
                properties=["age"],
                user="root",
                now=NOW,
            )
        for place in PLACES:
            proposals.propose_erasure(
                session,
                keystore=context.keystore,
                instance_id=raw_id(place.number),
                note="they asked",
                user="root",
                now=NOW,
            )
        for role in VIEWERS:
            _add_viewer(session, role)
        return {place.word: app_users.find_app_user(session, place.app_user).app_user_id for place in PLACES}


def viewer(context: Context, client: FlaskClient, role: str) -> FlaskClient:
    """Log somebody of a role in at the console, with a token that forms take."""
    begin_session(client, context, f"viewer-{role}")
    with client.session_transaction() as session:
        session["form_token"] = FORM_TOKEN
    return client


def _add_viewer(session: object, role: str) -> None:
    account_service.add_user(
        session,  # type: ignore[arg-type]
        name=f"viewer-{role}",
        role=role,
        password=None,
        actor="root",
        now=NOW,
        team=OWN.team if role == "supervisor" else "",
        enumerator=OWN.enumerator if role == "enumerator" else "",
        in_projects=[PROJECT],
    )


def _draw(context: Context) -> None:
    with context.database.transaction() as session:
        fieldwork.replace_frame(
            session,
            [
                PsuRow(
                    psu=place.psu, stratum="s", province="p", area="1", frame_households=10,
                    stratum_frame_households=30, drawn=True, drawn_in_stratum=3, certainty=False, segments=1,
                    replicate=None,
                )
                for place in PLACES
            ],
        )  # fmt: skip
    draw(context, [(household(place.number), place.psu, place.enumerator) for place in PLACES])


def _collect(context: Context, place: Place) -> None:
    tablet = Tablet(
        context.keystore,
        place.device,
        enumerator=place.enumerator,
        team=place.team,
        project_id=place.project_id,
    ).enrol(context)
    sealed = [
        tablet.seal(Answers(number=number, key=household(number), enumerator=place.enumerator, form_id=place.form_id))
        for number in (place.number, place.number + 1)
    ]
    deliver(context, [tablet.epoch(), *sealed], carrier=tablet.device_id)
    open_all(context)
