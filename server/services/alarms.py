"""What is wrong with the server, in codes and words: for the command line, the API, the console and metrics."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from server.config import Config
from server.db.queries import watch
from server.db.queries.watch import Figures, Job
from server.db.tables.envelopes import RECEIVED, WAITING_FOR_KEY

BACKLOG: Final = timedelta(hours=1)
NO_BACKUP: Final = timedelta(days=3)
OVERDUE: Final = timedelta(hours=1)
FAILURES: Final = 3
LITTLE_BYTES: Final = 1 << 30
LITTLE_SHARE: Final = 0.05
PLENTY_BYTES: Final = 20 << 30
"""So much is enough, however small a share of the disk it is."""

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "backlog": "{number} envelopes wait to be opened, the first for {hours} h: is the worker running?",
        "waiting-for-key": "{number} envelopes wait for the key: start the server with PASSERELLE_PASSPHRASE set.",
        "no-backup": "The last backup is {days} days old: make one, and see why the worker makes none.",
        "never-backed-up": "There is no backup, and the first envelope came {days} days ago: make one.",
        "disk": "Only {megabytes} MB are free on the disk of the data ({percent} %): free space.",
        "job": "The job {job} has failed {number} times in a row: see the log of the worker.",
        "overdue": "The job {job} has been due for {hours} h: is the worker running?",
        "lost-media": "{number} media were lost on this server: put their files back, or let tablets send them again.",
        "silent": "{number} tablets in use were not heard of for a week.",
        "keyring": "{number} tablets have newer keys than this server: after a restore, run passerelle key rotate all.",
    },
    "fr": {
        "backlog": "{number} enveloppes attendent d'être ouvertes, depuis {hours} h : l'ouvrier tourne-t-il ?",
        "waiting-for-key": "{number} enveloppes attendent la clé : démarrez le serveur avec PASSERELLE_PASSPHRASE.",
        "no-backup": "La dernière sauvegarde a {days} jours : voyez pourquoi l'ouvrier n'en fait pas.",
        "never-backed-up": "Il n'y a pas de sauvegarde, et la première enveloppe a {days} jours : faites-en une.",
        "disk": "Il ne reste que {megabytes} Mo sur le disque des données ({percent} %) : libérez de la place.",
        "job": "La tâche {job} a échoué {number} fois de suite : voyez le journal de l'ouvrier.",
        "overdue": "La tâche {job} est due depuis {hours} h : l'ouvrier tourne-t-il ?",
        "keyring": "{number} tablettes ont des clés plus récentes que ce serveur : lancez passerelle key rotate all.",
        "lost-media": "{number} médias se sont perdus sur ce serveur : remettez-les, ou faites-les renvoyer.",
        "silent": "{number} tablettes en service n'ont pas donné de nouvelles depuis une semaine.",
    },
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that a person must look after: its code, and the numbers and names of its sentence."""

    code: str
    values: Mapping[str, int | str]

    def sentence(self, language: str) -> str:
        """Return it in words."""
        return WORDS[language][self.code].format(**self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The server at one moment.

    Attributes:
        has_backups: False where the office has said that it makes none.
        free_bytes, disk_bytes: of the disk with the data.
    """

    at: datetime
    alarms: tuple[Alarm, ...]
    figures: Figures
    has_backups: bool
    free_bytes: int
    disk_bytes: int

    @property
    def backup_age(self) -> timedelta | None:
        """How old the last backup is, None when there is none."""
        return None if self.figures.backup is None else self.at - self.figures.backup.made_at

    @property
    def backlog_age(self) -> timedelta:
        """For how long the first envelope has been waiting that nobody has tried to open."""
        oldest = self.figures.oldest_unopened_at
        return timedelta(0) if oldest is None else max(timedelta(0), self.at - oldest)

    def members(self) -> dict[str, Any]:
        """Return it for JSON."""
        figures = self.figures
        backup = figures.backup
        return {
            "status": "alarm" if self.alarms else "ok",
            "at": self.at.isoformat(timespec="seconds"),
            "alarms": [
                {"code": alarm.code, "text": alarm.sentence("en"), "values": dict(alarm.values)}
                for alarm in self.alarms
            ],
            "envelopes": dict(figures.envelopes),
            "backlog_seconds": round(self.backlog_age.total_seconds()),
            "devices": {
                "enrolled": figures.devices,
                "seen_today": figures.devices_seen,
                "silent": list(figures.silent),
            },
            "media_bytes": figures.media_bytes,
            "backups": "on" if self.has_backups else "off",
            "backup": None
            if backup is None
            else {"made_at": backup.made_at.isoformat(timespec="seconds"), "sequence": backup.sequence},
            "disk": {"free_bytes": self.free_bytes, "bytes": self.disk_bytes},
            "jobs": [
                {
                    "name": job.name,
                    "due_at": job.due_at.isoformat(timespec="seconds"),
                    "last_run_at": job.last_run_at and job.last_run_at.isoformat(timespec="seconds"),
                    "failures": job.failures,
                }
                for job in figures.jobs
            ],
        }


def look(session: Session, *, config: Config, now: datetime) -> Status:
    """Look at everything that can be wrong."""
    found = watch.figures(session, now=now)
    free, total = free_space(config.data_dir)
    alarms = [
        *_of_envelopes(found, now),
        *(_of_backups(found, now) if config.backups else ()),
        *_of_disk(free, total),
        *(alarm for job in found.jobs if (alarm := _of_job(job, now)) is not None),
    ]
    if found.ahead:
        alarms.append(Alarm("keyring", {"number": found.ahead}))
    if found.lost_media:
        alarms.append(Alarm("lost-media", {"number": found.lost_media}))
    if found.silent:
        alarms.append(Alarm("silent", {"number": len(found.silent)}))
    return Status(
        at=now,
        alarms=tuple(alarms),
        figures=found,
        has_backups=config.backups,
        free_bytes=free,
        disk_bytes=total,
    )


def free_space(folder: Path) -> tuple[int, int]:
    """Return the free and all bytes of the disk of a folder."""
    usage = shutil.disk_usage(folder)
    return usage.free, usage.total


def is_nearly_full(free: int, total: int) -> bool:
    """Say whether little is left of a disk."""
    return free < LITTLE_BYTES or (free < LITTLE_SHARE * total and free < PLENTY_BYTES)


def _of_envelopes(found: Figures, now: datetime) -> list[Alarm]:
    alarms = []
    if found.oldest_unopened_at is not None and now - found.oldest_unopened_at > BACKLOG:
        values = {"number": found.envelopes.get(RECEIVED, 0), "hours": _hours(now - found.oldest_unopened_at)}
        alarms.append(Alarm("backlog", values))
    if waiting := found.envelopes.get(WAITING_FOR_KEY, 0):
        alarms.append(Alarm("waiting-for-key", {"number": waiting}))
    return alarms


def _of_backups(found: Figures, now: datetime) -> list[Alarm]:
    if found.backup is not None:
        age = now - found.backup.made_at
        return [Alarm("no-backup", {"days": age.days})] if age > NO_BACKUP else []
    if found.first_received_at is None or now - found.first_received_at <= NO_BACKUP:
        return []
    return [Alarm("never-backed-up", {"days": (now - found.first_received_at).days})]


def _of_disk(free: int, total: int) -> list[Alarm]:
    if not is_nearly_full(free, total):
        return []
    return [Alarm("disk", {"megabytes": free >> 20, "percent": round(100 * free / max(total, 1))})]


def _of_job(job: Job, now: datetime) -> Alarm | None:
    if job.failures >= FAILURES:
        return Alarm("job", {"job": job.name, "number": job.failures})
    if not job.is_running and now - job.due_at > OVERDUE:
        return Alarm("overdue", {"job": job.name, "hours": _hours(now - job.due_at)})
    return None


def _hours(age: timedelta) -> int:
    return int(age.total_seconds() // 3600)
