"""The check of the Host header, where no signature protects the server.

A web page may give a name of its own the address of this machine (DNS rebinding), and is then allowed to read
the answers. Its requests still carry that name. An address in place of a name cannot be rebound, and the
service's own names, which some clients send through a proxy, belong to AWS.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aioglacier.server.protocol import behaviour
from aioglacier.server.protocol.refusal import refuse

if TYPE_CHECKING:
    from aioglacier.server.state.server_settings import Settings

_SERVICE: Final = re.compile(
    r"(?:glacier\.[a-z0-9-]+|(?:[a-z0-9.-]+\.)?s3(?:[.-][a-z0-9-]+)*)\.amazonaws\.com(?:\.cn)?"
)


def check_host(header: str, settings: Settings) -> None:
    """Refuse a request whose Host header names neither this machine nor an allowed name.

    Raises:
        RefusalError: The header names another host. A request without the header, which no browser sends, is
            accepted.
    """
    try:
        host = (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        host = header
    if host in {"", *own_names(settings)} or host.endswith(".localhost") or _SERVICE.fullmatch(host):
        return
    if not _is_address(host):
        raise refuse(behaviour.FOREIGN_HOST, host=host)


def own_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of this server, each of which may have a bucket's name before it."""
    return ("localhost", *(name.lower() for name in (settings.host, *settings.allowed_hosts)))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
