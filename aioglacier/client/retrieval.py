"""A retrieval of an archive from a vault or a bucket, and the wait for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

import anyio
from typing_extensions import TypeVar  # whose variables have defaults before Python 3.13

from aioglacier.core.errors import TemporaryServiceError, TransportError, WaitTimeoutError

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from aioglacier.core.models import JobDescription
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.s3.objects import ObjectHead
    from aioglacier.transfer.download.download import Download
    from aioglacier.transfer.download.reader import ArchiveReader

_log: Final = logging.getLogger("aioglacier.client.retrieval")

#: What waits may be done at once, in a local Glacier for example; one early question costs nothing.
_FIRST_POLL_SECONDS: Final = 1.0
#: Expedited takes 1 to 5 minutes and all else hours, so half a minute more does not matter.
_LONGEST_POLL_SECONDS: Final = 30.0

T = TypeVar("T")
D_co = TypeVar("D_co", covariant=True, default="JobDescription | ObjectHead")


class Retrieval(Protocol[D_co]):
    """Bytes that can be read sooner or later: a vault's ``Job``, or a ``Restore`` of an S3 object.

    Attributes:
        is_new: Whether it was started, and is paid for, by the call that returned it.
    """

    @property
    def is_new(self) -> bool: ...  # noqa: D102

    async def describe(self) -> D_co:
        """Ask the service for its state."""
        ...

    async def wait_until_done(self, *, timeout_seconds: float = ...) -> D_co:
        """Wait until the bytes can be read."""
        ...

    def open_reader(
        self, byte_range: ByteRange | tuple[int, int] | None = None, *, unverified: bool = False
    ) -> AbstractAsyncContextManager[ArchiveReader]:
        """Open the bytes, or a half-open range of them."""
        ...

    async def download(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, unverified: bool = False
    ) -> None:
        """Write the bytes to a file, which gets its name once every byte is verified and on disk."""
        ...

    async def prepare_download(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, unverified: bool = False
    ) -> Download:
        """Prepare what ``download`` does: ``run()`` it, and poll ``snapshot()`` meanwhile."""
        ...


async def wait_until_done(
    what: str,
    look: Callable[[], Awaitable[T | None]],
    *,
    timeout_seconds: float,
    pause: Callable[[], Awaitable[None]] | None = None,
) -> T:
    """Ask until there is an answer, less and less often, at last every 30 seconds.

    While the service cannot be reached, waiting goes on. ``pause`` replaces the time between two questions.

    Raises:
        WaitTimeoutError: It was not done in time. It continues at the service.
    """

    async def look_patiently() -> T | None:
        try:
            return await look()
        except (TransportError, TemporaryServiceError) as error:
            if isinstance(error, TransportError) and not error.is_retryable:
                raise  # a wrong certificate stays wrong
            _log.warning("still waiting for %s after an error: %s", what, error)
            return None

    if (done := await look_patiently()) is not None:  # also with a timeout of 0
        return done
    poll_seconds = _FIRST_POLL_SECONDS
    with anyio.move_on_after(timeout_seconds):
        while True:
            if pause is not None:
                await pause()
            else:
                await anyio.sleep(poll_seconds)
                poll_seconds = min(poll_seconds * 1.5, _LONGEST_POLL_SECONDS)
            if (done := await look_patiently()) is not None:
                return done
    raise WaitTimeoutError(
        f"{what} was not done within {timeout_seconds:.0f} s. It continues; wait for it again",
        waited_seconds=timeout_seconds,
    )
