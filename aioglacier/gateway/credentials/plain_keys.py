"""Keys that were given as they are; botocore is asked only if the service calls them expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from aioglacier.core.errors import CredentialsExpiredError, NoCredentialsError
from aioglacier.gateway.credentials.boto_session import new_session
from aioglacier.gateway.credentials.plain_settings import check_keys

if TYPE_CHECKING:
    from aioglacier.gateway.contract.key_source import Keys
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.credentials.live import LiveKeys


class PlainKeys:
    """A ``KeySource`` of keys that do not change, until they have expired and ``LiveKeys`` replace them."""

    def __init__(self, keys: Keys, *, source: str, options: GatewayOptions) -> None:
        """Hold some keys.

        Raises:
            InvalidCredentialsError: They contain a character that no key has.
        """
        check_keys(keys, source)
        self._keys = keys
        self._source = source
        self._options = options
        self._lock = anyio.Lock()
        self._is_distrusted = False
        self._successor: LiveKeys | None = None

    async def keys(self) -> Keys:
        """See ``KeySource.keys``."""
        if self._successor is not None:
            return await self._successor.keys()
        if not self._is_distrusted:
            return self._keys
        if self._source == "explicit":
            raise _expired()
        async with self._lock:
            if self._successor is None:
                self._successor = await self._find_successor()
        return await self._successor.keys()

    def distrust(self, keys: Keys) -> None:
        """See ``KeySource.distrust``."""
        if self._successor is not None:
            self._successor.distrust(keys)
        elif keys == self._keys:
            self._is_distrusted = True

    async def _find_successor(self) -> LiveKeys:
        session = await anyio.to_thread.run_sync(new_session, self._options)
        from aioglacier.gateway.credentials.live import find_keys  # noqa: PLC0415  # botocore is loaded by now

        try:
            return await find_keys(session, is_explicit=False, distrusted=self._keys)
        except NoCredentialsError as error:
            raise _expired() from error

    def __repr__(self) -> str:
        return f"<PlainKeys from {self._source}>"


def _expired() -> CredentialsExpiredError:
    return CredentialsExpiredError(
        "the temporary credentials have expired and no newer ones were found; get new ones"
    )
