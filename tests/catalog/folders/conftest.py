"""A folder in a catalog, with versions of paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog.folders.entry_records import Entry, RunNumber, Standing, TreeRecord
from tests.catalog.conftest import PHOTOS, TREE_HASH, archive

if TYPE_CHECKING:
    from aioglacier.catalog import ArchiveState, Catalog, UploadRecord


def version(
    tree: TreeRecord, run: RunNumber, path: bytes, upload: UploadRecord | None, **facts: object
) -> Entry:
    """A version of a small file in a bundle, or of a folder."""
    entry = Entry(
        tree=tree.number,
        path=path,
        since=run,
        kind="directory" if upload is None else "file",
        size=0 if upload is None else 5,
        mtime_ns=run,
        ctime_ns=1,
        inode=1,
        device=1,
        mode=0o644,
        uid=1,
        gid=1,
        target=None,
        extra=None,
        content_hash=None if upload is None else TREE_HASH,
        upload=None if upload is None else upload.number,
        position=None if upload is None else 0,
        stored=None if upload is None else 512,
        compression=None,
        encryption=None,
    )
    return entry._replace(**facts)  # type: ignore[arg-type]


@dataclass
class Folder:
    """A folder of a catalog, and what a sync does with it."""

    catalog: Catalog
    tree: TreeRecord
    archives: int = 0

    async def run(self) -> RunNumber:
        """Begin a run."""
        return await self.catalog.runs.begin(self.tree, "sync", {})

    async def end(self, run: RunNumber, *gone: int, outcome: str = "") -> None:
        """End it."""
        await self.catalog.runs.end(self.tree, run, counters={}, outcome=outcome, gone=gone)

    async def upload(self) -> UploadRecord:
        """Begin to send a bundle."""
        upload = await self.catalog.uploads.record_intent(self.tree.key, part_size=1)
        return await self.catalog.uploads.record_completing(upload, size=5, tree_hash=TREE_HASH)

    async def complete(self, upload: UploadRecord) -> None:
        """Record that the bundle is an archive."""
        self.archives += 1
        made = archive(self.archives, tree_hash=TREE_HASH)
        await self.catalog.uploads.record_completed(upload, made)

    async def sync(self, *paths: bytes) -> tuple[RunNumber, UploadRecord]:
        """Archive paths in a bundle, from begin to end."""
        run, upload = await self.run(), await self.upload()
        await self.catalog.entries.add([version(self.tree, run, path, upload) for path in paths])
        await self.complete(upload)
        await self.end(run)
        return run, upload

    async def state_of(self, upload: UploadRecord, state: ArchiveState) -> None:
        """Record the state of the archive of an upload."""
        record = await self.catalog.uploads.get(upload.number)
        assert record.archive_id is not None
        await self.catalog.archives.record_state(self.tree.key, record.archive_id, state)

    async def stored(self, run: RunNumber | None = None) -> dict[bytes, tuple[int, bool]]:
        """Return, for each path that a restore brings, the run of its version and whether it is older."""
        rows = [one async for page in self.catalog.entries.stored(self.tree, run) for one in page]
        found = {one.entry.path: (one.entry.since, one.is_older) for one in rows}
        assert len(found) == len(rows)  # a path has one version that counts
        return found

    async def unproven(self, run: RunNumber | None = None) -> dict[bytes, Standing]:
        """Return the paths that a restore must name because it cannot bring them."""
        pages = [page async for page in self.catalog.entries.unproven(self.tree, run)]
        return {entry.path: standing for page in pages for entry, standing in page}

    async def current(self) -> dict[bytes, tuple[int, Standing]]:
        """Return, for each path that a sync compares, its row and its standing."""
        rows = await self.catalog.entries.current_page(self.tree, None)
        return {row[0]: (row[10], row[-1]) for row in rows}


@pytest.fixture
async def folder(catalog: Catalog) -> Folder:
    """A folder that nothing was archived of."""
    return Folder(catalog, await catalog.trees.open(PHOTOS, "/home", host="here", owner="me"))
