"""Many at once: each counter, envelope and submission once, and a reader of the feed misses nothing."""

import threading
from collections.abc import Callable

from flask import Flask

from server.context import Context
from server.db.queries import feed
from server.db.tables import Verdict
from sync_protocol.messages import ReceiptCode
from sync_protocol.pull_items import VerdictPull
from tests.office import MULTIPART, Reply, Tablet, envelope, multipart, publish, stored


def at_once(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_same_request_on_many_lines_is_taken_once(app: Flask, tablet: Tablet, context: Context) -> None:
    body = tablet.body(*[envelope(number) for number in range(5)])
    replies: list[Reply] = []

    def send() -> None:
        line = Tablet.__new__(Tablet)
        line.__dict__.update(tablet.__dict__, client=app.test_client())
        replies.append(line.send(body))

    at_once([send] * 6)
    assert sorted(reply.status for reply in replies) == [200, 409, 409, 409, 409, 409]
    assert len(stored(context)) == 5


def test_devices_that_bring_the_same_envelopes_store_them_once(app: Flask, context: Context) -> None:
    replies: list[Reply] = []
    tablets = [Tablet(context, app.test_client(), str(number)).enrol() for number in range(5)]

    def bring(tablet: Tablet) -> Callable[[], None]:
        return lambda: replies.append(tablet.exchange(*[envelope(number) for number in range(20)]))

    at_once([bring(tablet) for tablet in tablets])
    assert all(code in (ReceiptCode.STORED, ReceiptCode.DUPLICATE) for reply in replies for code in reply.codes)
    assert len({tuple(reply.sequences) for reply in replies}) == 1
    assert len(stored(context)) == 20


def test_the_same_submission_on_many_lines_is_stored_once(app: Flask, context: Context, app_token: str) -> None:
    publish(context)
    xml = b'<data id="visit" version="1"><name>a</name><meta><instanceID>uuid:1</instanceID></meta></data>'
    body = multipart([('name="xml_submission_file"; filename="a.xml"', xml)])
    statuses: list[int] = []

    def send() -> None:
        url = f"/key/{app_token}/submission"
        response = app.test_client().post(url, data=body, headers={"Content-Type": MULTIPART})
        statuses.append(response.status_code)

    at_once([send] * 6)
    assert statuses == [201] * 6
    assert sorted(kind for kind, _, _, _ in stored(context)) == [1, 2]


def test_who_pulls_while_others_write_misses_nothing(app: Flask, tablet: Tablet, context: Context) -> None:
    per_writer, writers = 15, 3

    def write(writer: int) -> Callable[[], None]:
        def run() -> None:
            for number in range(per_writer):
                name = (writer * per_writer + number).to_bytes(32, "big")
                with context.database.transaction() as session:
                    verdict = Verdict(
                        device_id=tablet.device_id,
                        envelope_id=name,
                        instance_id=name[-16:],
                        state="opened",
                        reason=None,
                        feed_position=feed.next_position(session),
                    )
                    session.add(verdict)

        return run

    seen: list[bytes] = []

    def pull() -> None:
        while len(set(seen)) < per_writer * writers and tablet.counter < 2000:
            reply = tablet.exchange()
            assert reply.answer is not None
            seen.extend(item.envelope_id for item in reply.answer.pull if isinstance(item, VerdictPull))

    at_once([*(write(writer) for writer in range(writers)), pull])
    assert len(seen) == len(set(seen)) == per_writer * writers
