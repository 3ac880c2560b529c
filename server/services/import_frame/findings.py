"""What is wrong with a frame file: file, line, column and the rule; never the name or position of a household."""

from dataclasses import dataclass

from server.services.import_frame.columns import Kind


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
