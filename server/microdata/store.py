"""Microdata: opened answers as columns, in two encrypted stores under two keys.

The analysis store has no direct identifier, position or free text; those are in the identifiers store. Each opening
batch writes one immutable Parquet part a store and form version (modular encryption, AES-256-GCM, footer included),
fsynced with its folder before the transaction that names it. Repeats are nested lists, so a part is one file. A
reader sees, for each interview, the row of its current revision, ordered by interview id: neither arrival nor
batching can change what an estimator gets. Decrypted columns exist in memory only.
"""

import hashlib
import io
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as parquet_encryption

from forms.definition import FormDefinition
from forms.evolution.upgrade import Upgrade
from server.blobs import sync_to_disk
from server.db.engine import Database
from server.db.queries import definitions as definition_queries
from server.db.queries import forms as form_queries
from server.db.queries import parts as part_queries
from server.db.queries.erasures import PartRows
from server.db.queries.parts import CurrentRow
from server.disk import synced
from server.errors import NotFound
from server.keystore import KeyStore, Store
from server.microdata.as_of import upgraded_table, upgrades_to
from server.microdata.schema import EMPTY, table_of
from server.microdata.standing import Standing

T = TypeVar("T")
LOG: Final = logging.getLogger(__name__)
STORES: Final[tuple[Store, Store]] = ("analysis", "identifiers")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPart:
    """Two files that are on disk and not yet named by the database."""

    analysis_path: str
    identifiers_path: str
    analysis_sha256: bytes
    identifiers_sha256: bytes
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTable:
    """The current rows of one form version.

    `table` has the form's columns and beside them `_interview_id` (hexadecimal), `_household_key` (after decisions),
    `_holds` (such as ``K1,K3``), `_weighs`, `_state`, `_answers_hash` (hexadecimal), `_received_at` (UTC) and
    `_source` (device id or app user). `as_of` is the hash of the version whose columns they are, followed by those kept
    from earlier versions; as collected it is `form_version_hash`.
    """

    form_version_hash: bytes
    version: str
    table: pa.Table
    as_of: bytes


