"""The line tears: requests and answers cut at every byte, requests sent again, bombs, and altered envelopes."""

import socket
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from server.config import Config
from server.context import Context
from server.microdata import Microdata
from server.services.open_items import OpeningWorker
from sync_protocol import envelope as layout
from sync_protocol import frames, hpke, plaintext
from sync_protocol.client.device import Device
from sync_protocol.client.transport import HttpTransport
from sync_protocol.constants import CONTROL_BYTES, SUITE_X25519, Kind
from sync_protocol.documents import document_hash
from sync_protocol.entity_rows import open_rows
from sync_protocol.errors import EnvelopeError, RemoteError
from sync_protocol.messages import ExchangeAnswer, Problem, ReceiptCode
from tests.faults.conftest import IS_ALL, Report
from tests.faults.proxy import HOST, FaultProxy
from tests.faults.served import Line, Served, memory_bytes, opened
from tests.office import NOW
from tests.server.opening.kit import Answers, form_hash, raw_id

Sample = Callable[[Sequence[int], int], list[int]]
NAMES = iter(f"tablet-{number}" for number in range(1, 10_000))


def hung_up(port: int, sent: bytes, *, reads: bool) -> bytes:
    """Send bytes and hang up; with `reads`, listen first for what the server says to half a request."""
    with socket.create_connection((HOST, port), timeout=10) as line:
        if sent:
            line.sendall(sent)
        if not reads:
            return b""
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65_536), b""))


def test_a_request_that_is_cut_at_any_byte_stores_nothing(running: Served, sample: Sample, report: Report) -> None:
    line = Line(running, next(NAMES))
    body = line.body([line.sealer.epoch(), line.sealer.seal(Answers(number=1))])
    request, before = line.raw(body), running.count()
    places = sample(range(len(request)), 40)
    for place in places:
        said = hung_up(running.port, request[:place], reads=place % 7 == 0)
        assert b" 200 " not in said.split(b"\r\n", 1)[0]
    assert running.count() == before
    answer = line.send(body)
    assert isinstance(answer, ExchangeAnswer)  # not one of the cut ones has taken the counter
    assert [receipt.code for receipt in answer.receipts] == [ReceiptCode.STORED] * 2
    report.add(f"request cut at each byte ({kind(running)})", len(places), "0 rows; the whole one stored afterwards")


def test_an_answer_that_is_cut_at_any_byte_is_asked_for_again(
    running: Served, sample: Sample, report: Report, tmp_path: Path
) -> None:
    proxy = FaultProxy(running.port)
    with Device.create(tmp_path / "device") as device:
        transport = HttpTransport(f"http://{HOST}:{proxy.port}")
        device.enrol(running.link(), transport=transport)
        transport.close()
        answered = []
        for number in range(-4, 1):
            _sealed(device, number)
            proxy.answered = 0
            transport.close()  # the proxy counts a connection
            assert device.sync(transport, NOW).outcome == "synced"
            answered.append(proxy.answered)
        length = min(answered)  # some tell a verdict too, of one before
        assert length > 500, "headers, a signature and a receipt"
        before = running.count()
        places = sample(range(length), 25)
        resent = cut = 0
        for number, place in enumerate(places, start=1):
            _sealed(device, number)
            proxy.cut_answer_after = place
            report_of = device.sync(transport, NOW, wait=lambda _: None)
            assert (report_of.outcome, report_of.waiting) == ("synced", 0), place
            cut += proxy.cut_answer_after is None  # a time in it may have made this answer shorter
            proxy.cut_answer_after = None
            resent += report_of.sent - 1
        assert running.count() == before + len(places)
        assert device.progress().safe == len(places) + len(answered)
        assert cut >= len(places) - 8
    proxy.close()
    report.add(f"answer cut at each byte, retried ({kind(running)})", cut, f"0 duplicates stored; {resent} sent again")


def test_an_envelope_altered_at_any_byte_is_quarantined_and_never_opened(
    running: Served, sample: Sample, report: Report
) -> None:
    line = Line(running, next(NAMES))
    whole = [line.sealer.epoch(), line.sealer.seal(Answers(number=3, name="Kossi"))]
    changed = []
    for body in whole:
        for place in sample(range(len(body)), 60):
            for bit in range(8) if IS_ALL else (place % 8,):
                altered = bytearray(body)
                altered[place] ^= 1 << bit
                changed.append(bytes(altered))
    codes: list[ReceiptCode] = []
    for start in range(0, len(changed), 400):
        part = changed[start : start + 400]
        receipts = line.exchange(part)
        assert sorted(receipt.index for receipt in receipts) == list(range(len(part)))
        codes += [receipt.code for receipt in receipts]
    assert all(code in (ReceiptCode.STORED, ReceiptCode.QUARANTINED) for code in codes)
    line.exchange(whole)
    open_all(running)
    stored = running.stored()
    assert [stored[document_hash(body)][1] for body in whole] == ["opened", "opened"]
    states = [stored[document_hash(body)][1] for body in changed]
    assert states == ["quarantined"] * len(changed)
    report.add(
        f"envelope altered at each byte ({kind(running)})", len(changed), "all quarantined; the whole one opened"
    )


def test_a_request_sent_again_is_refused_and_stores_nothing(running: Served, report: Report) -> None:
    line = Line(running, next(NAMES))
    first = line.body([line.sealer.epoch()])
    assert isinstance(line.send(first), ExchangeAnswer)
    later = line.body([line.sealer.seal(Answers(number=4))])
    assert isinstance(line.send(later), ExchangeAnswer)
    before, times = running.count(), 200 if IS_ALL else 5
    for _ in range(times):
        for body, slug in ((first, "counter-behind"), (later, "counter-replayed")):
            refused = line.send(body)
            assert isinstance(refused, Problem)
            assert (refused.slug, refused.next_counter) == (slug, 3)
    assert running.count() == before
    report.add(f"request replayed ({kind(running)})", 2 * times, "all refused with the next counter; 0 rows")


