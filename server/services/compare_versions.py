"""What a change of a form does: the difference of two versions, a rehearsal on interviews, answers as of a version.

A rehearsal says how many interviews hold an answer that the new version has no place for. It counts; of identifiers it
never names a value, of the analysis store only the code of a choice.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from forms.evolution.changes import Difference
from forms.evolution.check import check_map
from forms.evolution.declared import EMPTY_MAP, MigrationMap, joined_maps
from forms.evolution.difference import compare
from forms.evolution.rehearsal_words import collected_sentence, outcome_sentence, untouched_sentence
from forms.evolution.upgrade import Upgrade, upgrade_between
from forms.model import Texts
from forms.workbook.findings import WorkbookFinding
from server.db.queries import forms
from server.db.queries import parts as part_queries
from server.db.queries.forms import VersionLink
from server.errors import BadRequest, NotFound
from server.keystore import Store
from server.microdata import Microdata
from server.microdata.as_of import declared_map, rows_of
from server.microdata.store import STORES, PartTable
from server.statistics.hh_remit.uses import RESTING


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What some answers come to.

    Attributes:
        code: as of `forms.evolution.upgrade.Remark`.
        choice: code of the choice; empty for anything else, and always in the store of identifiers.
        interviews, answers: how many; one interview may have several such answers, in the rows of a repeat.
    """

    mode: str
    store: Store
    code: str
    column: str
    choice: str
    interviews: int
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a new version and its map would do to the interviews collected so far.

    Attributes:
        collected: mode → number of interviews.
        touched: mode → number of interviews with at least one outcome.
    """

    collected: Mapping[str, int]
    touched: Mapping[str, int]
    outcomes: tuple[Outcome, ...]

    @property
    def sentences(self) -> tuple[Texts, ...]:
        """The outcomes in the manager's words."""
        lines = [collected_sentence(self.collected)]
        lines += [
            outcome_sentence(one.code, one.column, one.choice, interviews=one.interviews, mode=one.mode)
            for one in self.outcomes
        ]
        untouched = sum(self.collected.values()) - sum(self.touched.values())
        if sum(self.collected.values()):
            lines.append(untouched_sentence(untouched))
        return tuple(lines)

    def members(self) -> dict[str, Any]:
        """Return what JSON shows."""
        return {
            "collected": dict(self.collected),
            "touched": dict(self.touched),
            "outcomes": [asdict(one) for one in self.outcomes],
            "sentences": [dict(sentence) for sentence in self.sentences],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class InterviewRow:
    """The answers of one interview in one store, both ways.

    Attributes:
        version: that it was collected on. ``as_of``: hash of the version that `upgraded` is read as.
        collected: by column of its own version. ``upgraded``: by column of that version, and kept ones.
    """

    store: Store
    version: str
    as_of: bytes
    collected: Mapping[str, Any]
    upgraded: Mapping[str, Any]


def compare_stored(
    session: Session,
    microdata: Microdata,
    *,
    form_id: str,
    before: str,
    after: str,
    declared: MigrationMap | None = None,
) -> Difference:
    """Compare two stored versions by name, with the map stored between them unless another one is given.

    Raises:
        NotFound: when there is no such version.
    """
    old, new = _version(session, form_id, before), _version(session, form_id, after)
    chosen = _maps_between(forms.chain(session, form_id), old, new) if declared is None else declared
    return compare(microdata.definition(old), microdata.definition(new), chosen, indicators=RESTING.get(form_id))


def _version(session: Session, form_id: str, name: str) -> bytes:
    found = forms.version(session, form_id=form_id, version=name)
    if found is None:
        raise NotFound(f"there is no version {name!r} of a form {form_id!r} here; `passerelle form list` shows them")
    return found.hash


def _maps_between(chain: Sequence[VersionLink], old: bytes, new: bytes) -> MigrationMap:
    """Return the maps on the way from one version to another as one; empty where no way leads there."""
    links = {link.hash: link for link in chain}
    maps: list[MigrationMap] = []
    link = links.get(new)
    while link is not None and link.hash != old and len(maps) < len(links):
        maps.insert(0, declared_map(link))
        link = None if link.previous_hash is None else links.get(link.previous_hash)
    return EMPTY_MAP if link is None else joined_maps(maps)


def last_published(session: Session, form_id: str) -> bytes | None:
    """Return the hash of the version that a new one would follow; None where it would be the first."""
    chain = forms.chain(session, form_id)
    return chain[-1].hash if chain else None


def rehearse_map(
    session: Session, microdata: Microdata, *, after: FormDefinition, declared: MigrationMap = EMPTY_MAP
) -> Rehearsal:
    """Read every interview collected so far as of a new version, and count what has no place in it.

    Args:
        after: the new version, which need not be stored. ``declared``: the map from the version published last.

    Raises:
        KeyStoreLocked: without the vault.
    """
    previous = last_published(session, after.form_id)
    if previous is None:
        return Rehearsal(collected={}, touched={}, outcomes=())
    step = upgrade_between(microdata.definition(previous), after, declared)
    chain = microdata.upgrades(after.form_id, previous)
    collected: dict[str, int] = {}
    touched: dict[str, int] = {}
    outcomes: list[Outcome] = []
    for mode in part_queries.modes(session, after.form_id):
        tally = _Tally(mode)
        for store in STORES:
            for part in microdata.read(store, form_id=after.form_id, mode=mode):
                tally.add(part, store, chain.get(part.form_version_hash), step)
        collected[mode] = tally.collected
        touched[mode] = len(tally.touched)
        outcomes += tally.outcomes()
    return Rehearsal(collected=collected, touched=touched, outcomes=tuple(outcomes))


def check_against_published(
    session: Session, microdata: Microdata, *, after: FormDefinition, declared: MigrationMap
) -> tuple[WorkbookFinding, ...]:
    """Return what is wrong with a map from the version published last to a new one."""
    previous = last_published(session, after.form_id)
    return () if previous is None else check_map(microdata.definition(previous), after, declared)


class _Tally:
    """Counts what becomes of the interviews of one mode."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.collected = 0
        self.touched: set[str] = set()
        self._answers: Counter[tuple[Store, str, str, str]] = Counter()
        self._interviews: Counter[tuple[Store, str, str, str]] = Counter()

    def add(self, part: PartTable, store: Store, chain: Upgrade | None, step: Upgrade) -> None:
        """Count the interviews of a part; those on a version that does not lead to the new one have no step to take."""
        if store == "analysis":
            self.collected += len(part.table)
        if chain is None:
            return
        whole = chain.then(step)
        for row in rows_of(part.table):
            known = len(chain.apply(row, store).remarks) if chain.steps else 0
            remarks = whole.apply(row, store).remarks[known:]
            keys = [(store, one.code, one.column, one.choice if store == "analysis" else "") for one in remarks]
            self._answers.update(keys)
            self._interviews.update(set(keys))
            if keys:
                self.touched.add(row["_interview_id"])

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what was counted, the most frequent first."""
        for key, interviews in sorted(self._interviews.items(), key=lambda item: (-item[1], item[0])):
            store, code, column, choice = key
            yield Outcome(
                mode=self.mode,
                store=store,
                code=code,
                column=column,
                choice=choice,
                interviews=interviews,
                answers=self._answers[key],
            )


def read_interview(
    microdata: Microdata, *, interview_id: str, as_of: bytes, stores: Sequence[Store] = STORES
) -> tuple[InterviewRow, ...]:
    """Return the answers of one interview as collected and as of a version.

    Args:
        interview_id: in hexadecimal.
        stores: those that the reader may see.

    Raises:
        BadRequest: when the id is no hexadecimal number.
        NotFound: when there is no such interview or version.
        KeyStoreLocked: without the vault.
    """
    try:
        raw = bytes.fromhex(interview_id)
    except ValueError:
        raise BadRequest("an interview id is a hexadecimal number of 32 digits") from None
    found: list[InterviewRow] = []
    for store in stores:
        own, later = microdata.read_one(store, raw), microdata.read_one(store, raw, as_of=as_of)
        if own is None or later is None:
            raise NotFound(f"no interview {interview_id} has been opened here")
        found.append(
            InterviewRow(
                store=store,
                version=own.version,
                as_of=later.as_of,
                collected=_answers(own),
                upgraded=_answers(later),
            )
        )
    return tuple(found)


def _answers(part: PartTable) -> dict[str, Any]:
    (row,) = rows_of(part.table)
    return {name: value for name, value in row.items() if not name.startswith("_")}
