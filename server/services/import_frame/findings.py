"""What is wrong with a frame file: file, line, column and the rule; never the name or position of a household."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from server.services.import_frame.columns import Kind

#: A file with a wrong separator is wrong in every row; nobody reads more errors than this.
SHOWN_ERRORS: Final = 200


@dataclass(frozen=True, slots=True)
class RowError:
    """One error of one file.

    Attributes:
        file: the kind of file it is in.
        line: of the file, 1 = header; None when the whole file is meant.
        column: its name, None when the whole line is meant.
        message: what is wrong and what belongs there.
    """

    file: Kind
    line: int | None
    column: str | None
    message: str

    def __str__(self) -> str:
        place = f"{self.file}.csv"
        if self.line is not None:
            place += f", line {self.line}"
        if self.column is not None:
            place += f", {self.column}"
        return f"{place}: {self.message}"


class FrameFilesInvalid(Exception):
    """The files cannot be imported; nothing was stored.

    Attributes:
        errors: the first `SHOWN_ERRORS` of them.
        count: how many there are.
    """

    def __init__(self, errors: Sequence[RowError]) -> None:
        super().__init__(f"{len(errors)} errors in the frame files")
        self.errors = tuple(errors[:SHOWN_ERRORS])
        self.count = len(errors)
