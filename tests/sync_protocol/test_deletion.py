"""A device deletes only what survives without it: the rule against a world in which disks die and backups are old."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from sync_protocol.deletion import (
    OPENABLE,
    Backup,
    SealedInterview,
    SealedMedium,
    interview_may_go,
    medium_may_go,
)
from sync_protocol.transitions import Fate, MediumFate

InterviewRule = Callable[[SealedInterview, Backup], bool]
MediumRule = Callable[[SealedMedium, Backup], bool]
EVENTS = ("seal", "picture", "send", "upload", "backup", "tell", "open", "withdraw", "prune")
SAFE = SealedInterview(Fate.RECEIPTED, 5, "opened", is_withdrawn=True)
COVERED = Backup(5, deletes_without_backup=False)


def test_the_rule_lets_go_what_is_safe_and_closed() -> None:
    assert interview_may_go(SAFE, COVERED)
    assert all(interview_may_go(replace(SAFE, verdict=verdict), COVERED) for verdict in ("opened", "held", "listed"))
    assert interview_may_go(SAFE, Backup(None, deletes_without_backup=True))


interviews = st.builds(
    SealedInterview,
    st.sampled_from(Fate),
    st.none() | st.integers(1, 9),
    st.sampled_from([None, "opened", "held", "listed", "quarantined"]),
    st.booleans(),
)
backups = st.builds(Backup, st.none() | st.integers(1, 9), st.booleans())


@given(interviews, backups)
def test_an_interview_goes_only_when_every_condition_holds(interview: SealedInterview, backup: Backup) -> None:
    conditions = (
        interview.fate is Fate.RECEIPTED,
        interview.is_withdrawn,
        interview.verdict in OPENABLE,
        interview.server_sequence is not None,
        backup.deletes_without_backup or (backup.backed_up_sequence or 0) >= (interview.server_sequence or 10),
    )
    assert interview_may_go(interview, backup) is all(conditions)


def test_a_medium_that_became_whole_after_the_backup_stays() -> None:
    medium = SealedMedium(MediumFate.WHOLE, ((Fate.RECEIPTED, 5),), followed_by=None)
    assert not medium_may_go(medium, COVERED)
    assert not medium_may_go(replace(medium, followed_by=6), COVERED)
    assert medium_may_go(replace(medium, followed_by=6), Backup(6, deletes_without_backup=False))
    assert medium_may_go(medium, Backup(None, deletes_without_backup=True))
    assert not medium_may_go(replace(medium, named_by=()), Backup(None, deletes_without_backup=True))


@dataclass
class World:
    """A device, a server, and the server's last backup, each a set of numbers: interviews and their pictures."""

    device: dict[int, int | None] = field(default_factory=dict)
    pictures: dict[int, tuple[bool, int | None]] = field(default_factory=dict)
    server: dict[int, int] = field(default_factory=dict)
    server_pictures: set[int] = field(default_factory=set)
    backup: tuple[frozenset[int], frozenset[int], int] = (frozenset(), frozenset(), 0)
    told: int | None = None
    opened: set[int] = field(default_factory=set)
    is_withdrawn: bool = False
    made: int = 0

    def happen(self, event: str, interview_rule: InterviewRule, medium_rule: MediumRule) -> None:
        """Let one thing happen."""
        if event in ("seal", "picture"):
            self.made += 1
            self.device[self.made] = None
            if event == "picture":
                self.pictures[self.made] = (False, None)
        elif event == "send":
            self._send()
        elif event == "upload":
            for number in self.pictures:
                self.server_pictures.add(number)
                self.pictures[number] = (True, self.pictures[number][1])
        elif event == "backup":
            self.backup = frozenset(self.server), frozenset(self.server_pictures), max(self.server.values(), default=0)
        elif event == "tell":
            self.told = self.backup[2]
        elif event == "open":
            self.opened |= self.server.keys()
        elif event == "withdraw":
            self.is_withdrawn = True
        else:
            self._prune(interview_rule, medium_rule)

    def _send(self) -> None:
        """Send one interview; the media that are whole by now are followed by its number."""
        waiting = [number for number, sequence in self.device.items() if sequence is None]
        if waiting:
            self.server[waiting[0]] = self.device[waiting[0]] = len(self.server) + 1
            for number, (is_whole, followed_by) in self.pictures.items():
                if is_whole and followed_by is None:
                    self.pictures[number] = (True, len(self.server))

    def _prune(self, interview_rule: InterviewRule, medium_rule: MediumRule) -> None:
        backup = Backup(self.told, deletes_without_backup=False)
        for number, (is_whole, followed_by) in list(self.pictures.items()):
            fate = MediumFate.WHOLE if is_whole else MediumFate.WAITING
            if medium_rule(SealedMedium(fate, (self._interview(number),), followed_by), backup):
                del self.pictures[number]
        for number in list(self.device):
            fate, sequence = self._interview(number)
            verdict = "opened" if number in self.opened else None
            if interview_rule(SealedInterview(fate, sequence, verdict, self.is_withdrawn), backup):
                del self.device[number]

    def _interview(self, number: int) -> tuple[Fate, int | None]:
        sequence = self.device.get(number, self.server.get(number))
        return (Fate.WAITING if sequence is None else Fate.RECEIPTED), sequence

    @property
    def is_all_there(self) -> bool:
        """If the server's disk died now, everything that was made is on the device or in the backup."""
        interviews, pictures, _ = self.backup
        named = {number for number in range(1, self.made + 1) if number in self.pictures or number in self.had_picture}
        return set(range(1, self.made + 1)) <= set(self.device) | interviews and named <= set(self.pictures) | pictures

    had_picture: set[int] = field(default_factory=set)


def loses(events: list[str], interview_rule: InterviewRule, medium_rule: MediumRule) -> bool:
    """Something is gone after a disk has died."""
    world = World()
    for event in events:
        world.happen(event, interview_rule, medium_rule)
        if event == "picture":
            world.had_picture.add(world.made)
        if not world.is_all_there:
            return True
    return False


histories = st.lists(st.sampled_from(EVENTS), max_size=30)


@settings(max_examples=300, deadline=None)
@given(histories)
def test_when_the_disk_of_the_server_dies_nothing_is_gone(events: list[str]) -> None:
    assert not loses(events, interview_may_go, medium_may_go)


def is_found_out(interview_rule: InterviewRule, medium_rule: MediumRule) -> bool:
    """A history is found in which this rule loses something."""
    few = settings(max_examples=5_000, deadline=None, database=None, derandomize=True, phases=(Phase.generate,))
    try:
        find(histories, lambda events: loses(events, interview_rule, medium_rule), settings=few)
    except NoSuchExample:
        return False
    return True


def test_a_rule_that_deletes_on_the_receipt_is_found_out() -> None:
    def on_receipt(interview: SealedInterview, backup: Backup) -> bool:
        return interview.fate is Fate.RECEIPTED

    assert is_found_out(on_receipt, medium_may_go)


def test_a_rule_that_forgets_that_media_come_later_is_found_out() -> None:
    def by_interview(medium: SealedMedium, backup: Backup) -> bool:
        is_whole = medium.fate is MediumFate.WHOLE
        return is_whole and all(backup.covers(sequence) for _, sequence in medium.named_by)

    assert loses(["picture", "send", "backup", "tell", "upload", "prune"], interview_may_go, by_interview)
