"""The proof of the door: forms that nobody here wrote, filled by Collect's engine, sent by the app, read back equal.

Every form that publishing takes goes through a served office: listed, downloaded, filled at random, its files put
beside it, sent by Collects whose lines break and who are killed, opened by the worker, and read through the API.
"""

import http.client
import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from forms import library
from forms.instance import InstanceError, canonical_leaves, parse_instance
from forms.library import versions, workbook
from server.demo.collect import AppKilled, Fault, Finalised, ScriptedCollect, Settings, Tablet, TabletFile
from server.demo.office import Office
from server.errors import Problem
from server.services import publish_form
from server.services.publish_form import Prepared
from tests.office import bearer
from tests.openrosa.conftest import add_app_user
from tests.openrosa.encrypting import encrypt
from tests.openrosa.forms import made_file

CORPUS: Final = Path(__file__).parents[2].parent / "shared" / "corpus"
TABLETS: Final = 4
SIZES: Final = (0, 1, 700, 60_000, 260_000, 900_000)
#: Of each POST of the app: nothing happens to six of ten.
FAULTS: Final = (*[Fault.NONE] * 12, Fault.CUT, Fault.CUT, *[Fault.ANSWER_LOST] * 2, Fault.REPEATED,
                 Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.KILLED_AFTER)  # fmt: skip
#: Forms that a sample has whatever chance says: photos of every kind, and two that are encrypted.
ALWAYS: Final = ("all-widgets", "one-question-encrypted-unicode", "xlsform_spec_test")
KEY: Final = re.compile(rb'(base64RsaPublicKey=)"[^"]*"')
Engine = Callable[..., dict[str, Any]]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ProofForm:
    """A form that is published, and under which id; `is_encrypted` says whether its interviews are."""

    name: str
    prepared: Prepared
    is_encrypted: bool


@dataclass(frozen=True)
class Filled:
    """What was filled, and what the app sends of it: the same, or its ciphertext."""

    xml: bytes
    files: tuple[TabletFile, ...]
    sent: Finalised


@dataclass
class Report:
    """What the proof came to."""

    forms: int = 0
    not_filled: list[str] = field(default_factory=list)
    submissions: int = 0
    files: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    leaves: int = 0
    different: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    def figures(self) -> dict[str, Any]:
        """Return the figures as one JSON object."""
        posts = sum(count for name, count in self.counts.items() if name.startswith("POSTs: "))
        return {
            "forms": self.forms,
            "forms the engine does not fill": len(self.not_filled),
            "submissions": self.submissions,
            "of them encrypted by the tablet": self.counts["encrypted"],
            "held for want of an instanceID": self.counts["held for want of an instanceID"],
            "files": self.files,
            "POSTs": posts,
            **{name: count for name, count in sorted(self.counts.items()) if name.startswith("POSTs: ")},
            "apps started again": self.counts["apps started again"],
            "MB up": round(self.counts["bytes up"] / 1e6, 1),
            "leaves": self.leaves,
            "different": len(self.different),
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
        }


def forms_to_prove(public_key: str, *, sample: int | None, seed: int = 1) -> Iterator[ProofForm]:
    """Yield the questionnaires in all their versions and the forms of the corpus, or a sample of them.

    Two forms of the corpus that call themselves the same are told apart by a number behind the second one's id; those
    that are encrypted to somebody else's key are to ours.
    """
    for name in (f"{instrument}@{number}" for instrument in library.instruments() for number in versions(instrument)):
        yield ProofForm(name, publish_form.prepare(workbook(name), f"{name}.xlsx"), is_encrypted=False)
    paths = sorted(path for path in CORPUS.glob("*/*") if path.suffix in (".xml", ".xls", ".xlsx"))
    if sample is not None:
        chosen = random.Random(seed).sample(paths, min(sample, len(paths)))
        paths = [path for path in paths if path in chosen or path.stem.endswith(ALWAYS)]
    taken: Counter[str] = Counter()
    for path in paths:
        try:
            prepared = publish_form.prepare(path.read_bytes(), path.name)
        except Problem:
            continue
        form_id, xform = prepared.definition.form_id, prepared.conversion.xform
        taken[form_id] += 1
        ours, is_encrypted = KEY.subn(rb'\g<1>"' + public_key.encode() + b'"', xform)
        if taken[form_id] > 1:
            ours = _renamed(ours, form_id, f"{form_id}-{taken[form_id]}")
        if ours != xform:
            prepared = publish_form.prepare(ours, f"{path.stem}.xml")
        yield ProofForm(path.name, prepared, is_encrypted=bool(is_encrypted))