class TestBombs:
    """Little that inflates to much costs neither memory nor time."""

    MEMORY = 64 << 20

    def test_a_control_that_inflates_without_end_is_refused(self, running: Served, report: Report) -> None:
        line = Line(running, next(NAMES))
        pid, before = running.web_process(), running.count()
        line.exchange([])
        held = memory_bytes(pid)
        bombs = [_bomb(size << 20) for size in (1, 64, 1024)[: 3 if IS_ALL else 2]]
        bombs.append(frames.LENGTH.pack(0xFFFF_FFFF) + b"x" * 64)
        bombs.append(_control() + frames.LENGTH.pack(0xFFFF_FFF0) + b"x")
        bombs.append(_control() + b"".join(frames.LENGTH.pack(0) for _ in range(600_000)))
        for bomb in bombs:
            refused = line.send(bomb)
            assert isinstance(refused, Problem)
            assert refused.slug in ("too-large", "malformed"), refused
        assert memory_bytes(pid) - held < self.MEMORY
        assert running.count() == before
        report.add(f"control and frames that inflate or lie ({kind(running)})", len(bombs), "all refused; memory flat")

    def test_an_interview_that_inflates_without_end_is_quarantined_and_its_neighbours_are_opened(
        self, running: Served, report: Report
    ) -> None:
        line = Line(running, next(NAMES))
        deflated = zlib.compressobj(9, zlib.DEFLATED, -15)
        zeros = deflated.compress(bytes(256 << 20)) + deflated.flush()
        bomb = _sealed_as_it_is(line, 50, zeros)
        neighbours = [line.sealer.seal(Answers(number=number)) for number in (51, 52)]
        line.exchange([line.sealer.epoch(), neighbours[0], bomb, neighbours[1]])
        open_all(running)
        stored = running.stored()
        assert stored[document_hash(bomb)][1:] == ("quarantined", "too-large")
        assert [stored[document_hash(body)][1] for body in neighbours] == ["opened", "opened"]
        report.add(
            f"interview that inflates to 256 MiB ({kind(running)})", 1, "quarantined too-large; neighbours opened"
        )

    def test_what_a_device_pulls_inflates_within_limits_too(self, report: Report) -> None:
        deflated = zlib.compressobj(9, zlib.DEFLATED, -15)
        zeros = deflated.compress(bytes(64 << 20)) + deflated.flush()
        seed = bytes(range(32))
        public = hpke.public_key(SUITE_X25519, seed)
        rows = hpke.seal(SUITE_X25519, public, zeros, b"passerelle/1 entities\x00d\x00list")
        with pytest.raises(RemoteError, match="too-large"):
            open_rows(rows, list_name="list", device_id="d", receiving_seed=seed)
        with pytest.raises(RemoteError, match="too-large"):
            frames.inflate(zeros, 4 << 20)  # the frame of a form
        for dictionary in (None, b"<data><name>" * 2_000):
            with pytest.raises(EnvelopeError, match="too-large"):
                plaintext.unpack(zeros if dictionary is None else _with(dictionary), dictionary=dictionary)
        report.add("form frame, entity rows, plaintext, dictionary that inflate to 64 MiB", 4, "all refused: too-large")


def _with(dictionary: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=dictionary)
    return deflater.compress(dictionary * 4_000) + deflater.flush()


def _bomb(size: int) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [deflater.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    deflated = b"".join(parts) + deflater.flush()
    assert size > CONTROL_BYTES
    return frames.LENGTH.pack(len(deflated)) + deflated


def _control() -> bytes:
    deflated = frames.deflate(b'{"version":1}')
    return frames.LENGTH.pack(len(deflated)) + deflated


def _sealed_as_it_is(line: Line, number: int, packed: bytes) -> bytes:
    """Seal bytes under this device's own keys as if they were an interview."""
    header, content_key = line.sealer._header(Kind.INTERVIEW, "survey", raw_id(number), (), form_hash())
    return line.sealer._sent(layout._seal(header, content_key, line.sealer.signer, packed))


def _sealed(device: Device, number: int) -> None:
    answers = Answers(number=70_000 + number)
    device.seal_interview(answers.xml(), instance_id=raw_id(answers.number), form_version_hash=form_hash(), now=NOW)


def open_all(served: Served) -> None:
    """Open everything, beside the server, as `passerelle worker` does."""
    with opened(served.database_url) as database:
        config = Config(data_dir=served.data, database_url=served.database_url)
        keystore = served.keystore
        microdata = Microdata(config.microdata_dir, keystore, database)
        context = Context(config=config, database=database, keystore=keystore, microdata=microdata)
        OpeningWorker(
            database=database, keystore=keystore, microdata=microdata, clock=lambda: NOW, blobs=context.blobs
        ).run_until_idle()


def kind(served: Served) -> str:
    """Return which database a server uses."""
    return "PostgreSQL" if served.url else "SQLite"


def test_the_sample_is_the_same_in_each_run(sample: Sample) -> None:
    if IS_ALL:
        assert sample(range(1_000), 10) == list(range(1_000))
    else:
        assert sample(range(1_000), 10) == sample(range(1_000), 10)
        assert len(sample(range(1_000), 10)) <= 10
