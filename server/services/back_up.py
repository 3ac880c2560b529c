"""Make a backup: database, sealed media, microdata and keys in one folder, whole or not at all, and read back.

The snapshot of the database says which files belong to it. They are immutable: one that the former backup in the same
place has already is linked, not copied. What the live folder has lost is looked for there too.
"""

import contextlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
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
    sha256_of,
    sync_folders,
    to_disk,
    verify,
)
from server.backups.snapshot import Snapshot
from server.config import Config
from server.db.engine import Database
from server.db.queries import audit, backups, feed, parts, uploads
from server.keystore.files import KEY_FILE

NAME: Final = "%Y%m%dT%H%M%SZ"
MADE_BY_JOB: Final = re.compile(r"\d{8}T\d{6}Z")
UNFINISHED: Final = re.compile(r"\..+\.(unfinished|gone)-[0-9a-f]{8}")
BESIDE: Final = ("survey.json",)
"""Files of the data folder that belong to an office and are in no other part of it."""
Say = Callable[[str, float], None]
"""Takes what is being done, and how much of it is, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBackup:
    """A backup that is on disk under its name and was read back.

    Attributes:
        sequence: envelopes up to this number, with their media, survive; None when it was made of an older schema.
        reused_files: how many were linked from the former backup.
        is_on_same_disk: it lies on the disk of the data folder, and is lost with it.
        opens_interviews: whoever has it can open interviews, for the key file is in it.
    """

    folder: Path
    made_at: datetime
    sequence: int | None
    files: int
    bytes: int
    reused_files: int
    missing: Sequence[str]
    is_on_same_disk: bool
    opens_interviews: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """What one snapshot names: the SHA-256 of each immutable file by its path, and how far the snapshot is complete."""

    files: Mapping[str, str]
    complete: int
    first_to_come: int | None
    feed_epoch: str


_Former = tuple[Path, Mapping[str, BackupFile]]


@dataclass(slots=True)
class _Written:
    files: list[BackupFile] = field(default_factory=list)
    linked: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)


def make(
    folder: Path,
    *,
    config: Config,
    database: Database,
    server_id: str,
    schema: str,
    is_newest_schema: bool,
    now: datetime,
    with_keys: bool = True,
    say: Say = lambda _what, _share: None,
) -> MadeBackup:
    """Make a backup; `record` says afterwards that it is there.

    Args:
        folder: of this backup alone; must not exist.
        config: where the files lie.
        database: of the office.
        server_id: of the office.
        schema: revision of the database's schema.
        is_newest_schema: False before an update: then it is not known how far the backup reaches.
        now: of the snapshot.
        with_keys: the key store too, wrapped as it lies.
        say: told how far it is.

    Raises:
        BackupError: it cannot be made, or does not read back; nothing is left of it.
        OSError: a file cannot be written.
    """
    if folder.exists():
        raise BackupError(f"{folder} is there already: give each backup a folder of its own")
    make_folder(folder.parent)
    unfinished = folder.parent / f".{folder.name}.unfinished-{secrets.token_hex(4)}"
    unfinished.mkdir(mode=0o700)
    try:
        former = _former(folder.parent, server_id)
        names, written = _Names(files={}, complete=0, first_to_come=None, feed_epoch=""), _Written()
        with snapshot.taken(database) as taken:
            names = _names(taken, now=now, is_newest_schema=is_newest_schema)
            taken.copy(unfinished / taken.file, lambda share: say("database", share))
        written.files.append(_as_written(unfinished, taken.file))
        _gather(names, unfinished, config, former, written, say)
        _copy_beside(unfinished, config, with_keys=with_keys, written=written)
        gone = _erased_meanwhile(database, written.missing)
        missing = tuple(sorted(set(written.missing) - gone))
        manifest = Manifest(
            server_id=server_id,
            made_at=now.isoformat(timespec="seconds"),
            schema=schema,
            database="sqlite" if database.is_sqlite else "postgresql",
            sequence=_sequence(database, names, missing) if is_newest_schema else None,
            feed_epoch=names.feed_epoch,
            has_keys=with_keys,
            missing=missing,
            files=tuple(sorted(written.files, key=lambda file: file.path)),
        )
        _read_back(unfinished, manifest, config, written, say)
        unfinished.rename(folder)
        to_disk(folder.parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return MadeBackup(
        folder=folder,
        made_at=now,
        sequence=manifest.sequence,
        files=len(manifest.files),
        bytes=manifest.total_bytes,
        reused_files=len(written.linked),
        missing=missing,
        is_on_same_disk=folder.stat().st_dev == config.data_dir.stat().st_dev,
        opens_interviews=any(file.path == f"keys/{KEY_FILE}" for file in manifest.files),
    )


def record(session: Session, made: MadeBackup, *, user: str) -> None:
    """Say that a backup is there: tablets hear of it from now on. Only for one that `make` has read back.

    Media that neither the office nor the backup before has are lost: tablets that offer them are asked for them again.
    """
    uploads.set_lost(session, _media(made.missing))
    if made.sequence is None:
        return
    backups.add(session, made_at=made.made_at, sequence=made.sequence, place=str(made.folder))
    detail = f"up to envelope {made.sequence}"
    audit.write(session, at=made.made_at, actor=user, action="backup", subject=made.folder.name, detail=detail)


def name_of(now: datetime) -> str:
    """Return the name of a backup among others: the moment of its snapshot."""
    return now.strftime(NAME)


def prune(place: Path, *, server_id: str, keep: int, days: int, now: datetime) -> tuple[str, ...]:
    """Remove backups of an office from a place: those that are too old, and of the job's all but the last few.

    What was erased is gone from the backups when the last one made before it is: so those that people made there, and
    those before an update, grow too old like the job's. The last of all is never removed. Returns what went, by name.
    """
    made = sorted(_own(place, server_id), reverse=True)  # newest first
    of_job = [name for _, name in made if MADE_BY_JOB.fullmatch(name)]
    oldest = now - timedelta(days=days)
    going = [name for when, name in made[1:] if when < oldest or name in of_job[max(keep, 1) :]]
    for name in going:
        hidden = place / f".{name}.gone-{secrets.token_hex(4)}"
        (place / name).rename(hidden)  # never half a backup under its name
        shutil.rmtree(hidden, ignore_errors=True)
    yesterday = (now - timedelta(days=1)).timestamp()
    for child in place.iterdir():
        if UNFINISHED.fullmatch(child.name) and child.stat().st_mtime < yesterday:
            shutil.rmtree(child, ignore_errors=True)
    return tuple(going)


def _own(place: Path, server_id: str) -> Iterator[tuple[datetime, str]]:
    """Yield when each backup of an office in a place was made, and its name."""
    for child in place.iterdir():
        if child.name.startswith(".") or child.is_symlink() or not child.is_dir():
            continue
        manifest = _readable(child)
        if manifest is not None and manifest.server_id == server_id:
            yield manifest.made, child.name


def _names(taken: Snapshot, *, now: datetime, is_newest_schema: bool) -> _Names:
    session = taken.session
    files = {f"blobs/{digest.hex()[:2]}/{digest.hex()[2:]}": digest.hex() for digest in backups.named_blobs(session)}
    files |= {f"microdata/{path}": digest.hex() for path, digest in parts.part_hashes(session)}
    to_come = backups.first_with_media_to_come(session, now=now) if is_newest_schema else None
    return _Names(
        files=files, complete=taken.complete, first_to_come=to_come, feed_epoch=feed.head(session).epoch
    )  # fmt: skip


def _former(place: Path, server_id: str) -> _Former | None:
    """Return the last backup in a place and its files by path, None when there is none of this office."""
    found = [
        (manifest.made_at, child, manifest)
        for child in place.iterdir()
        if child.is_dir() and not child.name.startswith(".") and (manifest := _readable(child))
    ]
    own = [(child, manifest) for _, child, manifest in sorted(found, key=lambda one: one[:2])]
    own = [(child, manifest) for child, manifest in own if manifest.server_id == server_id]
    if not own:
        return None
    child, manifest = own[-1]
    return child, {file.path: file for file in manifest.files}


def _readable(folder: Path) -> Manifest | None:
    with contextlib.suppress(BackupError):
        return Manifest.read(folder)
    return None


def _as_written(folder: Path, name: str) -> BackupFile:
    length, digest = sha256_of(folder / name)
    return BackupFile(name, length, digest)


def _gather(
    names: _Names,
    target: Path,
    config: Config,
    former: _Former | None,
    written: _Written,
    say: Say,
) -> None:
    for number, (path, digest) in enumerate(sorted(names.files.items()), start=1):
        say("files", number / len(names.files))
        before = None if former is None else former[1].get(path)
        if former is not None and before is not None and before.sha256 == digest and _link(former[0], before, target):
            written.linked.add(path)
            written.files.append(before)
        elif (copied := _copy(config, path, target, digest)) is not None:
            written.files.append(copied)
        else:
            written.missing.append(path)


def _link(source: Path, file: BackupFile, target: Path) -> bool:
    """Link a file of the former backup; say whether that was possible."""
    make_folder((target / file.path).parent)
    try:
        if (source / file.path).stat().st_size == file.bytes:
            (target / file.path).hardlink_to(source / file.path)
            return True
    except OSError:
        return False
    return False


def _copy(config: Config, path: str, target: Path, digest: str) -> BackupFile | None:
    """Copy a file of the office; None when it is not there, or is not what its name promises."""
    try:
        copied = copy_file(_live(config, path), target / path)
    except FileNotFoundError:
        (target / path).unlink(missing_ok=True)
        return None
    if copied.sha256 != digest:
        (target / path).unlink()
        return None
    return replace(copied, path=path)


def _live(config: Config, path: str) -> Path:
    room, _, rest = path.partition("/")
    return {"blobs": config.blobs_dir, "microdata": config.microdata_dir}[room] / rest


def _copy_beside(target: Path, config: Config, *, with_keys: bool, written: _Written) -> None:
    """Copy the key store, as it is wrapped, and what an office has written beside it."""
    sources = {f"beside/{name}": config.data_dir / name for name in BESIDE}
    if with_keys:
        sources |= {f"keys/{path.name}": path for path in sorted(config.keys_dir.iterdir()) if path.is_file()}
    for path, source in sources.items():
        if source.is_file():
            written.files.append(replace(copy_file(source, target / path), path=path))


def _erased_meanwhile(database: Database, missing: Sequence[str]) -> set[str]:
    """Return which files nobody names any more: an erasure or a rebuild took them while the backup was being made."""
    if not missing:
        return set()
    with database.read() as session:
        named = {f"blobs/{digest.hex()[:2]}/{digest.hex()[2:]}" for digest in backups.named_blobs(session)}
        named |= {f"microdata/{path}" for path, _ in parts.part_hashes(session)}
    return set(missing) - named


def _sequence(database: Database, names: _Names, missing: Sequence[str]) -> int:
    """Return up to which envelope all is surely in the backup, media too."""
    with database.read() as session:
        first_lost = backups.first_that_names(session, _media(missing))
    ends = [number - 1 for number in (names.first_to_come, first_lost) if number is not None]
    return max(0, min([names.complete, *ends]))


def _media(paths: Sequence[str]) -> list[bytes]:
    """Return the SHA-256 of each medium among some paths."""
    return [bytes.fromhex("".join(path.split("/")[1:])) for path in paths if path.startswith("blobs/")]


def _read_back(target: Path, manifest: Manifest, config: Config, written: _Written, say: Say) -> None:
    """Read everything back; what has rotted in the former backup is copied afresh.

    Raises:
        BackupError: what was just written does not read back.
    """
    manifest.write(target)
    sync_folders(target)
    total = max(manifest.total_bytes, 1)
    _, damaged = verify(target, lambda done: say("reading back", done / total))
    hashes = {file.path: file.sha256 for file in manifest.files}
    for path in damaged:
        if path in written.linked:
            (target / path).unlink(missing_ok=True)
            written.linked.discard(path)
            if _copy(config, path, target, hashes[path]) is not None and sha256_of(target / path)[1] == hashes[path]:
                continue
        raise BackupError(
            f"{path} does not read back as it was written: the disk of the backup is failing, use another"
        )
    if damaged:
        sync_folders(target)
