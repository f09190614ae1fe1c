"""The archives that folders are kept in: bundles of small files, and big files, each an archive by itself.

Members are recorded while their bundle is on its way. They count from the moment in which the upload is
completed and its archive is proven, all at once, and never if the upload fails.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from aioglacier.catalog.folders.entry_records import BundleRecord
from aioglacier.catalog.records import ArchiveKind, UploadState
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import BUNDLES
from aioglacier.tasks.shard import WHOLE, Shard

if TYPE_CHECKING:
    from aioglacier.catalog.folders.entry_records import RunNumber, TreeRecord
    from aioglacier.catalog.records import UploadNumber
    from aioglacier.catalog.storage.backend import Connection

_UNFINISHED: Final = (
    "SELECT r.settings, b.upload, b.format, b.compression, b.encryption FROM bundles AS b "  # noqa: S608
    "JOIN uploads AS u ON u.number = b.upload JOIN runs AS r ON r.number = b.run "
    "WHERE b.tree = ? AND u.state IN "
    f"('{UploadState.INTENT}', '{UploadState.OPEN}', '{UploadState.COMPLETING}') ORDER BY b.upload"
)

#: Uploads in these states have no archive and never will.
_FRUITLESS: Final = f"('{UploadState.ABORTED}', '{UploadState.EXPIRED}', '{UploadState.FAILED}')"


class Bundles(Records):
    """The bundles of a catalog, as ``Catalog.bundles``."""

    async def record(self, tree: TreeRecord, run: RunNumber, bundle: BundleRecord) -> None:
        """Record that an upload takes files of a folder, or its final figures."""

        def change(connection: Connection) -> None:
            connection.rows("DELETE FROM bundles WHERE upload = ?", (bundle.upload,))
            BUNDLES.insert(connection, tree=tree.number, run=run, **asdict(bundle))

        await self._database.write(change)

    async def finish(self, upload: UploadNumber) -> None:
        """Record that the archive of a completed upload is a bundle."""
        await self._database.write(
            lambda connection: connection.rows(
                "UPDATE archives SET kind = ? WHERE upload = ?", (ArchiveKind.BUNDLE.value, upload)
            )
        )

    async def unfinished(self, tree: TreeRecord, shard: Shard = WHOLE) -> list[BundleRecord]:
        """Return the archives of a folder whose uploads have not come to an end, of runs of a shard.

        The whole has those of all shards.
        """
        rows = await self._database.read(lambda connection: connection.rows(_UNFINISHED, (tree.number,)))
        return [BundleRecord(*row) for settings, *row in rows if _is_of(settings, shard)]

    async def of_shard(self, tree: TreeRecord, shard: Shard) -> set[UploadNumber]:
        """Return the uploads of a folder that runs of a shard made."""
        statement = (
            "SELECT r.settings, b.upload FROM bundles AS b JOIN runs AS r ON r.number = b.run "
            "WHERE b.tree = ?"
        )
        rows = await self._database.read(lambda connection: connection.rows(statement, (tree.number,)))
        return {upload for settings, upload in rows if _is_of(settings, shard)}

    async def get(self, upload: UploadNumber) -> BundleRecord | None:
        """Return the bundle of an upload; ``None`` if it is a plain file."""
        found = await self._database.read(lambda connection: BUNDLES.select(connection, "upload = ?", upload))
        names = BundleRecord.__slots__
        return BundleRecord(**{name: found[0][name] for name in names}) if found else None

    async def drop(self, upload: UploadNumber) -> None:
        """Remove the versions and the bundle of an upload that failed, or begins again."""

        def change(connection: Connection) -> None:
            connection.rows("DELETE FROM entries WHERE upload = ?", (upload,))
            connection.rows("DELETE FROM bundles WHERE upload = ?", (upload,))

        await self._database.write(change)

    async def drop_fruitless(self, tree: TreeRecord) -> None:
        """Remove the versions of a folder whose uploads failed. They never counted."""
        await self._database.write(
            lambda connection: connection.rows(
                "DELETE FROM entries WHERE tree = ? AND upload IN "  # noqa: S608
                f"(SELECT number FROM uploads WHERE state IN {_FRUITLESS})",
                (tree.number,),
            )
        )


def _is_of(settings: str, shard: Shard) -> bool:
    """Return whether a run with these settings, as they are kept, was one of a shard."""
    return shard.count == 1 or json.loads(settings).get("shard") == str(shard)
