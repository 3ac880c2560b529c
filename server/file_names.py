"""Names of files that came from anywhere, as they may stand in a header or on a page."""

import re
from typing import Final
from urllib.parse import quote

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_QUOTING: Final = re.compile(r'["\\]')


def without_controls(name: str) -> str:
    """Leave out what no name has and no header takes: ends of lines, NUL and their like."""
    return _CONTROLS.sub("", name)


def disposition(kind: str, name: str) -> str:
    """Return a Content-Disposition of any name (RFC 6266): in ASCII, and as it is written beside where it is more."""
    written = without_controls(name)
    plain = _QUOTING.sub("_", written.encode("ascii", "replace").decode("ascii"))
    beside = "" if plain == written else f"; filename*=UTF-8''{quote(written, safe='', errors='replace')}"
    return f'{kind}; filename="{plain}"{beside}'
