"""Keys that botocore finds and refreshes, looked up again when the service calls them expired."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import anyio
from botocore.exceptions import BotoCoreError

from aioglacier.core.errors import CredentialsExpiredError, NoCredentialsError
from aioglacier.gateway.contract.key_source import Keys
from aioglacier.gateway.credentials.plain_settings import check_keys

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from botocore.credentials import ReadOnlyCredentials


logger = logging.getLogger("aioglacier.gateway")

#: What botocore's providers raise when a file, a process or a service does not give usable keys: an expiry in
#: the past is a RuntimeError, an answer that is no JSON a ValueError, one without a key a KeyError.
_FAILURES: Final = (BotoCoreError, OSError, RuntimeError, ValueError, KeyError)

#: botocore asks three times, a second apart, and would do so before every request. So after a slow refresh
#: the keys at hand, if they are still good, are used for a minute without asking.
_REST_SECONDS: Final = 60.0
_SLOW_SECONDS: Final = 0.5


class LiveKeys:
    """A ``KeySource`` on botocore's credentials.

    Sixteen tasks that need a refresh together cause one: botocore's refreshable credentials hold a lock, and
    so does the look-up here.
    """

    def __init__(
        self, session: AioSession, credentials: Any, *, is_explicit: bool, distrusted: Keys | None = None
    ) -> None:
        """``distrusted`` are keys that the service has called expired already."""
        self._session = session
        self._credentials: Any = credentials  # of a kind that only botocore knows
        self._is_explicit = is_explicit
        self._lock = anyio.Lock()
        self._distrusted = distrusted
        # The first keys may be refreshed before they are used; only botocore's own attributes show them.
        frozen = getattr(credentials, "_frozen_credentials", None)
        self._last = _keys_of(frozen) if frozen is not None else None
        self._good_until: datetime | None = getattr(credentials, "_expiry_time", None)
        self._rests_until = 0.0

    async def keys(self) -> Keys:
        """See ``KeySource.keys``. While a refresh fails, the keys at hand are used as long as they are good.

        Raises:
            CredentialsExpiredError: They have expired, and no newer ones were found.
            InvalidCredentialsError: They contain a character that no key has.
        """
        if self._distrusted is not None:
            await self._look_up()
        elif self._last is not None and time.monotonic() < self._rests_until and self._is_good:
            return self._last
        began = time.monotonic()
        try:
            keys = _keys_of(await self._credentials.get_frozen_credentials())
        except _FAILURES as error:
            if self._last is None or not self._is_good:
                raise _not_refreshed(error) from error
            logger.warning(
                "the temporary credentials could not be refreshed; they are good until %s", self._good_until
            )
            self._rests_until = time.monotonic() + _REST_SECONDS
            return self._last
        if keys != self._last:
            check_keys(keys, self._credentials.method)
            if self._last is not None:
                logger.info("the credentials were refreshed")
        elif time.monotonic() - began > _SLOW_SECONDS:
            self._rests_until = time.monotonic() + _REST_SECONDS
        self._last = keys
        self._good_until = getattr(self._credentials, "_expiry_time", None)
        return keys

    @property
    def _is_good(self) -> bool:
        """Whether the keys at hand are sure to be good for the next request."""
        return self._good_until is not None and datetime.now(UTC) < self._good_until

    def distrust(self, keys: Keys) -> None:
        """See ``KeySource.distrust``."""
        if keys == self._last:
            self._distrusted = keys

    async def _look_up(self) -> None:
        """Replace keys that the service called expired, or fail without another request."""
        async with self._lock:
            distrusted = self._distrusted
            if distrusted is None:
                return
            found = None if self._is_explicit else await self._find()
            try:
                is_new = found is not None and _keys_of(await found.get_frozen_credentials()) != distrusted
            except _FAILURES as error:
                raise _not_refreshed(error) from error
            if not is_new:
                raise CredentialsExpiredError(
                    "the temporary credentials have expired and no newer ones were found; get new ones"
                )
            self._credentials = found
            self._distrusted = None

    async def _find(self) -> Any:
        try:
            return await self._session.get_component("credential_provider").load_credentials()
        except _FAILURES as error:
            logger.warning("looking for newer credentials failed: %s", type(error).__name__)
            return None

    def __repr__(self) -> str:
        return f"<LiveKeys from {self._credentials.method}>"


def _not_refreshed(error: Exception) -> CredentialsExpiredError:
    return CredentialsExpiredError(
        f"the temporary credentials could not be refreshed ({type(error).__name__}: {error}); get new ones"
    )


def _keys_of(frozen: ReadOnlyCredentials) -> Keys:
    return Keys(frozen.access_key or "", frozen.secret_key or "", frozen.token or None)


async def find_keys(session: AioSession, *, is_explicit: bool, distrusted: Keys | None = None) -> LiveKeys:
    """Look for credentials everywhere botocore does.

    Raises:
        NoCredentialsError: There are none; the message says how to give some.
    """
    try:
        credentials = await session.get_credentials()
    except _FAILURES as error:
        raise NoCredentialsError(f"finding credentials failed: {error}") from error
    if credentials is None:
        raise NoCredentialsError(
            f"no AWS credentials, and none in the profile {session.profile or 'default'!r}. Set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name another profile (profile_name, --profile). "
            'Without an account: endpoint_url="local:DIR", --local DIR'
        )
    return LiveKeys(session, credentials, is_explicit=is_explicit, distrusted=distrusted)
