"""A request before it is signed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import ResourceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.gateway.contract.protocols import Body

NO_BODY: Final = memoryview(b"")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, unsigned.

    Attributes:
        operation: The operation's name in the API.
        url: The complete URL, encoded as it will be sent.
        body: Sent slice by slice; must not change until the exchange is over.
        progress: Called with the number of bytes handed to the connection; negative if they go again.
        before_last: Awaited before the last slice, so before the request can take effect.
        missing: The error if something does not exist and the service's message does not say what.
        first_byte_timeout_seconds: From the last byte of the request to the end of the answer's head.
    """

    operation: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: Body = field(default=NO_BODY, repr=False)
    progress: Callable[[int], None] | None = field(default=None, repr=False)
    before_last: Callable[[], Awaitable[None]] | None = field(default=None, repr=False)
    missing: type[ResourceNotFoundError] = field(default=ResourceNotFoundError, repr=False)
    first_byte_timeout_seconds: float = 120.0

    @property
    def has_body(self) -> bool:
        """Whether the method sends a body, be it an empty one."""
        return self.method not in {"GET", "HEAD"}
