"""From options to an open gateway: credentials, region, endpoint, proxy, certificates.

Plain settings are read by ``plain_settings``, all others by botocore. Reading configuration and certificates
blocks, so it happens in a worker thread.
"""

from __future__ import annotations

import ipaddress
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from anyio import to_thread
from yarl import URL

from aioglacier.core.errors import ConfigurationError, InsecureEndpointError
from aioglacier.gateway.credentials.boto_session import new_session, resolve_place
from aioglacier.gateway.credentials.plain_keys import PlainKeys
from aioglacier.gateway.credentials.plain_settings import PlainSettings, read_plain
from aioglacier.gateway.credentials.redaction import keep_secrets_out_of_logs
from aioglacier.gateway.http.bandwidth import Bandwidth
from aioglacier.gateway.http.client_session import open_http_session, proxy_for, tls_context
from aioglacier.gateway.http.sending import Sender
from aioglacier.gateway.http.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.contract.dialect import Dialect
    from aioglacier.gateway.contract.key_source import KeySource
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import Throttle
    from aioglacier.gateway.credentials.boto_session import Place
    from aioglacier.gateway.http.client_session import OwnTransport
    from aioglacier.gateway.s3.caller import S3Caller
    from aioglacier.gateway.vaults.caller import VaultCaller


class _Found(NamedTuple):
    """The keys, region and way to one service."""

    key_source: KeySource
    region: str
    origin: URL
    proxy: str | None
    ca_bundle: str | None
    has_bucket_hosts: bool


class Line(NamedTuple):
    """The things that the gateways of one connection share. They are found once, and nothing is open yet.

    Attributes:
        found: The keys, region and way to the service for which they were found.
        throttle: The limit of bytes a second of all gateways together.
    """

    found: _Found
    throttle: Throttle | None

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return self.found.region

    @property
    def origin(self) -> str:
        """Scheme, host and port of the service."""
        return str(self.found.origin)


async def find_line(options: GatewayOptions, service: str = "glacier") -> Line:
    """Find keys, region and endpoint. Nothing is loaded or opened that only one of the services needs.

    Raises:
        ConfigurationError: Region, endpoint, profile, proxy or account are missing or invalid.
        NoCredentialsError: There are no credentials.
    """
    limit = options.bandwidth
    throttle = Bandwidth(limit, is_shared=options.shares_bandwidth) if limit is not None else None
    return Line(await _find(options, service), throttle)


@asynccontextmanager
async def open_gateway(
    options: GatewayOptions, own: OwnTransport = None, line: Line | None = None
) -> AsyncIterator[VaultCaller]:
    """Open a gateway to the vault service, which sends each operation once, and nothing yet.

    ``own`` is a TLS context or a connector of the caller, ``None`` for one as botocore makes it. Without a
    ``line`` one is found; errors are those of ``find_line``.
    """
    from aioglacier.gateway.vaults.caller import VaultCaller  # noqa: PLC0415  # many programs use no vault
    from aioglacier.gateway.vaults.dialect import VAULTS  # noqa: PLC0415

    line = line or await find_line(options)
    async with _open_wire(options, VAULTS, own, line) as wire:
        yield VaultCaller(wire, options)


@asynccontextmanager
async def open_s3_gateway(
    options: GatewayOptions, own: OwnTransport = None, line: Line | None = None
) -> AsyncIterator[S3Caller]:
    """Open a gateway to S3, which sends each operation once, and nothing yet.

    The endpoint of ``options`` is S3's. The rate and the keys are those of ``line``: a program that gives
    keys may ask the user each time. Without one, and for errors, see ``open_gateway``.
    """
    from aioglacier.gateway.s3.caller import Addressing, S3Caller  # noqa: PLC0415  # many programs use no bucket
    from aioglacier.gateway.s3.dialect import BUCKETS  # noqa: PLC0415

    if line is None:
        line = await find_line(options, "s3")
    else:
        line = line._replace(found=await _find(options, "s3", line.found.key_source))
    async with _open_wire(options, BUCKETS, own, line) as wire:
        origin = line.found.origin
        host = origin.host or ""
        addressing = Addressing(
            has_bucket_hosts=line.found.has_bucket_hosts and not _is_address(host),
            takes_unsigned=origin.scheme == "https" or _is_loopback(host),
        )
        yield S3Caller(wire, options, addressing)


