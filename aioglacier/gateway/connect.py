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
from aioglacier.gateway.credentials.plain_settings import read_plain
from aioglacier.gateway.credentials.redaction import keep_secrets_out_of_logs
from aioglacier.gateway.http.bandwidth import Bandwidth
from aioglacier.gateway.http.client_session import open_http_session, proxy_for, tls_context
from aioglacier.gateway.http.sending import Sender
from aioglacier.gateway.http.wire import Wire
from aioglacier.gateway.vaults.caller import VaultCaller
from aioglacier.gateway.vaults.dialect import VAULTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.contract.dialect import Dialect
    from aioglacier.gateway.contract.key_source import KeySource
    from aioglacier.gateway.contract.operation import Performer
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.http.client_session import OwnTransport
    from aioglacier.gateway.s3.caller import S3Caller


class _Found(NamedTuple):
    """Keys, region, endpoint, certificates and the way to address buckets of a connection."""

    key_source: KeySource
    region: str
    endpoint: str
    ca_bundle: str | None
    has_bucket_hosts: bool


@asynccontextmanager
async def open_gateway(options: GatewayOptions, own: OwnTransport = None) -> AsyncIterator[VaultCaller]:
    """Open a gateway to the vault service, which sends each operation once, and nothing yet.

    ``own`` is a TLS context or a connector of the caller, ``None`` for one as botocore makes it.

    Raises:
        ConfigurationError: Region, endpoint, profile, proxy or account are missing or invalid.
        NoCredentialsError: There are no credentials.
    """
    async with _open_wire(options, VAULTS, own) as (wire, _):
        yield VaultCaller(wire, options)


@asynccontextmanager
async def open_s3_gateway(
    options: GatewayOptions, own: OwnTransport = None, *, beside: Performer | None = None
) -> AsyncIterator[S3Caller]:
    """Open a gateway to S3, which sends each operation once, and nothing yet.

    The endpoint of ``options`` is S3's. ``beside`` is the gateway to the vaults of the same connection, whose
    rate and keys it shares: a program that gives keys may ask the user each time. Errors are those of
    ``open_gateway``.
    """
    from aioglacier.gateway.s3.caller import Addressing, S3Caller  # noqa: PLC0415  # most programs use no bucket
    from aioglacier.gateway.s3.dialect import BUCKETS  # noqa: PLC0415

    async with _open_wire(options, BUCKETS, own, beside) as (wire, found):
        origin = URL(wire.origin)
        host = origin.host or ""
        addressing = Addressing(
            has_bucket_hosts=found.has_bucket_hosts and not _is_address(host),
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
    options: GatewayOptions, dialect: Dialect, own: OwnTransport, beside: Performer | None = None
) -> AsyncIterator[tuple[Wire, _Found]]:
    _check_options(options)
    keep_secrets_out_of_logs()  # before botocore can log its first line
    service = dialect.signing_name
    plain = await to_thread.run_sync(read_plain, options, service)
    if plain is None:
        found = await _ask_botocore(options, service, beside.key_source if beside is not None else None)
    else:
        keys = PlainKeys(plain.keys, source=plain.source, options=options)
        found = _Found(keys, plain.region, plain.endpoint, plain.ca_bundle, plain.has_bucket_hosts)
    origin = _check_endpoint(found.endpoint, options)
    is_loopback = origin.host is not None and _is_loopback(origin.host)
    proxy = proxy_for(origin, options, is_loopback=is_loopback)
    is_encrypted = "https" in {origin.scheme, URL(proxy or "").scheme}
    if own is None and is_encrypted:
        own = await to_thread.run_sync(tls_context, found.ca_bundle)
    throttle, limit = beside.throttle if beside is not None else None, options.bandwidth
    if throttle is None and limit is not None:
        throttle = Bandwidth(limit, is_shared=options.shares_bandwidth)
    async with open_http_session(own, options, throttle) as http:
        sender = Sender(
            http, origin=str(origin), region=found.region, proxy=proxy, options=options, throttle=throttle
        )
        yield Wire(sender, found.key_source, options, dialect), found


async def _ask_botocore(options: GatewayOptions, service: str, known: KeySource | None) -> _Found:
    if known is not None:
        return _Found(known, *await to_thread.run_sync(resolve_place, options, service))
    session = await to_thread.run_sync(new_session, options)
    from aioglacier.gateway.credentials.live import find_keys  # noqa: PLC0415  # botocore is loaded by now

    key_source = await find_keys(session, is_explicit=options.aws_access_key_id is not None)
    return _Found(key_source, *await to_thread.run_sync(resolve_place, options, service))


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
