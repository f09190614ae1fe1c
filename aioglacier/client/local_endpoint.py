"""The one place where the client imports the server, for ``endpoint_url="local:DIR"``.

Apart from this they share only the core, so that they cannot agree on the same mistake.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REGION: Final = "us-east-1"

#: A local Glacier in this process checks no signatures, but every request has one.
KEYS: Final = ("local", "local")


@asynccontextmanager
async def serve(directory: str) -> AsyncIterator[str]:
    """Run a local Glacier on a folder, in this process, and yield its URL.

    Jobs are done at once and inventories are up to date.

    Raises:
        ConfigurationError: The folder's name is missing, or it cannot be used.
    """
    from aioglacier.server import LocalGlacier, StartupError  # noqa: PLC0415  # not needed for AWS

    if not directory:
        raise ConfigurationError('a local Glacier needs a folder: endpoint_url="local:DIR"')
    async with AsyncExitStack() as stack:
        server = LocalGlacier(Path(directory), region=REGION, job_delay=0, inventory_lag=0)
        try:
            await stack.enter_async_context(server)
        except StartupError as error:
            raise ConfigurationError(str(error)) from error
        yield server.url
