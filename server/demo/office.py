"""The office of the demonstration: its commands, run as a person would run them, and what lies in its store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any, Final

from server.clock import utc_now
from server.config import Config
from server.context import Context
from server.db.queries import clocks, devices, forms, interviews, opening
from server.db.queries.interviews import StoredInterview
from server.db.tables.accounts import FIRST_PROJECT
from server.db.tables.envelopes import OPENED, QUARANTINED
from server.demo import dwellings, harmonised
from server.demo.dwellings import SentFile
from server.demo.harmonised import Traces
from server.demo.parameters import FIELDWORK_START
from server.demo.problems import DemoError
from server.folding import checking
from server.services import app_users, enrol_device, projects, settle_hold
from server.services.import_frame import FrameDocument, import_frame
from server.services.import_frame.columns import Kind
from sync_protocol.enrolment import EnrolmentLink, encode_link

OPENING_SECONDS: Final = 300.0
USER: Final = "demo"
IMPORTED_AT: Final = datetime.combine(FIELDWORK_START, clock_time(8), UTC) - timedelta(days=7)
FRAME_KINDS: Final[tuple[Kind, ...]] = ("frame", "listing", "draw", "rates", "totals")


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies in the store: instanceIDs of all revisions, interviews, and the times that devices wrote.

    ``revisions`` counts them by interview; ``versions`` are the form versions that envelopes name, by interview.
    """

    instance_ids: tuple[bytes, ...]
    interviews: tuple[StoredInterview, ...]
    revisions: Mapping[bytes, int]
    versions: Mapping[bytes, str]
    device_times: Mapping[str, tuple[str, ...]]


