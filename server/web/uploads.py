"""An upload between the page that shows what was found and the button that publishes it.

The files go into the page itself and come back with the button: no server process has to remember them, and nothing is
stored before a person has decided. What is too large for a page is chosen again.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from forms.package import Medium
from server.errors import BadRequest
from server.services import publish_form
from server.services.publish_form import Prepared

CARRIED_BYTES: Final = 4 << 20
"""Files that a page carries; base64 makes a third more of them, and a phone shall still open the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """The files of a version as a browser sent them."""

    filename: str
    workbook: bytes
    media: Sequence[Medium] = ()
    map_content: bytes | None = None
    map_name: str = "map.csv"

    def prepare(self) -> Prepared:
        """Convert the workbook.

        Raises:
            WorkbookInvalid: it makes no form.
        """
        return publish_form.prepare(
            self.workbook, self.filename, media=self.media, map_content=self.map_content, map_name=self.map_name
        )

    def carried(self) -> str | None:
        """Return what goes into the page, None when it is too large."""
        size = len(self.workbook) + sum(len(medium.content) for medium in self.media) + len(self.map_content or b"")
        if size > CARRIED_BYTES:
            return None
        document = {
            "filename": self.filename,
            "workbook": _text(self.workbook),
            "media": [[medium.name, _text(medium.content)] for medium in self.media],
            "map": None if self.map_content is None else [self.map_name, _text(self.map_content)],
        }
        return base64.b64encode(json.dumps(document).encode()).decode()


def read_carried(text: str) -> Upload:
    """Read what a page carried.

    Raises:
        BadRequest: no page of ours wrote it.
    """
    try:
        document: Any = json.loads(base64.b64decode(text, validate=True))
        declared = document["map"]
        return Upload(
            filename=str(document["filename"]),
            workbook=base64.b64decode(document["workbook"]),
            media=tuple(
                Medium(name=str(name), content=base64.b64decode(content)) for name, content in document["media"]
            ),
            map_content=None if declared is None else base64.b64decode(declared[1]),
            map_name="map.csv" if declared is None else str(declared[0]),
        )
    except (ValueError, TypeError, LookupError, RecursionError):
        raise BadRequest("the page's files are torn: choose them again") from None


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
