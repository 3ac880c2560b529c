"""How many opened interviews of hh_remit one core checks in a second, beside how many it opens.

The same made interviews as `open_per_core`, opened before the clock starts. Measured is everything the stage does:
finding what waits, the epochs' keys again, decryption, parsing, typed values, every rule of the form, the checks of the
survey's questionnaire, sealing and writing the findings, on SQLite with `synchronous=FULL`. Compared with opening the
same interviews in the same run: the ratio is what checking costs beside it.
"""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.open_per_core import INTERVIEWS, NOW, deliver, load_for, open_office
from server.context import Context
from server.db.queries import fieldwork
from server.db.queries.frame_rows import RateRow
from server.services.check_interviews import CheckingWorker
from server.services.open_items import OpeningWorker

CURRENCIES = ("USD", "SAR", "QAT", "EUR", "AED", "QAR", "KWD", "MYR")
GOAL = 300


def run() -> Iterator[dict[str, Any]]:
    """Open the interviews, then check them; yield the figure."""
    with TemporaryDirectory() as folder:
        context, definition = open_office(Path(folder))
        _import_rates(context)
        load = load_for(context, definition)
        deliver(context, load.bodies)
        worker = OpeningWorker(
            database=context.database,
            keystore=context.keystore,
            microdata=context.microdata,
            clock=lambda: NOW,
            blobs=context.blobs,
        )
        opening = time.process_time()
        worker.run_until_idle()
        opening = time.process_time() - opening
        checker = CheckingWorker(context.database, context.keystore, lambda: NOW, context.blobs)
        wall, processor = time.perf_counter(), time.process_time()
        batch = checker.run_until_idle()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        context.close()
    if batch.checked != INTERVIEWS:
        raise RuntimeError(f"not everything was checked: {batch}")
    yield {
        "what": "check_stage",
        "value": round(INTERVIEWS / processor),
        "unit": "interviews/s of processor time",
        "wall_per_second": round(INTERVIEWS / wall),
        "compared_with": "opening the same interviews",
        "compared_value": round(INTERVIEWS / opening),
        "ratio": round(opening / processor, 2),
        "with_findings": batch.with_findings,
        "goal": GOAL,
    }


def _import_rates(context: Context) -> None:
    months = [f"{year}-{month:02d}" for year in range(2020, 2027) for month in range(1, 13)]
    with context.database.transaction() as session:
        fieldwork.replace_rates(
            session,
            [
                RateRow(currency=currency, month=month, lcu_per_unit=Decimal(100))
                for currency in CURRENCIES
                for month in months
            ],
        )
