"""Live credentials: found once, refreshed as botocore does, and looked up anew when the service disagrees."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import anyio
from botocore.exceptions import BotoCoreError

from aioglacier.core.errors import CredentialsExpiredError, NoCredentialsError

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from botocore.credentials import ReadOnlyCredentials

logger = logging.getLogger("aioglacier.gateway")

_SOURCES: Final = (
    "aws_access_key_id and aws_secret_access_key given to connect, the environment (AWS_ACCESS_KEY_ID, "
    "AWS_SECRET_ACCESS_KEY), the profile {profile} of the shared credentials and configuration files, "
    "web identity or SSO configured there, and the container's or instance's role"
)


class Identity:
    """Who signs.

    Sixteen tasks that need a refresh together cause one: botocore's refreshable credentials hold a lock, and
    so does this for looking them up anew.
    """

    def __init__(self, session: AioSession, credentials: Any, *, is_explicit: bool) -> None:
        self._session = session
        self._credentials = credentials
        self._is_explicit = is_explicit
        self._lock = anyio.Lock()
        self._distrusted: ReadOnlyCredentials | None = None
        self._last: ReadOnlyCredentials | None = None

    async def credentials(self) -> ReadOnlyCredentials:
        """The keys to sign with now, refreshed if their time is nearly up.

        Raises:
            CredentialsExpiredError: They have run out and no newer ones could be had.
        """
        if self._distrusted is not None:
            await self._look_up()
        try:
            frozen: ReadOnlyCredentials = await self._credentials.get_frozen_credentials()
        except (BotoCoreError, OSError, RuntimeError) as error:
            raise CredentialsExpiredError(
                f"the temporary credentials could not be refreshed: {type(error).__name__}: {error}"
            ) from error
        if self._last is not None and frozen != self._last:
            logger.info("the credentials were refreshed")
        self._last = frozen
        return frozen

    def distrust(self, credentials: ReadOnlyCredentials) -> None:
        """Note that the service called these expired: the next request looks for others."""
        if credentials == self._last:
            self._distrusted = credentials

    async def _look_up(self) -> None:
        """Replace credentials that the service called expired, or fail without another request."""
        async with self._lock:
            distrusted = self._distrusted
            if distrusted is None:
                return
            found = None if self._is_explicit else await self._find()
            if found is None or await found.get_frozen_credentials() == distrusted:
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
        return f"<Identity from {self._credentials.method}>"


async def find_identity(session: AioSession, *, is_explicit: bool, profile: str | None) -> Identity:
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
    return Identity(session, credentials, is_explicit=is_explicit)
