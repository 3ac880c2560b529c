"""SQL of what devices believed the time was."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from server.db.tables import Revision


def device_times(session: Session) -> Mapping[str, tuple[str, ...]]:
    """Return the times that each source wrote into its interviews, as it wrote them."""
    times: dict[str, list[str]] = {}
    for source, device_time in session.execute(select(Revision.source, Revision.device_time)):
        times.setdefault(source, []).append(device_time)
    return {source: tuple(sorted(found)) for source, found in times.items()}