async def find_s3_endpoint(options: GatewayOptions) -> str:
    """Return the endpoint that ``open_s3_gateway`` would send to; "" for AWS's own.

    Raises:
        ConfigurationError: Region, endpoint or profile are missing or invalid.
    """
    plain = await to_thread.run_sync(read_plain, options, "s3")
    if plain is not None:
        endpoint = plain.endpoint
    else:
        endpoint = (await to_thread.run_sync(resolve_place, options, "s3")).endpoint
    return "" if (URL(endpoint).host or "").endswith((".amazonaws.com", ".amazonaws.com.cn")) else endpoint


@asynccontextmanager
async def _open_wire(
    options: GatewayOptions, dialect: Dialect, own: OwnTransport, line: Line
) -> AsyncIterator[Wire]:
    found = line.found
    is_encrypted = "https" in {found.origin.scheme, URL(found.proxy or "").scheme}
    if own is None and is_encrypted:
        own = await to_thread.run_sync(tls_context, found.ca_bundle)
    async with open_http_session(own, options, line.throttle) as http:
        sender = Sender(
            http,
            origin=line.origin,
            region=found.region,
            proxy=found.proxy,
            options=options,
            throttle=line.throttle,
        )
        yield Wire(sender, found.key_source, options, dialect)


async def _find(options: GatewayOptions, service: str, known: KeySource | None = None) -> _Found:
    """Find the way to a service, with the keys that are known already or with others."""
    _check_options(options)
    keep_secrets_out_of_logs()  # before botocore can log its first line
    place: PlainSettings | Place | None = await to_thread.run_sync(read_plain, options, service)
    if isinstance(place, PlainSettings):
        key_source = known or PlainKeys(place.keys, source=place.source, options=options)
    else:
        key_source = known or await _find_keys(options)
        place = await to_thread.run_sync(resolve_place, options, service)
    origin = _check_endpoint(place.endpoint, options)
    is_loopback = origin.host is not None and _is_loopback(origin.host)
    proxy = proxy_for(origin, options, is_loopback=is_loopback)
    return _Found(key_source, place.region, origin, proxy, place.ca_bundle, place.has_bucket_hosts)


async def _find_keys(options: GatewayOptions) -> KeySource:
    session = await to_thread.run_sync(new_session, options)
    from aioglacier.gateway.credentials.live import find_keys  # noqa: PLC0415  # botocore is loaded by now

    return await find_keys(session, is_explicit=options.aws_access_key_id is not None)


def _check_options(options: GatewayOptions) -> None:
    has_key, has_secret = options.aws_access_key_id is not None, options.aws_secret_access_key is not None
    if has_key != has_secret:
        missing = "aws_secret_access_key" if has_key else "aws_access_key_id"
        raise ConfigurationError(f"{missing} is missing: give both keys or neither")
    if options.aws_session_token is not None and not has_key:
        raise ConfigurationError("aws_session_token needs aws_access_key_id and aws_secret_access_key")
    account = options.account_id
    # It becomes part of every path.
    if account != "-" and not (len(account) == 12 and account.isascii() and account.isdigit()):
        raise ConfigurationError(f"the account id {account!r} is neither 12 digits nor '-'")
    if options.max_connections < 1:
        raise ConfigurationError(f"max_connections must be at least 1, not {options.max_connections}")


def _check_endpoint(endpoint: str, options: GatewayOptions) -> URL:
    """Return the origin of an endpoint, if bodies may go there."""
    try:
        url = URL(endpoint)
        origin = url.origin()
    except ValueError as error:
        raise ConfigurationError(f"the endpoint {endpoint!r} is not a URL: {error}") from error
    if origin.scheme not in {"http", "https"} or origin.host is None:
        raise ConfigurationError(
            f"the endpoint {endpoint!r} is not a URL; it must begin with https:// (or http://)"
        )
    # What stands there would be dropped silently.
    if url.raw_path not in {"", "/"} or url.raw_query_string or url.raw_user or url.raw_fragment:
        raise ConfigurationError(
            f"the endpoint {endpoint!r} has more than scheme, host and port; remove the rest"
        )
    if origin.scheme == "http" and not _is_loopback(origin.host) and not options.allow_insecure:
        raise InsecureEndpointError(endpoint)
    return origin


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