def _of_tablets(times: Mapping[str, tuple[str, ...]], devices: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Leave out Collects: what they send is sealed at the door, by the server's clock."""
    return {source: found for source, found in times.items() if source in devices}


class Office:
    """One office in its data folder, reached by its own command line."""

    def __init__(self, data: Path, *, port: int) -> None:
        """Take the folder, which need not exist yet, and the port to serve on."""
        self.data = data
        self.url = f"http://127.0.0.1:{port}"
        self.port = port

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its commands."""
        return {**os.environ, "PASSERELLE_DATA": str(self.data), "PASSERELLE_BASE_URL": self.url}

    def command(self, *arguments: str) -> list[str]:
        """Return a whole command line."""
        return [sys.executable, "-m", "server.cli", "--data", str(self.data), *arguments]

    @property
    def serve_command(self) -> list[str]:
        """The command line that serves it."""
        return self.command("serve", "--host", "127.0.0.1", "--port", str(self.port), "--base-url", self.url)

    def run(self, *arguments: str) -> str:
        """Run a command and return what it prints.

        Raises:
            DemoError: the command failed; its line says why.
        """
        done = subprocess.run(  # noqa: S603 - our own command line
            self.command(*arguments), env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise DemoError(f"passerelle {' '.join(arguments[:2])}: {last[-1] if last else done.returncode}")
        return done.stdout

    def refuses(self, *arguments: str) -> str:
        """Run a command that must fail, and return what it says; empty if it does not fail."""
        try:
            self.run(*arguments)
        except DemoError as error:
            return str(error)
        return ""

    def run_json(self, *arguments: str) -> Any:
        """Run a command with ``--json`` and return what it prints.

        Raises:
            DemoError: the command failed.
        """
        return json.loads(self.run(*arguments, "--json"))

    @contextmanager
    def context(self) -> Iterator[Context]:
        """Open the office in this process too, beside its server."""
        context = Context.open(Config.from_env(self.environment))
        try:
            yield context
        finally:
            context.close()

    def import_frame(self, folder: Path) -> None:
        """Import the tables of a folder as if a week before the made fieldwork, which lies in the past of this run.

        The command cannot: for it every import is of today, and every interview would be older than its assignment.

        Raises:
            FrameInvalid: they do not agree.
        """
        documents = [
            FrameDocument(kind=kind, name=f"{kind}.csv", content=(folder / f"{kind}.csv").read_bytes())
            for kind in FRAME_KINDS
        ]
        with self.context() as context, context.database.transaction() as session:
            import_frame(session, documents=documents, keystore=context.keystore, user=USER, now=IMPORTED_AT)

    def enrolment_links(self, enumerators: Sequence[str], now: datetime) -> dict[str, str]:
        """Make an enrolment link for each enumerator, all in one transaction."""
        with self.context() as context:
            root = context.keystore.root_key
            with context.database.transaction() as session:
                tokens = {
                    code: enrol_device.issue_token(session, enumerator=code, user=USER, now=now) for code in enumerators
                }
        return {code: encode_link(EnrolmentLink(self.url, token, root)) for code, token in tokens.items()}

    def app_user_urls(
        self, enumerators: Collection[str], now: datetime, *, project: str | None = None
    ) -> dict[str, str]:
        """Make an app user for each enumerator who works with ODK Collect; return the server URLs to configure.

        Args:
            enumerators: their codes.
            now: the time.
            project: its name; None for the first one.
        """
        with self.context() as context, context.database.transaction() as session:
            number = FIRST_PROJECT if project is None else projects.find_project(session, project).project_id
            tokens = {
                code: app_users.create_app_user(
                    session,
                    name=f"Collect {code} {project or ''}".strip(),
                    enumerator=code,
                    user=USER,
                    now=now,
                    project_id=number,
                )
                for code in enumerators
            }
        return {code: f"{self.url}/key/{token}" for code, token in tokens.items()}

    def wait_until_opened(self) -> Mapping[str, int]:
        """Wait until every envelope is opened or set aside and every interview checked; return envelopes by state.

        Raises:
            DemoError: some still wait after five minutes.
        """
        deadline = time.monotonic() + OPENING_SECONDS
        with self.context() as context:
            while True:
                with context.database.read() as session:
                    states = opening.state_counts(session)
                    unchecked = checking.count_unchecked(session)
                waiting = sum(count for state, count in states.items() if state not in (OPENED, QUARANTINED))
                if not waiting + unchecked:
                    return states
                if time.monotonic() > deadline:
                    raise DemoError(
                        f"after {OPENING_SECONDS:.0f} s envelopes or checks still wait: {dict(states)}, {unchecked}"
                    )
                time.sleep(0.2)

    def release_quarantined(self) -> int:
        """Release all that a revoked tablet brought, as a person who knows the tablet would; count its interviews."""
        with self.context() as context, context.database.transaction() as session:
            found = opening.quarantined(session)
            for envelope in found:
                settle_hold.release_quarantined(session, envelope_id=envelope.envelope_id, user=USER, now=utc_now())
            return sum(envelope.instance_id is not None for envelope in found)

    def files(self, instance_ids: Collection[str]) -> frozenset[SentFile]:
        """Read back the files of these instances."""
        with self.context() as context:
            return dwellings.read_files(context, instance_ids)

    def traces(self) -> Traces:
        """Return what earlier versions of the questionnaire have left, read as of the newest one."""
        with self.context() as context:
            return harmonised.read(context)

    def stored(self) -> Stored:
        """Return what lies in the store now."""
        with self.context() as context, context.database.read() as session:
            revisions = interviews.all_revisions(session)
            enrolled = [device.device_id for device in devices.devices(session)]
            names = {version.hash: version.version for version in forms.versions(session)}
            counts: dict[bytes, int] = {}
            for revision in revisions:
                counts[revision.interview_id] = counts.get(revision.interview_id, 0) + 1
            return Stored(
                instance_ids=tuple(revision.instance_id for revision in revisions),
                interviews=interviews.all_interviews(session),
                revisions=counts,
                versions={one.interview_id: names[one.form_version_hash] for one in revisions},
                device_times=_of_tablets(clocks.device_times(session), enrolled),
            )
