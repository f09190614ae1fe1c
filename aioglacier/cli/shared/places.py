"""The place of a command about folders, a vault or a bucket, and the class that its prices are of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault
    from aioglacier.core.s3.objects import StorageClass


async def class_of(place: Vault | Bucket) -> StorageClass | None:
    """Return the storage class of what a bucket holds, for the prices; ``None`` for a vault."""
    from aioglacier.client.vault import Vault  # noqa: PLC0415  # not needed for help

    if isinstance(place, Vault):
        return None
    from aioglacier.core.s3.objects import StorageClass  # noqa: PLC0415  # loaded with the bucket

    async for entry in place.objects():
        if entry.storage_class != StorageClass.STANDARD and entry.storage_class in set(StorageClass):
            return StorageClass(entry.storage_class)
    return StorageClass.STANDARD


def open_for_writing(glacier: Glacier, place: str, storage_class: str | None) -> Vault | Bucket:
    """Return a vault, or a bucket with the class of what is written.

    Raises:
        InvalidPlanError: There is no such class.
        click.UsageError: A class is missing, or there is one for a vault.
    """
    if (storage_class is None) == place.startswith("s3://"):
        what = "needs" if storage_class is None else "is a vault, which has no"
        raise click.UsageError(f"{place} {what} --storage-class")
    return glacier.place(place, storage_class)
