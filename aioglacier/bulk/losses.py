"""The files of folders that would be lost with archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aioglacier.catalog import Catalog, VaultKey
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import ArchiveId


class Loss(NamedTuple):
    """A file whose newest stored version lies in an archive that is to be deleted.

    Attributes:
        root: The folder.
        path: Below the folder.
        has_older: Whether another version of the file stays.
    """

    root: str
    path: bytes
    has_older: bool


async def find_losses(
    vault: Vault | Bucket, archive_ids: Sequence[ArchiveId] | None = None
) -> AsyncIterator[list[Loss]]:
    """Yield the files that would lose their newest stored version, page by page.

    Args:
        vault: The vault. Without a catalog, or with one that knows no folder, nothing is yielded.
        archive_ids: The archives to be deleted; ``None`` for all of the vault.
    """
    if vault.context.records is None:
        return
    context = vault.context.recorded()
    async for page in losses_on_record(context.catalog, context.key, archive_ids):
        yield page


async def losses_on_record(
    catalog: Catalog, key: VaultKey, archive_ids: Sequence[ArchiveId] | None
) -> AsyncIterator[list[Loss]]:
    """Yield the same for a place on record."""
    async for page in catalog.entries.resting_on(key, archive_ids):
        yield [Loss(*each) for each in page]
