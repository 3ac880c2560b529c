"""What is on the tablet: it outlives the app, which may be killed at any moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from server.demo.collect.cache import Cached
from server.demo.collect.reading import ListedForm


class Status(StrEnum):
    """What the app has noted of a form that was filled in."""

    FINALISED = "complete"
    FAILED = "submissionFailed"
    SENT = "submitted"


@dataclass(frozen=True, slots=True)
class TabletFile:
    """A file in the folder of a filled form."""

    name: str
    content: bytes


@dataclass(slots=True)
class Finalised:
    """A filled form, finalised: its folder and its row in the app's database.

    Attributes:
        name: of its XML file, which the server is told.
        files: all others, in the order that the file system lists them in.
        action: the form's own address for submissions; empty for the server's.
        shown: what the app shows of the last attempt.
    """

    name: str
    xml: bytes
    files: tuple[TabletFile, ...] = ()
    action: str = ""
    status: Status = Status.FINALISED
    shown: str = ""


@dataclass(slots=True)
class KeptForm:
    """A form on the tablet, as it was listed, with its bytes and files."""

    listed: ListedForm
    xform: bytes
    media: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Tablet:
    """Forms, filled forms in the order of their finalisation, and the cache of each server and user."""

    forms: list[KeptForm] = field(default_factory=list)
    finalised: list[Finalised] = field(default_factory=list)
    caches: dict[tuple[str, str], dict[str, Cached]] = field(default_factory=dict)

    def waiting(self) -> list[Finalised]:
        """Return what is to be sent, in the order of finalisation."""
        return [one for one in self.finalised if one.status is not Status.SENT]
