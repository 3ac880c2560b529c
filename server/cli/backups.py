"""``passerelle backup``, ``restore`` and ``upgrade``: what an office survives the loss of its disk by."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from server.cli.desk import Desk, actor, counting, json_option, pass_desk, print_json, working
from server.cli.edge import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.context import Context
    from server.services.back_up import MadeBackup

FOLDER = click.Path(path_type=Path, file_okay=False)
STEPS: Final = ("database", "files", "reading back")
MAKE: Final = "make"


class BackupGroup(click.Group):
    """A group that makes a backup when what follows is none of its commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in that is meant."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [MAKE, *args]
        return super().parse_args(ctx, args)


@click.group(cls=BackupGroup, epilog="\b\nExample:\n  passerelle --data survey backup /mnt/disk2/2026-11-26\n")
def backup() -> None:
    """Make a backup while the server serves, or read one back.

    `passerelle backup FOLDER` is short for `passerelle backup make FOLDER`.
    """


@backup.command(
    MAKE,
    epilog="""\b
Examples:
  passerelle --data survey backup make /mnt/disk2/2026-11-26
  passerelle --data survey backup /mnt/disk2/2026-11-26 --without-keys --json
""",
)
@click.argument("folder", type=FOLDER)
@click.option("--without-keys", is_flag=True, help="Leave the key store out: you keep it elsewhere, always up to date.")
@json_option
@pass_desk
def make(desk: Desk, folder: Path, without_keys: bool, as_json: bool) -> None:
    """Copy database, media, microdata and keys into FOLDER, read them back, and tell tablets.

    The folder appears when all of it is on disk. Files that the last backup beside it has already are linked, so that
    one a day costs little. Tablets are told that what is in it survives; keep it on another disk than the data.
    """
    with desk.context() as context:
        made = make_and_record(context, folder, with_keys=not without_keys)
    if as_json:
        print_json(made)
        return
    reach = "made of an older schema" if made.sequence is None else f"complete up to envelope {made.sequence}"
    click.echo(f"{made.folder}: {made.files} files of {made.bytes} bytes, {reach}.")
    click.echo(f"{made.reused_files} files were there already in the backup before it. All of it was read back.")


@backup.command(epilog="\b\nExample:\n  passerelle backup verify /mnt/disk2/2026-11-26\n")
@click.argument("folder", type=FOLDER)
@json_option
def verify(folder: Path, as_json: bool) -> None:
    """Read a backup whole and compare every file with its SHA-256. Needs no data folder."""
    from server.backups.manifest import BackupError, Manifest
    from server.backups.manifest import verify as read_back

    try:
        with counting("Reading back", Manifest.read(folder).total_bytes) as advance:
            manifest, damaged = read_back(folder, advance)
    except BackupError as error:
        raise Refusal(str(error)) from None
    if as_json:
        print_json(
            {
                "folder": folder,
                "made_at": manifest.made_at,
                "sequence": manifest.sequence,
                "files": len(manifest.files),
                "bytes": manifest.total_bytes,
                "missing": manifest.missing,
                "damaged": damaged,
            }
        )
    elif not damaged:
        click.echo(f"{folder}: {len(manifest.files)} files are as they were written at {manifest.made_at}.")
    if damaged:
        raise Refusal(f"{len(damaged)} files of {folder} are damaged or missing ({damaged[0]}): use another backup.")


@click.command(
    epilog="""\b
Examples:
  passerelle --data /srv/passerelle restore /mnt/disk2/2026-11-26
  PASSERELLE_DATABASE_URL=postgresql://… passerelle --data /srv/passerelle restore /mnt/disk2/2026-11-26
"""
)
@click.argument("folder", type=FOLDER)
@json_option
@pass_desk
def restore(desk: Desk, folder: Path, as_json: bool) -> None:
    """Restore a backup into an empty data folder, and an empty database.

    Every file is compared with its SHA-256 before anything is written. Tablets then offer again what they hold, so that
    nothing is lost that came after the backup. Interviews that were erased after it are back: erase them again first.
    """
    from server import migrations
    from server.backups.manifest import BackupError, Manifest
    from server.clock import utc_now
    from server.db.engine import Database
    from server.services import restore_backup

    config = desk.config()
    database = Database(config.database_url)
    try:
        with counting("Reading the backup", Manifest.read(folder).total_bytes) as advance:
            manifest = restore_backup.check(folder, config=config, database=database, progress=advance)
        if not migrations.is_known(manifest.schema):
            raise Refusal(f"the backup is of a newer Passerelle (schema {manifest.schema}): restore it with that one.")
        with working("Restoring …"):
            restore_backup.place(folder, manifest, config=config, database=database)
            migrations.upgrade(database)
            with database.transaction() as session:
                restore_backup.begin_anew(session, folder, manifest, user=actor(), now=utc_now())
            restore_backup.finish(folder, manifest, config=config)
    except BackupError as error:
        raise Refusal(str(error)) from None
    finally:
        database.dispose()
    if as_json:
        print_json({"data": config.data_dir, "made_at": manifest.made_at, "sequence": manifest.sequence,
                    "has_keys": manifest.has_keys, "missing": manifest.missing})  # fmt: skip
        return
    for line in _what_follows(manifest, config.data_dir):
        click.echo(line)


