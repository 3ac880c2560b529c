"""Modules C and D: who lives in the household, and who of it lives abroad."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date

from server.demo.answers.values import Answers, leaving_month, month_of, pick, start_month
from server.demo.cases import Case, PersonReport
from server.demo.names import first_name

#: ISCED levels of adults, poorest and richest fifth: none or primary, lower, upper secondary, more.
_EDUCATION = ((62.0, 25.0, 10.0, 3.0), (20.0, 30.0, 32.0, 18.0))
_OTHER_REASONS = (("3", 50.0), ("4", 20.0), ("2", 20.0), ("5", 5.0), ("96", 5.0))


def member_line(case: Case, person: PersonReport) -> int:
    """Return the line in module C of a returnee: the head keeps line 1 where there is room."""
    returnees = sum(one.is_returnee for one in case.people)
    return person.line + 1 if case.residents > returnees else person.line


def _education(case: Case, rng: random.Random) -> str:
    rich = min(max((case.wealth + 1.5) / 3, 0.0), 1.0)
    weights = [low + (high - low) * rich for low, high in zip(*_EDUCATION, strict=True)]
    group = rng.choices(range(4), weights)[0]
    return rng.choice((("0", "1"), ("2",), ("3",), ("4", "5", "6", "6", "7"))[group])


def members(case: Case, rng: random.Random) -> Answers:
    """Answer module C: the head first, 38 % of all people under 15, returnees among the adults."""
    returnees = {member_line(case, person): person for person in case.people if person.is_returnee}
    head_age = max(rng.randint(28, 68), *(int(22 + one.left) for line, one in returnees.items() if line == 1), 0)
    rows: list[Answers] = []
    for line in range(1, case.residents + 1):
        person = returnees.get(line)
        female = _is_female(case, rng, line, person)
        age, relation = _age_and_relation(rng, line, head_age, person)
        name = f"head {case.household}" if line == 1 else f"{case.key} {line}"
        row: Answers = {"c_name": first_name(name, female=female), "c_sex": "2" if female else "1"}
        if line > 1:
            row["c_rel"] = relation
        row |= {"c_age": str(age), "c_birth": "XLA", "c_citizen": "XLA", "c_away": rng.choice("0000000123")}
        if rng.random() < 0.01:
            row["c_birth"] = "OTH"
        row |= _schooling_and_activity(case, rng, age, female=female)
        if age >= 15:
            row |= _return(case, rng, person) if person else {"c_ret": "2"}
        rows.append(row)
    return {"c_n": str(case.residents), "member": rows}


def _is_female(case: Case, rng: random.Random, line: int, person: PersonReport | None) -> bool:
    if line == 1:
        return case.female_head
    if person:
        return person.female
    if line == 2:
        return not case.female_head
    return rng.random() < 100 / 205


def _age_and_relation(rng: random.Random, line: int, head_age: int, person: PersonReport | None) -> tuple[int, str]:
    """Return completed years and the relation to the head ('' for the head)."""
    if line == 1:
        return head_age, ""
    if person:
        # Nobody worked abroad as a child.
        age = min(int(18 + person.left) + rng.randint(0, 20), 75)
        return age, "2" if line == 2 and abs(age - head_age) < 15 else "8"
    if line == 2 and rng.random() < 0.85:
        return max(head_age + rng.randint(-8, 3), 18), "2"
    if rng.random() < 0.72:
        return rng.randint(0, min(14, head_age - 16)), "3" if rng.random() < 0.8 else "5"
    if rng.random() < 0.75:
        return rng.randint(15, max(15, head_age - 17)), "3"
    return min(head_age + rng.randint(16, 30), 95), "6"


def _schooling_and_activity(case: Case, rng: random.Random, age: int, *, female: bool) -> Answers:
    answers: Answers = {}
    if age >= 5:
        answers["c_educ"] = _education(case, rng) if age >= 18 else str(min((age - 5) // 6, 2))
    if age >= 15:
        if age < 20:
            weights = (("5", 65.0), ("1", 20.0), ("3", 15.0))
        elif age < 65:
            work = 45.0 if female else 75.0
            weights = (("1", work), ("3", 10.0), ("6", 85.0 - work))
        else:
            weights = (("7", 70.0), ("3", 20.0), ("6", 10.0))
        answers["c_activity"] = pick(rng, weights)
    return answers


def _return(case: Case, rng: random.Random, person: PersonReport) -> Answers:
    answers: Answers = {
        "c_ret": "1",
        "c_ret_country": person.corridor.country,
        "c_ret_back": month_of(person.back, case.day).isoformat(),
    }
    job = _job(case, rng, person)
    answers["c_ret_reason"] = job.pop("reason")
    answers |= {f"c_ret_{name}": value for name, value in job.items()}
    start = job.get("start")
    if isinstance(start, str):
        answers["c_ret_back"] = max(start, month_of(person.back, case.day).isoformat())
    return answers


def _job(case: Case, rng: random.Random, person: PersonReport) -> dict[str, str]:
    """Answer why someone left and which first job followed, by the ends of the question names."""
    if not person.to_work:
        return {"reason": pick(rng, _OTHER_REASONS)}
    answers = {"reason": "1", "12": "1" if person.year_intended else "2"}
    if person.self_employed:
        return answers | {"job": "2"}
    start = start_month(person.started, case.day, recent=person.started <= 3)
    return answers | {"job": "1", "start": start.isoformat()}


def abroad(case: Case, rng: random.Random) -> Answers:
    """Answer module D."""
    people = [person for person in case.people if not person.is_returnee]
    rows = [_member_abroad(case, rng, person) for person in people]
    return {"d_n": str(len(rows)), "abroad": rows} if rows else {"d_n": "0"}


def _member_abroad(case: Case, rng: random.Random, person: PersonReport) -> Answers:
    age = min(int(18 + person.left) + rng.randint(0, 18), 85)
    row: Answers = {
        "d_name": first_name(f"{case.key} abroad {person.line}", female=person.female),
        "d_sex": "2" if person.female else "1",
        "d_age": str(age),
        "d_rel": pick(rng, (("3", 65.0), ("2", 20.0), ("8", 12.0), ("9", 3.0))),
        "d_educ": _education(case, rng),
        "d_left": _left(case.day, person).isoformat(),
        "d_country": person.corridor.country,
        "d_contact": pick(rng, (("1", 70.0), ("2", 22.0), ("3", 7.0), ("4", 1.0))),
    }
    row.update(_prefixed("d_", _job(case, rng, person)))
    return row


def _left(day: date, person: PersonReport) -> date:
    """Return the month of departure, not after the month the job began."""
    left = leaving_month(person.left, day)
    if person.to_work and not person.self_employed:
        return min(left, start_month(person.started, day, recent=person.started <= 3))
    return left


def _prefixed(prefix: str, answers: Mapping[str, str]) -> dict[str, str]:
    return {prefix + name: value for name, value in answers.items()}
