"""A connection on an event loop of its own thread, used from threads that block."""

from __future__ import annotations

import os
import weakref
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from anyio.from_thread import start_blocking_portal

from aioglacier.catalog import Catalog
from aioglacier.client.glacier import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.from_thread import BlockingPortal

    from aioglacier.client.glacier import Glacier


class Portal:
    """A connection with its catalog, opened at once, and closed with ``close`` or when this object goes.

    Attributes:
        loop: Runs functions and context managers on the connection's event loop.
        glacier: The connection.
    """

    def __init__(self, catalog: str | None, options: dict[str, Any]) -> None:
        with ExitStack() as stack:
            self.loop: BlockingPortal = stack.enter_context(start_blocking_portal())
            opened = self.loop.wrap_async_context_manager(_open(catalog, options))
            self.glacier: Glacier = stack.enter_context(opened)
            self.close = weakref.finalize(self, _close, stack.pop_all(), os.getpid())


@asynccontextmanager
async def _open(path: str | None, options: dict[str, Any]) -> AsyncIterator[Glacier]:
    async with Catalog.open(path) as catalog, connect(catalog=catalog, **options) as glacier:
        yield glacier


def _close(stack: ExitStack, process: int) -> None:
    if os.getpid() == process:  # a forked process has neither the thread nor the connection
        stack.close()
