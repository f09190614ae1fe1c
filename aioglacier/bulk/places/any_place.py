"""The steps of folders and streams that differ between a vault and a bucket, by the kind of the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.bulk.places.vault_place import VaultPlace
from aioglacier.client.vault import Vault
from aioglacier.core.models import ArchiveId, JobDescription

if TYPE_CHECKING:
    from aioglacier.bulk.places.folder_place import FolderPlace
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.buckets.restore import Restore
    from aioglacier.client.job import Job
    from aioglacier.core.models import Tier


def as_folder_place(place: Vault | Bucket) -> FolderPlace:
    """Return a vault or a bucket as a place of folders.

    Raises:
        ConfigurationError: The connection has no catalog.
    """
    if isinstance(place, Vault):
        return VaultPlace(place)
    from aioglacier.bulk.places.bucket_place import BucketPlace  # noqa: PLC0415  # most have no bucket

    return BucketPlace(place)


async def retrieve_once(place: Vault | Bucket, archive_id: str, tier: Tier, days: int) -> Job | Restore:
    """Return the retrieval of an archive that is there already, or start one."""
    if isinstance(place, Vault):
        return await place.retrievals.find(ArchiveId(archive_id)) or await place.retrieve(
            archive_id, tier=tier
        )
    return await place.retrieve(archive_id, tier=tier, days=days)


async def is_asked_for(place: Vault | Bucket, archive_id: str) -> bool:
    """Return whether an archive can be read without another paid retrieval."""
    if isinstance(place, Vault):
        return await place.retrievals.find(ArchiveId(archive_id)) is not None
    head = await place.head(archive_id)
    return place.is_readable(head) or head.restore is not None


async def wait_for_content(retrieval: Job | Restore) -> tuple[int, bytes | None]:
    """Wait until an archive can be read; return its size, and its tree hash where the service tells it."""
    done = await retrieval.wait_until_done()
    if isinstance(done, JobDescription):
        return done.output_size or 0, done.archive_tree_hash
    return done.size, None
