"""The fixture ``glacier`` for pytest-asyncio, which wants its own kind; loaded only beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.client.glacier import Glacier
    from aioglacier.testing.served import ServedGlacier


@pytest_asyncio.fixture
async def _glacier_of_asyncio(local_glacier: ServedGlacier) -> AsyncIterator[Glacier]:
    async with local_glacier.connect() as connected:
        yield connected
