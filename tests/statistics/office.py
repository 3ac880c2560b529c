"""An office with a quarter survey of the made country in its database and microdata store.

Interviews are filled through the form and read as the server reads them; only their journey in envelopes is left out.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import numpy as np
from sqlalchemy import insert
from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from forms.filling import fill
from forms.instance import parse_instance
from forms.library import MAP, map_file, workbook
from forms.structure import OpenedAnswers, read_answers
from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.tables import Interview, MicrodataPart, Revision
from server.demo.answers import NEWEST, VERSIONS, answers_of
from server.demo.cases import Case, Fieldwork, make_cases
from server.demo.country import Country
from server.demo.design import assign, draw_survey
from server.demo.fieldwork import NOT_RECEIVED, keep_silent, visit_households
from server.demo.frame_files import make_frame_files
from server.demo.rates import make_rates
from server.demo.reporting import make_reports
from server.keystore import KeyStore
from server.microdata import Microdata, Standing
from server.migrations import upgrade
from server.services import close_psu, publish_form
from server.services.import_frame import FrameDocument, import_frame
from server.services.publish_form import Prepared

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
SEED = 148


@dataclass(frozen=True)
class Opened:
    """One interview of a drawn household, read from its instance."""

    case: Case
    interview_id: bytes
    definition: FormDefinition
    answers: OpenedAnswers


@dataclass(frozen=True)
class Made:
    """A survey before it is stored anywhere."""

    fieldwork: Fieldwork
    interviews: tuple[Opened, ...]


def prepared_version(version: int) -> Prepared:
    """Prepare a version of the questionnaire with the map that leads to it."""
    name = f"hh_remit@{version}"
    return publish_form.prepare(workbook(name, leave_out=(MAP,)), f"{name}.xlsx", map_content=map_file(name))


def make_survey(country: Country, version_of: Callable[[Case], int] = lambda case: NEWEST) -> Made:
    """Interview the sample; ``version_of`` says which version of the questionnaire a household is asked."""
    rng = np.random.default_rng([SEED, 20])
    survey = draw_survey(country, rng, psus=80)
    outcomes = visit_households(country, rng, survey)
    reports = make_reports(country, SEED)
    silences = keep_silent(country, rng, reports)
    assignment = assign(rng, survey, enumerators=100)
    fieldwork = Fieldwork(country, reports, silences, survey, assignment, outcomes, SEED)
    return Made(fieldwork, tuple(_interviews(fieldwork, version_of)))


def _interviews(fieldwork: Fieldwork, version_of: Callable[[Case], int]) -> Iterator[Opened]:
    rates = make_rates()
    definitions = {version: prepared_version(version).definition for version in VERSIONS}
    for case in make_cases(fieldwork):
        if case.disposition == NOT_RECEIVED:
            continue
        version = version_of(case)
        definition = definitions[version]
        interview_id = uuid.uuid5(uuid.NAMESPACE_URL, case.key)
        filled = fill(
            definition,
            answers_of(case, rates, seed=SEED, version=version),
            now=NOW,
            new_uuid=lambda: str(uuid.uuid4()),
            device_id="device",
            instance_id=f"uuid:{interview_id}",
        )
        yield Opened(case, interview_id.bytes, definition, read_answers(definition, parse_instance(filled.xml)))


class Office:
    """A server's context over a folder; :meth:`found` makes one with form and frame, nothing stored or closed yet."""

    def __init__(self, folder: Path, keys_dir: Path, made: Made) -> None:
        self.made = made
        database = Database(f"sqlite:///{folder / 'passerelle.db'}")
        keystore = KeyStore.open(keys_dir, None)
        config = Config(data_dir=folder, database_url=database.url)
        microdata = Microdata(config.microdata_dir, keystore, database)
        self.context = Context(config=config, database=database, keystore=keystore, microdata=microdata)

    @classmethod
    def found(cls, folder: Path, keys_dir: Path, made: Made, versions: Sequence[int] = VERSIONS) -> Self:
        """Make an office that publishes versions of the questionnaire, each with its map, and imports the frame."""
        office = cls(folder, keys_dir, made)
        upgrade(office.context.database)
        with office.context.database.transaction() as session:
            for version in versions:
                publish_form.publish(session, prepared_version(version), note="", user="manager", now=NOW)
            office._import_frame(session)
        return office

    def copied_to(self, folder: Path, keys_dir: Path) -> Self:
        """Return an office of its own that starts with all that this one has."""
        self.close()
        shutil.copytree(self.context.config.data_dir, folder, dirs_exist_ok=True)
        return type(self)(folder, keys_dir, self.made)

    def close(self) -> None:
        self.context.database.dispose()

    def _import_frame(self, session: Session) -> None:
        fieldwork = self.made.fieldwork
        files = make_frame_files(fieldwork.country, fieldwork.survey, fieldwork.assignment, make_rates())
        documents = [
            FrameDocument(kind=kind, name=f"{kind}.csv", content=getattr(files, kind))
            for kind in ("frame", "listing", "draw", "rates", "totals")
        ]
        import_frame(session, documents=documents, keystore=self.context.keystore, user="manager", now=NOW)

    def store(self, interviews: tuple[Opened, ...], *, received_at: datetime = NOW - timedelta(days=1)) -> None:
        """Store interviews as the opening does: a part of microdata a version, then the rows that name it."""
        for definition in {one.definition.hash: one.definition for one in interviews}.values():
            mine = tuple(one for one in interviews if one.definition.hash == definition.hash)
            self._store_part(definition, mine, received_at=received_at)

    def _store_part(self, definition: FormDefinition, interviews: tuple[Opened, ...], *, received_at: datetime) -> None:
        part = self.context.microdata.write_part(
            definition,
            [one.answers.analysis for one in interviews],
            [one.answers.identifiers for one in interviews],
        )
        with self.context.database.transaction() as session:
            part_id = session.execute(
                insert(MicrodataPart).returning(MicrodataPart.part_id),
                [
                    {
                        "form_version_hash": definition.hash,
                        "mode": "survey",
                        "rows": part.rows,
                        "analysis_path": part.analysis_path,
                        "identifiers_path": part.identifiers_path,
                        "analysis_sha256": part.analysis_sha256,
                        "identifiers_sha256": part.identifiers_sha256,
                        "created_at": received_at,
                    }
                ],
            ).scalar_one()
            for row, one in enumerate(interviews):
                self._name(session, one, place=(part_id, row), received_at=received_at)

    def _name(self, session: Session, one: Opened, *, place: tuple[int, int], received_at: datetime) -> None:
        standing = Standing(
            household_key=one.case.key,
            weighs=True,
            is_primary=True,
            outcome=str(one.case.disposition),
            decided=None,
            enumerator=f"{one.case.enumerator:04d}",
        )
        revision_id = session.execute(
            insert(Revision).returning(Revision.revision_id),
            [
                {
                    "instance_id": one.interview_id,
                    "answers_hash": hashlib.sha256(repr(one.answers.analysis).encode()).digest(),
                    "envelope_sequence": 0,
                    "envelope_id": one.interview_id * 2,
                    "interview_id": one.interview_id,
                    "form_version_hash": one.definition.hash,
                    "mode": "survey",
                    "role": "enumerator",
                    "source": "device",
                    "device_time": "",
                    "received_at": received_at,
                    "part_id": place[0],
                    "row": place[1],
                    "sealed": b"",
                }
            ],
        ).scalar_one()
        session.execute(
            insert(Interview),
            [
                {
                    "interview_id": one.interview_id,
                    "form_id": "hh_remit",
                    "mode": "survey",
                    "state": "current",
                    "current_revision_id": revision_id,
                    "household_tag": None,
                    "holds": "",
                    "sealed": standing.seal(one.interview_id, self.context.keystore),
                    "updated_at": received_at,
                }
            ],
        )

    def finish_fieldwork(self) -> None:
        """Declare the lost units lost and close all others."""
        survey, outcomes = self.made.fieldwork.survey, self.made.fieldwork.outcomes
        codes = self.made.fieldwork.country.psus.code[survey.psus.psu[outcomes.lost]]
        with self.context.database.transaction() as session:
            for code in codes.tolist():
                close_psu.lose(session, psu=code, reason="flood", user="manager", now=NOW)
            close_psu.close_all(session, user="manager", now=NOW)
