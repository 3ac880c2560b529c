"""Names of files that came from anywhere, as they may stand in a header or on a page."""

import re
from typing import Final

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def without_controls(name: str) -> str:
    """Leave out what no name has and no header takes: ends of lines, NUL and their like."""
    return _CONTROLS.sub("", name)
