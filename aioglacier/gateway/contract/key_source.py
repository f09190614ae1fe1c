"""The source of the keys that sign requests."""

from __future__ import annotations

from typing import Protocol


class SigningKeys(Protocol):
    """A pair of keys, and the token that belongs to temporary ones."""

    @property
    def access_key(self) -> str | None:
        """The public half, sent with each request."""
        ...

    @property
    def secret_key(self) -> str | None:
        """The half that signs and is never sent."""
        ...

    @property
    def token(self) -> str | None:
        """The session token of temporary keys."""
        ...


class KeySource(Protocol):
    """Gives the keys to sign the next request with, and replaces those that the service calls expired."""

    async def keys(self) -> SigningKeys:
        """Return the keys to sign with now, refreshed if their time is nearly up.

        Raises:
            CredentialsExpiredError: They have expired, and no newer ones were found.
        """
        ...

    def distrust(self, keys: SigningKeys) -> None:
        """Note that the service called these keys expired: the next request looks for others."""
        ...
