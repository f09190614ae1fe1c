"""The folders that are kept in vaults, each with an identity of its own.

Path, machine and user are attributes of a folder, and may change. Two machines that keep a folder of the same
path in one catalog have two folders.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from aioglacier.catalog.folders.entry_records import RunNumber, TreeNumber, TreeRecord
from aioglacier.catalog.storage.columns import escape_path
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import TREES
from aioglacier.catalog.vaults import find_vault, keep_vault
from aioglacier.core.errors import ConfigurationError
from aioglacier.files.host import machine_name
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection


class Trees(Records):
    """The folders of a catalog, as ``Catalog.trees``."""

    async def open(self, key: VaultKey, root: str, *, host: str, owner: str) -> TreeRecord:
        """Return the record of a folder on a machine; make it if it is missing.

        A folder that an old catalog kept without a machine belongs to the first machine that opens it.
        """

        def change(connection: Connection) -> TreeRecord:
            tree = _find(connection, key, root, host)
            if tree is None:
                return self._make(connection, key, secrets.token_hex(16), root, host, owner)
            if tree.host != host:
                TREES.update(connection, tree.number, host=host, owner=owner)
                tree = replace(tree, host=host, owner=owner)
            return tree

        return await self._database.write(change)

    async def find(self, key: VaultKey, root: str, host: str) -> TreeRecord | None:
        """Return the folder at a path of a machine, or one at this path whose machine is unknown."""
        return await self._database.read(lambda connection: _find(connection, key, root, host))

    async def choose(
        self, key: VaultKey, *, folder: str | None = None, host: str | None = None
    ) -> TreeRecord:
        """Return the folder of a request: the only one, or the only one of this path or machine.

        Raises:
            ConfigurationError: There is none, or there are several.
        """
        trees = known = await self.list(key)
        if folder is not None:
            root = await run_in_thread(partial(os.path.realpath, folder))
            trees = [tree for tree in trees if tree.root in {folder, root}]
        if host is not None or len(trees) > 1:
            here = [tree for tree in trees if tree.host in {host or machine_name(), ""}]
            trees = here if host is not None else here or trees
        if len(trees) == 1:
            return trees[0]
        names = ", ".join(f"{tree.root!r} of {tree.host or 'an unknown machine'}" for tree in trees or known)
        if trees:
            raise ConfigurationError(
                f"the catalog knows several folders in vault {key.vault!r}: {names}; say which with --folder "
                "or --host"
            )
        if known:
            raise ConfigurationError(
                f"the catalog does not know this folder in vault {key.vault!r}; it knows {names}"
            )
        raise ConfigurationError(
            f"the catalog knows no folder in vault {key.vault!r}: no 'sync' to it is on record. 'sync' takes "
            "a folder there; after a lost catalog, 'catalog recover' finds those that are there"
        )

    async def adopt(self, key: VaultKey, identity: str, root: str, *, host: str, owner: str) -> TreeRecord:
        """Return the record of the folder with this identity; make it if it is missing."""

        def change(connection: Connection) -> TreeRecord:
            found = _select(connection, key, "identity = ?", identity)
            return found[0] if found else self._make(connection, key, identity, root, host, owner)

        return await self._database.write(change)

    def _make(
        self, connection: Connection, key: VaultKey, identity: str, root: str, host: str, owner: str
    ) -> TreeRecord:
        made = TREES.insert(
            connection,
            place=keep_vault(connection, key),
            identity=identity,
            root=root,
            host=host,
            owner=owner,
            settings={},
            created=self._now(),
        )
        return _select(connection, key, "number = ?", made["number"])[0]

    async def list(self, key: VaultKey) -> list[TreeRecord]:
        """Return the folders that are kept in a vault, by path."""
        return await self._database.read(lambda connection: _select(connection, key, "1 = 1"))


def _find(connection: Connection, key: VaultKey, root: str, host: str) -> TreeRecord | None:
    found = _select(connection, key, "root = ? AND host IN (?, '')", escape_path(root), host)
    return max(found, key=lambda tree: tree.host == host, default=None)


def _select(connection: Connection, key: VaultKey, condition: str, *values: object) -> list[TreeRecord]:
    rows = TREES.select(
        connection, f"place = ? AND {condition} ORDER BY root, number", find_vault(connection, key), *values
    )
    return [
        TreeRecord(
            TreeNumber(row["number"]),
            key,
            row["identity"],
            row["root"],
            row["host"],
            row["owner"],
            None if row["last_run"] is None else RunNumber(row["last_run"]),
        )
        for row in rows
    ]
