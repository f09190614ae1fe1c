"""Files to restore."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aioglacier.server import LocalGlacier
from tests.bulk.conftest import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier.client.vault import Vault


@asynccontextmanager
async def serving(folder: Path, *, job_delay: float = 0) -> AsyncIterator[tuple[LocalGlacier, Vault]]:
    """Run a local Glacier in this process, so that faults can be added, with a vault and a catalog."""
    async with (
        LocalGlacier(folder / "glacier", job_delay=job_delay) as server,
        connected(server.url, folder / "catalog.db") as glacier,
    ):
        yield server, await glacier.create_vault("folders")


def make_files(root: Path, number: int, size: int) -> Path:
    """A folder of files of one size, in the order of their names."""
    root.mkdir()
    for each in range(number):
        (root / f"f{each:02}").write_bytes(os.urandom(size))
    return root