def make_key(office: Office) -> str:
    """Have the office make a key that tablets encrypt to; return its public half."""
    key: str = office.run_json("odk-key", "create")["public_key"]
    return key


def _renamed(xform: bytes, form_id: str, other: str) -> bytes:
    return re.sub(rb'(\sid=")' + re.escape(form_id.encode()) + b'"', b"\\g<1>" + other.encode() + b'"', xform, count=1)


def prove(
    folder: Path, forms: Sequence[ProofForm], engine: Engine, *, seeds: Sequence[int], office: Office,
    progress: Progress = lambda *_: None,
) -> Report:  # fmt: skip
    """Carry interviews of all forms through a served office; return what came of it.

    Args:
        folder: for the forms that the engine reads.
        forms: to publish.
        engine: of Collect.
        seeds: one interview of each form for each.
        office: initialised and served.
        progress: told of each step how much of how much is done.
    """
    report = Report(forms=len(forms))
    clock = _Clock(report)
    with office.context() as context:
        token, headers = add_app_user(context, "proof"), bearer(context, "manager")
        for number, form in enumerate(forms):
            progress("published", number + 1, len(forms))
            with context.database.transaction() as session:
                publish_form.publish(session, form.prepared, note="", user="proof", now=datetime.now(UTC))
    clock.took("publish")
    url, report.secrets = f"{office.url}/key/{token}", (token,)
    downloaded = _download(url, forms, report)
    clock.took("download")
    filled = list(_filled(folder, forms, downloaded, engine, seeds, report, progress))
    clock.took("fill")
    _send_all(url, [one.sent for one in filled], report, progress)
    clock.took("send")
    office.wait_until_opened()
    clock.took("open")
    _compare(office.url, headers, filled, report, progress)
    clock.took("compare")
    return report


class _Clock:
    def __init__(self, report: Report) -> None:
        self._report, self._last = report, time.perf_counter()

    def took(self, what: str) -> None:
        now = time.perf_counter()
        self._report.seconds[what] = now - self._last
        self._last = now


def _started(url: str, tablet: Tablet, seed: str, *, report: Report) -> ScriptedCollect:
    rng = random.Random(seed)
    report.counts["apps started"] += 1
    return ScriptedCollect(
        Settings(url),
        f"collect:{seed}",
        now=lambda: datetime.now(UTC),
        tablet=tablet,
        fault=lambda: rng.choice(FAULTS),
        order=lambda files: rng.sample(list(files), len(files)),
    )


def _download(url: str, forms: Sequence[ProofForm], report: Report) -> dict[tuple[str, str], bytes]:
    """Download what the list offers, which is the newest version of each; older ones were downloaded before."""
    app = _started(url, Tablet(), "list", report=report)
    found = {(one.prepared.definition.form_id, one.prepared.definition.version): one for one in forms}
    xforms = {key: one.prepared.conversion.xform for key, one in found.items()}
    for form in app.updates():
        key = (form.form_id, form.version)
        if app.download(form).xform != xforms[key]:
            report.different.append(f"{form.form_id}: the form itself")
    report.counts["forms downloaded"] = len(app.tablet.forms)
    app.close()
    return xforms


def _filled(
    folder: Path, forms: Sequence[ProofForm], xforms: dict[tuple[str, str], bytes], engine: Engine,
    seeds: Sequence[int], report: Report, progress: Progress,
) -> Iterator[Filled]:  # fmt: skip
    """Let the engine fill each form once a seed; files that it asks for are made, and encrypted where the form says."""
    for number, form in enumerate(forms):
        progress("filled", number + 1, len(forms))
        definition = form.prepared.definition
        path = folder / f"{number}.xml"
        path.write_bytes(xforms[definition.form_id, definition.version])
        for seed in seeds:
            result = engine(op="auto", form=str(path), seed=seed, max_repeats=3)
            try:
                xml = result["xml"].encode()
                instance = parse_instance(xml)
            except (KeyError, InstanceError):
                report.not_filled.append(form.name)
                break
            asked = enumerate(result["files"], start=seed)
            files = tuple(made_file(name, SIZES[place % len(SIZES)]) for place, name in asked)
            sent = Finalised(f"{path.stem}_{seed}.xml", xml, files)
            if form.is_encrypted and instance.instance_id:  # the app encrypts nothing without an id
                sent = encrypt(
                    folder / f"{path.stem}_{seed}", sent, instance, xforms[definition.form_id, definition.version]
                )
                report.counts["encrypted"] += 1
            yield Filled(xml, files, sent)


