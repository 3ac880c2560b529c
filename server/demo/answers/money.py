"""Module F: money and goods received from abroad."""

from __future__ import annotations

import random
from datetime import date

import numpy as np

from server.demo.answers.values import Answers, amount, pick, rounded
from server.demo.cases import Case, SenderReport
from server.demo.fieldwork import KNOWN, SILENT
from server.demo.rates import Rates, month_name, months_back
from server.demo.reporting import round_local

#: The largest amount that the form takes; people with so many pounds tell dollars or local money.
MOST = 100_000_000

_BANDS = (30_000, 80_000, 150_000, 300_000, 600_000)
_FORMAL = (("1", 30.0), ("2", 45.0), ("4", 15.0), ("5", 8.0), ("3", 2.0))
_INFORMAL = (("6", 45.0), ("7", 55.0))
_USES = (
    ("1", 60.0),
    ("2", 25.0),
    ("3", 20.0),
    ("4", 18.0),
    ("5", 15.0),
    ("6", 8.0),
    ("7", 7.0),
    ("9", 6.0),
    ("10", 12.0),
)


def months_of(sender: SenderReport, day: date) -> tuple[str, ...]:
    """Return the months in which money came, ``YYYY-MM``, the last one first."""
    return tuple(months_back(day, bit + 1) for bit in range(12) if sender.months >> bit & 1)


def money(case: Case, rates: Rates, rng: random.Random) -> Answers:
    """Answer module F; senders who were forgotten altogether are not named."""
    senders = [sender for sender in case.senders if sender.cash > 0 or sender.kind > 0][:10]
    cash = any(sender.cash > 0 for sender in senders)
    goods = any(sender.kind > 0 for sender in senders)
    answers: Answers = {"f_any": "1" if cash else "2", "f_anykind": "1" if goods else "2"}
    if senders:
        answers["f_n"] = str(len(senders))
        answers["sender"] = [_sender(case, rates, rng, sender, cash=cash, goods=goods) for sender in senders]
        answers["f_total_ok"] = "1"
    if cash:
        uses = [code for code, share in _USES if rng.random() < share] or ["1"]
        answers |= {"f_use": " ".join(uses), "f_use_main": rng.choice(uses)}
    answers |= {"f_other": "2", "f_out": "2"}
    if rng.random() < 0.03:
        answers |= {"f_other": "1", "f_other_amt": amount(rounded(rng.lognormvariate(11.3, 0.6), 1000))}
    if rng.random() < 0.01:
        answers |= {"f_out": "1", "f_out_amt": amount(rounded(rng.lognormvariate(10.5, 0.6), 1000))}
    return answers


def _sender(case: Case, rates: Rates, rng: random.Random, sender: SenderReport, *, cash: bool, goods: bool) -> Answers:
    row: Answers = {"f_type": "1", "f_mig": str(sender.line), "f_country": sender.corridor.country}
    if not sender.line:
        del row["f_mig"]
        row |= {"f_type": rng.choice("2334"), "f_sex": "2" if sender.female else "1"}
    if cash:
        row |= _cash(case, rates, rng, sender) if sender.cash > 0 else {"f_months": "0"}
    if goods:
        row["f_kind"] = "1" if sender.kind > 0 else "2"
        if sender.kind > 0:
            row["f_kind_val"] = amount(rounded(sender.kind * rates.of("USD", month_name(case.day)), 100))
    return row


def _cash(case: Case, rates: Rates, rng: random.Random, sender: SenderReport) -> Answers:
    months = months_of(sender, case.day)
    local = float(round_local(np.array([sender.cash * rates.mean("USD", months)]))[0])
    numbers = sorted(int(month[5:]) for month in months)
    row: Answers = {"f_months": " ".join(map(str, numbers))}
    if sender.known == KNOWN:
        row |= _amount(rates, rng, sender, local=local, months=months)
    elif sender.known == SILENT:
        row["f_basis"] = "4"
    else:
        row |= {"f_basis": "3", "f_band": str(1 + sum(local >= limit for limit in _BANDS)) if sender.has_band else "97"}
    return row | _channels(rng, sender)


def _amount(
    rates: Rates, rng: random.Random, sender: SenderReport, *, local: float, months: tuple[str, ...]
) -> Answers:
    """Tell a total in local currency, sometimes a usual amount each time, sometimes the currency it came in."""
    turn = rng.random()
    if turn < 0.35:
        times = min(max(sender.transfers, len(months)), 60)
        usual = rounded(local / times, 100)
        return {"f_basis": "2", "f_cur": "XTS", "f_amt": amount(usual), "f_times": str(times)}
    currency = "XTS" if turn < 0.92 else sender.corridor.currency
    told = local / rates.mean(currency, months) if currency != "XTS" else local
    if told > MOST:
        currency, told = "XTS", local
    return {"f_basis": "1", "f_cur": currency, "f_amt": amount(rounded(told, 0.01))}


def _channels(rng: random.Random, sender: SenderReport) -> Answers:
    row: Answers = {"f_fee_st": pick(rng, (("2", 82.0), ("1", 13.0), ("3", 5.0)))}
    if row["f_fee_st"] == "1":
        row["f_fee_pct"] = amount(rng.uniform(0.5, 9.0), 1)
    if sender.channel_unknown:
        return row | {"f_chan1": "97", "f_chan1_10": "10"}
    first = sender.formal_tenths >= 5
    tenths = sender.formal_tenths if first else 10 - sender.formal_tenths
    row |= {"f_chan1": pick(rng, _FORMAL if first else _INFORMAL), "f_chan1_10": str(tenths)}
    if tenths < 10:
        row["f_chan2"] = pick(rng, _INFORMAL if first else _FORMAL)
    return row
