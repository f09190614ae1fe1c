"""What the rooms of folders need of a vault: the connection beneath it, and the catalog beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aioglacier.core.errors import ConfigurationError
from aioglacier.core.limits import MIB

if TYPE_CHECKING:
    from aioglacier.catalog import Catalog, Place
    from aioglacier.client.vault import Vault
    from aioglacier.gateway.contract.protocols import Gateway
    from aioglacier.recorded.vault_records import VaultRecords
    from aioglacier.transfer.resources import TransferResources


def outcome_of(error: BaseException) -> str:
    """What the record of a run says of its end."""
    if isinstance(error, Exception):
        return f"{type(error).__name__}: {error}"
    return "stopped"


class FolderPlace:
    """A vault with a catalog.

    Attributes:
        vault: The vault.
        records: Its records.
        catalog: Where they are.
        place: The vault, as the catalog knows it.
        gateway: Carries requests.
        resources: Memory, hashing and connections.
    """

    def __init__(self, vault: Vault) -> None:
        if vault.records is None:
            raise ConfigurationError("folders are kept with a catalog; give one to connect()")
        inside: Any = vault
        self.vault = vault
        self.records: VaultRecords = vault.records
        self.catalog: Catalog = vault.records.catalog
        self.place: Place = vault.records.place
        self.gateway: Gateway = inside._gateway  # noqa: SLF001  # the same house, one floor up
        self.resources: TransferResources = inside._resources  # noqa: SLF001

    def part_size(self, wanted: int) -> int:
        """A part size of which the memory limit has room for two."""
        size = wanted
        while size > MIB and 2 * size > self.resources.buffers.limit:
            size //= 2
        return size