def _send_all(url: str, filled: Sequence[Finalised], report: Report, progress: Progress) -> None:
    """Send from several tablets at once until nothing waits on any."""
    tablets = [Tablet(finalised=list(filled[number::TABLETS])) for number in range(TABLETS)]
    counts: list[Counter[str]] = []

    def send(number: int, tablet: Tablet) -> None:
        turn = 0
        while tablet.waiting() and turn < 1000:
            app = _started(url, tablet, f"{number} {turn}", report=report)
            turn += 1
            try:
                while app.send_all():
                    pass
            except AppKilled:
                pass
            app.close()
            counts.append(app.counts + Counter({"apps started again": 1}))

    threads = [threading.Thread(target=send, args=one) for one in enumerate(tablets)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        progress("sent", len(filled) - sum(len(tablet.waiting()) for tablet in tablets), len(filled))
    for one in counts:
        report.counts.update(one)
    report.submissions = len(filled)
    report.files = sum(len(one.files) for one in filled)


def _compare(url: str, headers: dict[str, str], filled: Sequence[Filled], report: Report, progress: Progress) -> None:
    """Read every submission back and compare leaf by leaf and byte by byte."""
    line = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    held = dict(_held(line, headers))
    for number, one in enumerate(filled):
        progress("compared", number + 1, len(filled))
        sent = parse_instance(one.xml)
        back = read_back(line, headers, sent.instance_id) if sent.instance_id else _of_held(line, headers, held, one)
        if back is None:
            report.different.append(f"{one.sent.name} {sent.form_id}: not there")
            continue
        xml, files = back
        leaves = canonical_leaves(sent)
        report.leaves += len(leaves)
        report.counts["held for want of an instanceID"] += not sent.instance_id
        if canonical_leaves(parse_instance(xml)) != leaves or xml != one.xml:
            report.different.append(f"{one.sent.name} {sent.form_id}: leaves")
        if files != {file.name: file.content for file in one.files}:
            report.different.append(f"{one.sent.name} {sent.form_id}: files")
    line.close()


Back = tuple[bytes, dict[str, bytes]]


def _held(line: http.client.HTTPConnection, headers: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Yield what is held back as it was sent, by the name that the office has given it."""
    path: str | None = "/api/v1/submissions?state=quarantine&limit=1000"
    while path is not None:
        page = json.loads(_get(line, headers, path) or b"{}")
        for one in page["submissions"]:
            raw = _get(line, headers, f"/api/v1/submissions/{quote(one['instance_id'])}/raw")
            if raw is not None:
                yield one["instance_id"], raw
        path = page["next"]


def _of_held(
    line: http.client.HTTPConnection, headers: dict[str, str], held: dict[str, bytes], one: Filled
) -> Back | None:
    name = next((name for name, raw in held.items() if raw == one.xml), None)
    return None if name is None else (one.xml, _files(line, headers, name))


def _get(line: http.client.HTTPConnection, headers: dict[str, str], path: str) -> bytes | None:
    line.request("GET", path, headers=headers)
    response = line.getresponse()
    body = response.read()
    return body if response.status == 200 else None


def read_back(line: http.client.HTTPConnection, headers: dict[str, str], instance_id: str) -> Back | None:
    """Read one submission through the API: its XML and its files; None where it is not there."""
    xml = _get(line, headers, f"/api/v1/submissions/{quote(instance_id)}/xml")
    return None if xml is None else (xml, _files(line, headers, instance_id))


def _files(line: http.client.HTTPConnection, headers: dict[str, str], name: str) -> dict[str, bytes]:
    base = f"/api/v1/submissions/{quote(name)}/attachments"
    listed = json.loads(_get(line, headers, base) or b'{"attachments": []}')["attachments"]
    found = {one["name"]: _get(line, headers, f"{base}/{quote(one['name'])}") for one in listed if one["exists"]}
    return {name: content for name, content in found.items() if content is not None}
