"""The HTTP session that a wire sends through."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    import ssl

    from aioglacier.gateway.contract.options import GatewayOptions

#: Bytes not yet sent that the kernel takes of one connection. By default it takes megabytes, which on a slow
#: line are minutes in which nothing seems to move. At the size of a slice this costs nothing measurable.
_UNSENT_LIMIT: Final = 256 * 1024

#: Read ahead of whoever reads a job's output; aiohttp pauses the connection at twice this.
_READ_AHEAD: Final = 256 * 1024


def open_http_session(context: ssl.SSLContext | None, options: GatewayOptions) -> aiohttp.ClientSession:
    """The one HTTP session of a gateway; it is entered by its owner.

    Connections idle for 12 s are dropped, as in botocore: a connection that the other side closes in the same
    moment loses a request whose effect is then unknown.
    """
    connector = aiohttp.TCPConnector(
        limit=0, ssl=context or True, keepalive_timeout=12, socket_factory=_new_socket
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.timeouts.connect),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        read_bufsize=_READ_AHEAD,
    )


def _new_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    new = socket.socket(family, kind, protocol)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_LIMIT)
    return new
