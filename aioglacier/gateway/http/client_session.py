"""The HTTP session of a gateway: its connections, certificates and proxy.

Proxies and certificates are found as botocore finds them, without loading it. Tests compare the two.
"""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import ssl
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from aioglacier.core.errors import ConfigurationError
from aioglacier.gateway.http.payload import limit_unsent

if TYPE_CHECKING:
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import Throttle

Connector: TypeAlias = aiohttp.BaseConnector

#: What a caller may bring along: a TLS context, or a connector, which has its own.
OwnTransport: TypeAlias = ssl.SSLContext | Connector | None

#: Bytes read ahead of the reader of a job's output; aiohttp pauses the connection at twice as many.
_READ_AHEAD: Final = 256 * 1024


def open_http_session(
    transport: OwnTransport, options: GatewayOptions, throttle: Throttle | None
) -> aiohttp.ClientSession:
    """Make the one HTTP session of a gateway; its owner enters it.

    Without a connector of the caller's it closes connections idle for 12 s, as botocore does: if the other
    side closes one at the moment in which a request starts, the effect of that request is unknown.
    """
    is_own = isinstance(transport, Connector)
    connector = transport if isinstance(transport, Connector) else _new_connector(transport, throttle)
    read_ahead = throttle.read_ahead if throttle is not None else None
    return aiohttp.ClientSession(
        connector=connector,
        connector_owner=not is_own,
        cookie_jar=aiohttp.DummyCookieJar(),  # what a proxy sets must not reach the service
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.timeouts.connect),
        auto_decompress=False,  # an archive is bytes, whatever its head says
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        read_bufsize=read_ahead or _READ_AHEAD,
    )


def _new_connector(context: ssl.SSLContext | None, throttle: Throttle | None) -> Connector:
    make_socket = partial(_new_socket, throttle)
    return aiohttp.TCPConnector(
        limit=0, ssl=context or True, keepalive_timeout=12, socket_factory=make_socket
    )


def _new_socket(throttle: Throttle | None, address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    new = socket.socket(family, kind, protocol)
    if throttle is not None and (read_ahead := throttle.read_ahead) is not None:
        new.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_ahead)
        throttle.note(2 * read_ahead)  # this and aiohttp's buffer fill before the first byte is counted
    limit_unsent(new)
    return new


def proxy_for(origin: URL, options: GatewayOptions, *, is_loopback: bool) -> str | None:
    """Return the proxy to use: the one in the options, or else, unless it is this machine, the environment's.

    Raises:
        ConfigurationError: It is not the URL of a proxy.
    """
    if options.proxy is not None:
        proxies = {"http": options.proxy, "https": options.proxy}
    elif is_loopback:
        return None
    else:
        proxies = environment_proxies(str(origin))
    proxy = proxies.get(origin.scheme)
    if not proxy:
        return None
    if not proxy.startswith(("http:", "https:")):
        proxy = f"http:{proxy}" if proxy.startswith("//") else f"http://{proxy}"
    try:
        url = URL(proxy)
        is_sound = url.raw_path in {"", "/"} and re.fullmatch(r"[\w.:-]+", url.host or "") is not None
    except ValueError:
        is_sound = False
    if not is_sound:
        raise ConfigurationError("the proxy is not a URL of the form http://host:port")
    return proxy


def environment_proxies(url: str) -> dict[str, str]:
    """Return proxies by scheme, none if the environment excepts this URL."""
    try:
        if proxy_bypass(urlsplit(url).netloc):
            return {}
    except (TypeError, socket.gaierror):
        pass
    return getproxies()


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Verify as botocore does: by ``ca_bundle``, or REQUESTS_CA_BUNDLE, or certifi, or botocore's bundle.

    Nothing switches it off. Reading certificates takes 20 ms, mostly without the GIL.

    Raises:
        ConfigurationError: The certificates cannot be read.
    """
    context = new_context()
    path = Path(ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or _usual_bundle())
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as error:
        raise ConfigurationError(f"the certificate bundle {path} cannot be read: {error}") from error
    return context


def new_context() -> ssl.SSLContext:
    """Make a context without authorities, as ``botocore.httpsession.create_urllib3_context`` does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks names, and requires a certificate
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    context.post_handshake_auth = True
    key_log = os.environ.get("SSLKEYLOGFILE")
    if key_log and not sys.flags.ignore_environment:  # as ``ssl.create_default_context`` does
        context.keylog_filename = key_log
    return context


def _usual_bundle() -> str:
    try:
        from certifi import where  # noqa: PLC0415  # an optional companion of botocore
    except ImportError:
        found = importlib.util.find_spec("botocore")  # finds and does not load
        origin = found.origin if found is not None else None
        return str(Path(origin or "").with_name("cacert.pem"))
    return where()
