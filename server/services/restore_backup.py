"""Restore a backup into an empty data folder and an empty database; tablets then offer again what came after it."""

import secrets
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from server.backups import snapshot
from server.backups.manifest import (
    BackupError,
    BackupFile,
    Manifest,
    copy_file,
    make_folder,
    sync_folders,
    to_disk,
    verify,
)
from server.config import RESTORING_FILE, Config
from server.db.engine import Database
from server.db.queries import audit, backups, devices, feed

OF_A_DISK: Final = "lost+found"
"""What a file system puts at its top: a fresh disk that is mounted for the data is empty all the same."""
ROOMS: Final = ("blobs", "microdata")


def check(folder: Path, *, config: Config, database: Database, progress: Callable[[int], None]) -> Manifest:
    """Read a backup whole and see that it can be restored here; nothing is written.

    Args:
        progress: takes how many bytes were read.

    Raises:
        BackupError: the backup is damaged, is of the other kind of database, or there is something here already.
    """
    if config.data_dir.exists() and any(path.name != OF_A_DISK for path in config.data_dir.iterdir()):
        raise BackupError(f"{config.data_dir} is not empty: nothing was restored. Give another --data FOLDER")
    manifest, damaged = verify(folder, progress)
    if damaged:
        raise BackupError(f"{len(damaged)} files of {folder} are damaged or missing ({damaged[0]}): use another backup")
    if (manifest.database == "sqlite") != database.is_sqlite:
        raise BackupError(f"the backup is of {manifest.database}: set PASSERELLE_DATABASE_URL to an empty one of that")
    if database.is_sqlite:
        if snapshot.sqlite_path(database.url).exists():
            raise BackupError(f"{snapshot.sqlite_path(database.url)} is there already: nothing was restored")
        return manifest
    with database.read() as session:
        if not backups.is_empty(session):
            raise BackupError("the database of PASSERELLE_DATABASE_URL is not empty: nothing was restored")
    return manifest


def place(folder: Path, manifest: Manifest, *, config: Config, database: Database) -> None:
    """Put files and database in their places, but not the keys: without them nobody takes it for an office.

    Raises:
        BackupError, OSError: nothing is left of it but what an external database got.
    """
    make_folder(config.data_dir)
    (config.data_dir / RESTORING_FILE).write_text(f"{folder}\n", encoding="utf-8")
    to_disk(config.data_dir)
    try:
        for file in manifest.files:
            room, _, rest = file.path.partition("/")
            if room in ROOMS:
                _copy(folder, file, _room(config, room) / rest)
            elif room == "beside":
                _copy(folder, file, config.data_dir / rest)
        is_sqlite = database.is_sqlite
        snapshot.put_back(database, folder / (snapshot.SQLITE_FILE if is_sqlite else snapshot.POSTGRESQL_FILE))
        sync_folders(config.data_dir)
    except BaseException:
        shutil.rmtree(config.data_dir, ignore_errors=True)
        raise


def begin_anew(session: Session, folder: Path, manifest: Manifest, *, user: str, now: datetime) -> None:
    """Begin another life of the database: tablets forget what they were told of the last one, and offer again.

    The backup itself is what is known to survive now. Numbers that were given after it are not given again. Links that
    enrol a tablet let nobody in any more: since the backup they may have been used, or taken back.
    """
    feed.start_anew(session, secrets.token_hex(8))
    backups.forget_all(session)
    if manifest.sequence is not None:
        backups.add(session, made_at=manifest.made, sequence=manifest.sequence, place=str(folder))
    backups.begin_uploads_again(session)
    backups.free_leases(session)
    backups.leave_numbers_out(session)
    devices.expire_tokens(session)
    detail = f"made {manifest.made_at}"
    audit.write(session, at=now, actor=user, action="restore", subject=folder.name, detail=detail)


def finish(folder: Path, manifest: Manifest, *, config: Config) -> None:
    """Put the keys back, last: from here on the office can be served."""
    for file in manifest.files:
        room, _, rest = file.path.partition("/")
        if room == "keys":
            _copy(folder, file, config.keys_dir / rest)
    sync_folders(config.data_dir)
    (config.data_dir / RESTORING_FILE).unlink()
    to_disk(config.data_dir)


def _copy(folder: Path, file: BackupFile, target: Path) -> None:
    if copy_file(folder / file.path, target).sha256 != file.sha256:
        raise BackupError(f"{file.path} changed while it was restored: the disk of the backup is failing")


def _room(config: Config, room: str) -> Path:
    return config.blobs_dir if room == "blobs" else config.microdata_dir