@click.command(
    epilog="""\b
Examples:
  passerelle --data survey upgrade --backup /mnt/disk2/before-the-update
  passerelle --data survey upgrade --no-backup
"""
)
@click.option("--backup", "folder", type=FOLDER, metavar="FOLDER", help="Where to make the backup first.")
@click.option("--no-backup", is_flag=True, help="Make none: you have one.")
@json_option
@pass_desk
def upgrade(desk: Desk, folder: Path | None, no_backup: bool, as_json: bool) -> None:
    """Bring the database to the schema of this program: back up, migrate, verify.

    Stop the server first. A database that a newer program has migrated is refused.
    """
    from server import migrations

    with desk.context() as context:
        migrations.refuse_newer(context.database)
        before = migrations.current(context.database)
        if before == migrations.newest():
            _say_upgraded(as_json, before=before, after=before, backup=None, verified=None)
            return
        made = None if no_backup else make_and_record(context, _before_the_update(context, folder, before))
        with working("Migrating …"):
            migrations.upgrade(context.database)
        if migrations.differences(context.database):
            raise Refusal("the schema is not what this program makes: restore the backup, and report this.")
        verified = _verify(context)
    _say_upgraded(as_json, before=before, after=migrations.newest(), backup=made, verified=verified)


def register(main: click.Group) -> None:
    """Add the commands to the top group."""
    for command in (backup, restore, upgrade):
        main.add_command(command)


def make_and_record(context: "Context", folder: Path, *, with_keys: bool = True) -> "MadeBackup":
    """Make a backup, say on the error stream what a person must know of it, and tell tablets of it.

    Raises:
        Refusal: it could not be made.
    """
    from server import migrations
    from server.backups.manifest import BackupError
    from server.clock import utc_now
    from server.services import back_up

    schema = migrations.current(context.database)
    try:
        with counting("Backing up", 100 * len(STEPS)) as advance:
            made = back_up.make(
                folder.absolute(),
                config=context.config,
                database=context.database,
                server_id=context.keystore.server_id,
                schema=schema,
                is_newest_schema=schema == migrations.newest(),
                now=utc_now(),
                with_keys=with_keys,
                say=_steps(advance),
            )
    except BackupError as error:
        raise Refusal(str(error)) from None
    with context.database.transaction() as session:
        back_up.record(session, made, user=actor())
    for line in _remarks(made):
        click.echo(line, err=True)
    return made


def _steps(advance: "Callable[[int], None]") -> "Callable[[str, float], None]":
    return lambda what, share: advance(round(100 * (STEPS.index(what) + share)))


def _remarks(made: "MadeBackup") -> list[str]:
    lines = []
    if made.is_on_same_disk:
        lines.append("This backup lies on the disk of the data and is lost with it: copy the folder elsewhere, or give"
                     " a folder on another disk. Tablets are told that it survives.")  # fmt: skip
    if made.opens_interviews:
        lines.append("The key file is in it: whoever has this folder can open interviews. Keep it as you keep the keys,"
                     " or make it with --without-keys.")  # fmt: skip
    if made.missing:
        lines.append(f"{len(made.missing)} files that the database names were not there or damaged ({made.missing[0]}):"
                     " run `passerelle verify`. Tablets keep what belongs to them.")  # fmt: skip
    return lines


def _what_follows(manifest: Any, data: Path) -> list[str]:
    lines = [f"Restored the backup of {manifest.made_at} into {data}."]
    if not manifest.has_keys:
        lines.append(f"It has no keys: put the office's key store into {data / 'keys'} before you serve.")
    if manifest.missing:
        lines.append(f"{len(manifest.missing)} files were missing in it already; `passerelle rebuild` makes microdata.")
    return [
        *lines,
        "Before you start the server, revoke again what was revoked after the backup: tablets, app users, accounts and",
        "API tokens that were valid then are valid again. Links that enrol a tablet let nobody in any more: make new",
        "ones. If keys were rotated after the backup, rotate them again: tablets may have newer ones.",
        "Then start the server. At their next exchange tablets hear that the database has begun anew, and offer again",
        "what they hold: nothing that a tablet still has is lost, and nothing is counted twice.",
        f"INTERVIEWS THAT WERE ERASED AFTER {manifest.made_at} ARE BACK. Erase them again before anybody reads or",
        "exports anything, from the letters of their people: passerelle submission erase (two persons, as ever).",
        "Other decisions of the office, accounts, enrolments and submissions of ODK Collect that came after the backup",
        "are not in it: decide again, enrol again, and have Collect send again what it still has.",
    ]


def _before_the_update(context: "Context", folder: Path | None, before: str) -> Path:
    if folder is not None:
        return folder
    if context.config.backup_dir is None:
        raise Refusal("say where to make the backup first: --backup FOLDER, or --no-backup if you have one.")
    from server.clock import utc_now

    return context.config.backup_dir / f"before-update-of-{before or 'nothing'}-{utc_now():%Y%m%dT%H%M%SZ}"


def _verify(context: "Context") -> bool | None:
    """Verify the whole store; None where that is not possible.

    Raises:
        Refusal: something does not agree.
    """
    from server.services import verify_store

    if context.keystore.is_locked:
        return None
    with working("Verifying …"):
        report = verify_store.verify(
            context.database, keystore=context.keystore, microdata=context.microdata, blobs=context.blobs
        )
    if not report.is_sound:
        raise Refusal(f"after the update {report.difference_count} things do not agree: run `passerelle verify`, and "
                      "restore the backup if its envelopes are whole.")  # fmt: skip
    return True


def _say_upgraded(as_json: bool, *, before: str, after: str, backup: Any, verified: bool | None) -> None:
    if as_json:
        print_json({"before": before, "after": after, "backup": backup, "verified": verified})
        return
    if before == after:
        click.echo(f"The database has the schema of this program already ({after}); nothing was changed.")
        return
    click.echo(f"The database went from schema {before} to {after}.")
    if verified:
        click.echo("Every envelope and all that is derived from them was verified.")
    else:
        click.echo("The key store is locked, so nothing was verified: run `passerelle verify` with the passphrase.")
