"""Keys that were simply there, and that botocore is asked about only if the service calls them expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from aioglacier.core.errors import CredentialsExpiredError, NoCredentialsError
from aioglacier.gateway.credentials.boto_session import open_session

if TYPE_CHECKING:
    from aioglacier.gateway.contract.key_source import SigningKeys
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.credentials.live import LiveKeys
    from aioglacier.gateway.credentials.plain_settings import Keys


class PlainKeys:
    """Keys that do not change, until the service calls them expired and ``LiveKeys`` take over."""

    def __init__(self, keys: Keys, *, source: str, options: GatewayOptions) -> None:
        self._keys = keys
        self._source = source
        self._options = options
        self._lock = anyio.Lock()
        self._is_distrusted = False
        self._successor: LiveKeys | None = None

    async def keys(self) -> SigningKeys:
        """The keys to sign with now.

        Raises:
            CredentialsExpiredError: They have run out and no newer ones could be had.
        """
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

    def distrust(self, keys: SigningKeys) -> None:
        """Note that the service called these expired: the next request looks for others."""
        if self._successor is not None:
            self._successor.distrust(keys)
        elif keys == self._keys:
            self._is_distrusted = True

    async def _find_successor(self) -> LiveKeys:
        session = await open_session(self._options)
        from aioglacier.gateway.credentials.live import find_keys  # noqa: PLC0415  # loads botocore, which is there

        try:
            found = await find_keys(session, is_explicit=False, profile=session.profile)
        except NoCredentialsError as error:
            raise _expired() from error
        found.succeed(self._keys)
        return found

    def __repr__(self) -> str:
        return f"<PlainKeys from {self._source}>"


def _expired() -> CredentialsExpiredError:
    return CredentialsExpiredError(
        "the temporary credentials have expired and no newer ones were found; get new ones"
    )
