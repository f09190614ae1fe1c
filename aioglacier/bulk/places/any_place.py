"""The kind of a place of folders, the one question that is asked about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.bulk.places.vault_place import VaultPlace
from aioglacier.client.vault import Vault

if TYPE_CHECKING:
    from aioglacier.bulk.places.folder_place import FolderPlace
    from aioglacier.client.buckets.bucket import Bucket


def as_folder_place(place: Vault | Bucket) -> FolderPlace:
    """Return a vault or a bucket as a place of folders.

    Raises:
        ConfigurationError: The connection has no catalog.
    """
    if isinstance(place, Vault):
        return VaultPlace(place)
    from aioglacier.bulk.places.bucket_place import BucketPlace  # noqa: PLC0415  # most have no bucket

    return BucketPlace(place)
