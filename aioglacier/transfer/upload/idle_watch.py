"""A warning before the service forgets an upload to which nothing is sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.limits import IDLE_WARNING_SECONDS, VAULT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.core.models import UploadId

_log: Final = logging.getLogger("aioglacier.transfer")

#: One warning in each hour that is left.
_SAY_AGAIN_SECONDS: Final = 3600.0


class IdleWatch:
    """Watches when an upload was last sent anything, by the loop's own clock unless another one is given."""

    def __init__(
        self,
        upload_id: UploadId,
        *,
        clock: Callable[[], float] = anyio.current_time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._upload_id = upload_id
        self._clock = clock
        self._sleep = sleep
        self._sent_at = clock()

    def sent(self) -> None:
        """Note that a part has arrived, which is what the service counts as activity."""
        self._sent_at = self._clock()

    async def run(self) -> None:
        """Warn for as long as there is reason to; wakes up once an hour at most."""
        while True:
            idle = self._clock() - self._sent_at
            if idle < IDLE_WARNING_SECONDS:
                await self._sleep(IDLE_WARNING_SECONDS - idle)
                continue
            _log.warning(
                "nothing was sent to upload %s for %d hours; the service forgets it, and all that was sent, "
                "after %d; the next part is sent when the source has filled it",
                self._upload_id,
                idle // 3600,
                VAULT.upload_idle_seconds // 3600,
            )
            await self._sleep(_SAY_AGAIN_SECONDS)
