"""What can happen to a POST of the app, on demand."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """One accident of one POST."""

    NONE = "none"
    CUT = "the connection is cut in the middle of the POST"
    ANSWER_LOST = "the server has it all, its answer is lost"
    REPEATED = "the network brings the POST twice"
    KILLED_BEFORE = "the app is killed before it sends the POST"
    KILLED_AFTER = "the app is killed between the answer and its own note of it"


class AppKilled(Exception):
    """The app is gone; what it had noted on the tablet is there when it is started again."""
