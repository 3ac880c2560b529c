"""A sealed server and its tablet, for the tests of both sides of sealed mode."""

from server.context import Context
from server.db.queries import envelopes
from sync_protocol.pull_items import VerdictPull
from tests.server.handovers.pulling import Puller
from tests.server.opening.kit import Answers, Tablet, deliver, open_all

PASSPHRASE = "two words"


def states(context: Context) -> dict[str, int]:
    with context.database.read() as session:
        return envelopes.count_by_state(session)


def told(puller: Puller) -> list[tuple[bytes, str]]:
    return [(item.instance_id, item.state) for item in puller.pull() if isinstance(item, VerdictPull)]


def bring_one(sealed: Context, tablet: Tablet) -> None:
    """Let a tablet bring an interview, and the worker look at it."""
    deliver(sealed, [tablet.epoch(), tablet.seal(Answers(number=1))])
    open_all(sealed)