class Microdata:
    """The two stores of one instance, in a folder of its own."""

    def __init__(self, folder: Path, keystore: KeyStore, database: Database) -> None:
        self._folder = folder
        self._keystore = keystore
        self._database = database
        self._definitions: dict[bytes, FormDefinition] = {}

    def write_part(
        self,
        definition: FormDefinition,
        analysis: Sequence[Mapping[str, Any]],
        identifiers: Sequence[Mapping[str, Any]],
    ) -> WrittenPart:
        """Write the answers of a batch, row by row side by side in the two stores; on disk when this returns.

        Args:
            definition: of the form version that all rows belong to.
            analysis, identifiers: rows as `forms.structure.read_answers` gives them.

        Raises:
            KeyStoreLocked: without the vault.
        """
        name = secrets.token_hex(16)
        folder = self._folder / definition.hash.hex()[:16]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        written: dict[Store, tuple[str, bytes]] = {}
        rows_of: dict[Store, Sequence[Mapping[str, Any]]] = {"analysis": analysis, "identifiers": identifiers}
        for store in STORES:
            table = table_of(rows_of[store], definition.columns(store))
            path = folder / f"{name}.{store}.parquet"
            written[store] = (str(path.relative_to(self._folder)), self._write(table, path, store))
        sync_to_disk(folder)
        sync_to_disk(self._folder)
        return _written(written, len(analysis))

    def read(
        self,
        store: Store,
        *,
        form_id: str,
        mode: str = "survey",
        columns: Sequence[str] | None = None,
        as_of: bytes | None = None,
    ) -> tuple[PartTable, ...]:
        """Read the current row of each interview of a form and mode, one table a form version.

        Args:
            columns: names of top-level columns (a repeat whole); None for all. A form version without one of them
                gives a table without it.
            as_of: hash of the version as of which answers are read, through the stored maps; None for as collected.
                Interviews on a version that does not lead to it come as collected: `PartTable.as_of` says so.

        Raises:
            KeyStoreLocked: without the vault.
            NotFound: when no version has the hash `as_of`.
        """
        upgrades = self.upgrades(form_id, as_of)

        def look() -> tuple[PartTable, ...]:
            with self._database.read() as session:
                rows = part_queries.current_rows(session, form_id=form_id, mode=mode)
                files = part_queries.part_paths(session, store)
            return self._tables(rows, files, store, columns=columns, upgrades=upgrades)

        return _once_more(look)

    def read_one(self, store: Store, interview_id: bytes, *, as_of: bytes | None = None) -> PartTable | None:
        """Read the current row of one interview, as `read` does; None when it has none.

        Raises:
            KeyStoreLocked: without the vault.
            NotFound: when no version has the hash `as_of`.
        """

        def look() -> PartTable | None:
            with self._database.read() as session:
                found = part_queries.current_row(session, interview_id)
                files = part_queries.part_paths(session, store)
            if found is None:
                return None
            form_id, row = found
            upgrades = self.upgrades(form_id, as_of)
            (table,) = self._tables((row,), files, store, columns=None, upgrades=upgrades)
            return table

        return _once_more(look)

    def upgrades(self, form_id: str, as_of: bytes | None) -> Mapping[bytes, Upgrade]:
        """Return the upgrade of each form version that leads to one; none for as collected.

        Raises:
            NotFound: when no version of the form has the hash `as_of`.
        """
        if as_of is None:
            return {}
        with self._database.read() as session:
            chain = form_queries.chain(session, form_id)
        if as_of not in {link.hash for link in chain}:
            raise NotFound(f"no published version of {form_id} has the hash {as_of.hex()}")
        return upgrades_to(chain, as_of, self.definition)

    def definition(self, form_version_hash: bytes) -> FormDefinition:
        """Return the definition of a stored form version.

        Raises:
            NotFound: when there is none.
        """
        known = self._definitions.get(form_version_hash)
        if known is None:
            with self._database.read() as session:
                known = definition_queries.published_definition(session, form_version_hash)
                draft = None if known else definition_queries.definition(session, form_version_hash)
            if known is not None:
                self._definitions[form_version_hash] = known
            elif draft is not None:
                return draft
            else:
                raise NotFound(f"no form version has the hash {form_version_hash.hex()}")
        return known

    def _tables(
        self,
        rows: Sequence[CurrentRow],
        files: Mapping[int, str],
        store: Store,
        *,
        columns: Sequence[str] | None,
        upgrades: Mapping[bytes, Upgrade],
    ) -> tuple[PartTable, ...]:
        standings = {row.interview_id: Standing.open(row.sealed, row.interview_id, self._keystore) for row in rows}
        versions = sorted({(row.version, row.form_version_hash) for row in rows})
        found: list[PartTable] = []
        for version, version_hash in versions:
            own = [row for row in rows if row.form_version_hash == version_hash]
            upgrade = upgrades.get(version_hash)
            is_as_it_is = upgrade is None or not upgrade.steps
            answers, ordered = self._answers(own, store, files, columns if is_as_it_is else None)
            if upgrade is not None and not is_as_it_is:
                answers = upgraded_table(answers, upgrade, store, columns)
            found.append(
                PartTable(
                    form_version_hash=version_hash,
                    version=version,
                    table=_with_standing(answers, ordered, standings),
                    as_of=version_hash if upgrade is None else upgrade.after.hash,
                )
            )
        return tuple(found)

    def _answers(
        self, rows: Sequence[CurrentRow], store: Store, files: Mapping[int, str], columns: Sequence[str] | None
    ) -> tuple[pa.Table, list[CurrentRow]]:
        by_part: dict[int, list[CurrentRow]] = {}
        for row in rows:
            by_part.setdefault(row.part_id, []).append(row)
        pieces: list[pa.Table] = []
        ordered: list[CurrentRow] = []
        for part_id, its_rows in sorted(by_part.items()):
            pieces.append(self._read_file(files[part_id], store, columns).take([row.row for row in its_rows]))
            ordered += its_rows
        return pa.concat_tables(pieces), ordered

    def _read_file(self, path: str, store: Store, columns: Sequence[str] | None) -> pa.Table:
        properties = parquet_encryption.create_decryption_properties(
            self._keystore.microdata_key(store), aad_prefix=path.encode()
        )
        with pq.ParquetFile(
            self._folder / path, decryption_properties=properties, pre_buffer=False, memory_map=False
        ) as file:
            known = set(file.schema_arrow.names)
            wanted = None if columns is None else [name for name in columns if name in known]
            if wanted == []:
                return pa.table({EMPTY: pa.nulls(file.metadata.num_rows)})
            return _without_placeholder(file.read(columns=wanted, use_threads=False))

    def blank_rows(self, part: PartRows) -> Mapping[Store, tuple[str, bytes]]:
        """Write a part anew in which every row that no revision names is empty; the numbers stay.

        Return path and SHA-256 of the file of each store. On disk when this returns; the former files are the caller's
        to remove once the new ones are named. A file that is lost or damaged has nothing to blank and is left out:
        one trouble must not keep all that came from being opened. `verify` tells of it, `rebuild` makes it anew.

        Raises:
            KeyStoreLocked: without the vault.
        """
        kept = pa.array([row if row in part.named else None for row in range(part.rows)], pa.int64())
        folder = self._folder / part.form_version_hash.hex()[:16]
        name = secrets.token_hex(16)
        written: dict[Store, tuple[str, bytes]] = {}
        former: dict[Store, str] = {"analysis": part.analysis_path, "identifiers": part.identifiers_path}
        for store in STORES:
            path = folder / f"{name}.{store}.parquet"
            try:
                table = self._read_file(former[store], store, None).take(kept)
            except (OSError, pa.ArrowException) as error:
                LOG.error("microdata file %s is not blanked: %s", former[store], type(error).__name__)  # noqa: TRY400
                continue
            written[store] = (str(path.relative_to(self._folder)), self._write(table, path, store))
        if written:
            sync_to_disk(folder)
        return written

    def _write(self, table: pa.Table, path: Path, store: Store) -> bytes:
        """Encrypt into memory, then write and fsync; return the SHA-256 of the file."""
        aad = str(path.relative_to(self._folder)).encode()
        properties = parquet_encryption.create_encryption_properties(
            self._keystore.microdata_key(store), aad_prefix=aad, store_aad_prefix=False
        )
        buffer = io.BytesIO()
        pq.write_table(table, buffer, encryption_properties=properties, compression="lz4", write_statistics=False)
        content = buffer.getvalue()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            synced(file.fileno())
        return hashlib.sha256(content).digest()

    def differing_parts(self) -> tuple[str, ...]:
        """Return the paths of named parts whose file is missing or altered."""
        with self._database.read() as session:
            named = part_queries.part_hashes(session)
        return tuple(path for path, digest in named if _file_hash(self._folder / path) != digest)

    def remove_orphans(self, *, older_than: datetime) -> int:
        """Delete files that no transaction has named, left by a crash; return how many.

        Args:
            older_than: a younger file may belong to a batch that is not committed yet.
        """
        limit = older_than.timestamp()
        old = [path for path in sorted(self._folder.glob("*/*.parquet")) if path.stat().st_mtime < limit]
        with self._database.read() as session:  # after looking: what is named meanwhile is seen as named
            named = {path for path, _ in part_queries.part_hashes(session)}
        orphans = [path for path in old if str(path.relative_to(self._folder)) not in named]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)

    def remove(self, paths: Iterable[str]) -> None:
        """Delete files that no transaction names any more, by their paths below the folder."""
        for path in paths:
            (self._folder / path).unlink(missing_ok=True)


