"""Live credentials: found once, refreshed as botocore does, and looked up anew when the service disagrees."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import anyio
from botocore.exceptions import BotoCoreError

from aioglacier.core.errors import CredentialsExpiredError, NoCredentialsError

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from botocore.credentials import ReadOnlyCredentials

    from aioglacier.gateway.contract.key_source import SigningKeys

logger = logging.getLogger("aioglacier.gateway")

_SOURCES: Final = (
    "aws_access_key_id and aws_secret_access_key given to connect, the environment (AWS_ACCESS_KEY_ID, "
    "AWS_SECRET_ACCESS_KEY), the profile {profile} of the shared credentials and configuration files, "
    "web identity or SSO configured there, and the container's or instance's role"
)


#: After a renewal that failed slowly while the keys at hand are still good, they are used so long without
#: asking again: botocore asks three times, a second apart, and would do so before every request.
_REST_SECONDS: Final = 60.0
_SLOW_SECONDS: Final = 0.5


class LiveKeys:
    """Keys that botocore finds and refreshes.

    Sixteen tasks that need a refresh together cause one: botocore's refreshable credentials hold a lock, and
    so does this for looking them up anew.
    """

    def __init__(self, session: AioSession, credentials: Any, *, is_explicit: bool) -> None:
        self._session = session
        self._credentials = credentials
        self._is_explicit = is_explicit
        self._lock = anyio.Lock()
        self._distrusted: SigningKeys | None = None
        # What was found first may be renewed before it was ever used; only botocore's own attributes tell.
        self._last: ReadOnlyCredentials | None = getattr(credentials, "_frozen_credentials", None)
        self._good_until: datetime | None = getattr(credentials, "_expiry_time", None)
        self._rests_until = 0.0

    async def keys(self) -> ReadOnlyCredentials:
        """The keys to sign with now, refreshed if their time is nearly up.

        While that fails, the keys at hand are used for as long as they are good.

        Raises:
            CredentialsExpiredError: They have run out and no newer ones could be had.
        """
        if self._distrusted is not None:
            await self._look_up()
        elif self._last is not None and time.monotonic() < self._rests_until and self._is_good:
            return self._last
        began = time.monotonic()
        try:
            frozen: ReadOnlyCredentials = await self._credentials.get_frozen_credentials()
        except (BotoCoreError, OSError, RuntimeError) as error:
            if self._last is None or not self._is_good:
                raise CredentialsExpiredError(
                    f"the temporary credentials could not be refreshed: {type(error).__name__}: {error}"
                ) from error
            logger.warning(
                "the temporary credentials could not be refreshed; they are good until %s", self._good_until
            )
            self._rests_until = time.monotonic() + _REST_SECONDS
            return self._last
        if self._last is not None and frozen != self._last:
            logger.info("the credentials were refreshed")
        elif time.monotonic() - began > _SLOW_SECONDS:
            self._rests_until = time.monotonic() + _REST_SECONDS
        self._last = frozen
        self._good_until = getattr(self._credentials, "_expiry_time", None)
        return frozen

    @property
    def _is_good(self) -> bool:
        """Whether the keys at hand are sure to be good for the next request."""
        return self._good_until is not None and datetime.now(UTC) < self._good_until

    def distrust(self, keys: SigningKeys) -> None:
        """Note that the service called these expired: the next request looks for others."""
        if self._last is not None and _are_same(keys, self._last):
            self._distrusted = keys

    def succeed(self, keys: SigningKeys) -> None:
        """Take over from someone who signed with these until the service called them expired."""
        self._distrusted = keys

    async def _look_up(self) -> None:
        """Replace credentials that the service called expired, or fail without another request."""
        async with self._lock:
            distrusted = self._distrusted
            if distrusted is None:
                return
            found = None if self._is_explicit else await self._find()
            if found is None or _are_same(await found.get_frozen_credentials(), distrusted):
                raise CredentialsExpiredError(
                    "the temporary credentials have expired and no newer ones were found; get new ones"
                )
            self._credentials = found
            self._distrusted = None

    async def _find(self) -> Any:
        try:
            return await self._session.get_component("credential_provider").load_credentials()
        except (BotoCoreError, OSError) as error:
            logger.warning("looking for newer credentials failed: %s", type(error).__name__)
            return None

    def __repr__(self) -> str:
        return f"<LiveKeys from {self._credentials.method}>"


def _are_same(one: SigningKeys, other: SigningKeys) -> bool:
    """By what signs: botocore's tuples have more in them."""
    return (one.access_key, one.secret_key, one.token or "") == (
        other.access_key,
        other.secret_key,
        other.token or "",
    )


async def find_keys(session: AioSession, *, is_explicit: bool, profile: str | None) -> LiveKeys:
    """Look for credentials everywhere botocore does.

    Raises:
        NoCredentialsError: There are none; the message names the places.
    """
    try:
        credentials = await session.get_credentials()
    except (BotoCoreError, OSError) as error:
        raise NoCredentialsError(f"finding credentials failed: {error}") from error
    if credentials is None:
        raise NoCredentialsError(
            "no credentials were found; looked at: " + _SOURCES.format(profile=profile or "default")
        )
    return LiveKeys(session, credentials, is_explicit=is_explicit)
