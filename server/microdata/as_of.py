"""Answers as of another version: the chain of stored maps from the version that an interview was collected on.

A version's map leads from the version published before it. What lies on one line before a version can be read as of
it; an interview on a later version is read as collected, for nothing leads back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from forms.definition import FormDefinition
from forms.evolution.declared import EMPTY_MAP, MigrationMap, read_map
from forms.evolution.upgrade import Upgrade, identity, upgrade_between
from server.db.queries.forms import VersionLink
from server.keystore import Store
from server.microdata.schema import table_of

Definitions = Callable[[bytes], FormDefinition]
"""Gives the definition of a stored version by its hash."""


def declared_map(link: VersionLink) -> MigrationMap:
    """Return the map stored with a version."""
    return EMPTY_MAP if link.map_document is None else read_map(link.map_document)


def upgrades_to(chain: Sequence[VersionLink], as_of: bytes, definition_of: Definitions) -> Mapping[bytes, Upgrade]:
    """Return, for each version that leads to one, the upgrade of its answers to that one.

    Args:
        chain: every version of the form.
        as_of: hash of the version as of which answers are read.
    """
    links = {link.hash: link for link in chain}
    upgrade = identity(definition_of(as_of))
    found = {as_of: upgrade}
    link = links.get(as_of)
    while link is not None and link.previous_hash in links and link.previous_hash not in found:
        before = definition_of(link.previous_hash)
        upgrade = upgrade_between(before, definition_of(link.hash), declared_map(link)).then(upgrade)
        found[link.previous_hash] = upgrade
        link = links[link.previous_hash]
    return found


def upgraded_table(table: pa.Table, upgrade: Upgrade, store: Store, columns: Sequence[str] | None) -> pa.Table:
    """Return the answers of a table as of the version that an upgrade leads to, row by row.

    Args:
        columns: names of top-level columns in that version; None for all.
    """
    known = upgrade.columns(store)
    wanted = known if columns is None else tuple(column for column in known if column.name in columns)
    return table_of([upgrade.apply(row, store).row for row in rows_of(table)], wanted)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of a table as they were read from an interview: what was not asked is absent."""
    return [_present(row) for row in table.to_pylist()]


def _present(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [_present(inner) for inner in value] if isinstance(value, list) else value
        for name, value in row.items()
        if value is not None
    }
