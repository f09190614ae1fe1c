"""The kind of a place of folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.bulk.places.vault_place import VaultPlace
from aioglacier.client.vault import Vault

if TYPE_CHECKING:
    from aioglacier.bulk.places.folder_place import FolderPlace


def as_folder_place(place: Vault | FolderPlace) -> FolderPlace:
    """Return a place of folders; one that was opened before stays as it is."""
    return VaultPlace(place) if isinstance(place, Vault) else place