def _once_more(look: Callable[[], T]) -> T:
    """Read; once more where a file was written anew under another name since its name was read."""
    try:
        return look()
    except FileNotFoundError:
        return look()


def _written(written: Mapping[Store, tuple[str, bytes]], rows: int) -> WrittenPart:
    return WrittenPart(
        analysis_path=written["analysis"][0],
        identifiers_path=written["identifiers"][0],
        analysis_sha256=written["analysis"][1],
        identifiers_sha256=written["identifiers"][1],
        rows=rows,
    )


def _with_standing(table: pa.Table, rows: Sequence[CurrentRow], standings: Mapping[bytes, Standing]) -> pa.Table:
    """Put the standing beside the answers, in the order of interview ids."""
    for name, values in _standing_columns(rows, standings).items():
        table = table.append_column(name, values)
    order = sorted(range(len(rows)), key=lambda index: rows[index].interview_id)
    return table.take(order).combine_chunks()


def _standing_columns(rows: Sequence[CurrentRow], standings: Mapping[bytes, Standing]) -> dict[str, pa.Array]:
    standing = [standings[row.interview_id] for row in rows]
    received: list[datetime] = [row.received_at for row in rows]
    return {
        "_interview_id": pa.array([row.interview_id.hex() for row in rows], pa.string()),
        "_household_key": pa.array([item.household_key for item in standing], pa.string()),
        "_holds": pa.array([row.holds for row in rows], pa.string()),
        "_weighs": pa.array([item.weighs for item in standing], pa.bool_()),
        "_state": pa.array([row.state for row in rows], pa.string()),
        "_answers_hash": pa.array([row.answers_hash.hex() for row in rows], pa.string()),
        "_received_at": pa.array(received, pa.timestamp("us", tz="UTC")),
        "_source": pa.array([row.source for row in rows], pa.string()),
    }


def _without_placeholder(table: pa.Table) -> pa.Table:
    return table.drop_columns([EMPTY]) if table.column_names == [EMPTY] and table.num_columns > 1 else table


def _file_hash(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None
