"""The source of the keys that sign requests."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Keys(NamedTuple):
    """Keys that sign, and the session token of temporary ones. The secret key is never sent."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return "<Keys>"


class KeySource(Protocol):
    """Gives the keys to sign the next request with, and replaces those that the service calls expired."""

    async def keys(self) -> Keys:
        """Return the keys to sign with now, refreshed if their time is nearly up.

        Raises:
            CredentialsExpiredError: They have expired, and no newer ones were found.
        """
        ...

    def distrust(self, keys: Keys) -> None:
        """Note that the service called these keys expired: the next request looks for others."""
        ...
