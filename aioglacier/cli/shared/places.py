"""The place of a command about folders, a vault or a bucket, and the class that its prices are of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from aioglacier.cli.program.session import CommandError

if TYPE_CHECKING:
    from aioglacier.client.buckets.bucket import Bucket
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


def check_folder(name: str) -> None:
    """See that a folder is there. A hook before the run may have mounted it.

    Raises:
        CommandError: There is none of this name.
    """
    if not os.path.isdir(name):  # noqa: PTH112  # a name of any bytes
        what = "is a file" if os.path.lexists(name) else "is not there"
        raise CommandError(f"{name!r} {what}; name a folder")


def check_class(place: str, storage_class: str | None) -> None:
    """See that what is written to a bucket has a class, and nothing else has.

    Raises:
        click.UsageError: A class is missing, or there is one for a vault.
    """
    if (storage_class is None) == place.startswith("s3://"):
        what = "needs" if storage_class is None else "is a vault, which has no"
        raise click.UsageError(f"{place} {what} --storage-class")
