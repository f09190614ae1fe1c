"""From options to an open wire: session, credentials, client, endpoint, proxy, certificates.

What blocks, reading configuration, models and certificates, happens in a worker thread; what is left on the
loop of making a client is about 3 ms.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from anyio import to_thread
from botocore import UNSIGNED
from botocore.exceptions import (
    BotoCoreError,
    ConfigNotFound,
    NoCredentialsError as BotoNoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.httpsession import ProxyConfiguration, create_urllib3_context, where
from botocore.utils import get_environ_proxies
from yarl import URL

from aioglacier.core.errors import ConfigurationError, NoCredentialsError
from aioglacier.gateway.identity import find_identity
from aioglacier.gateway.modelfiles import models_at
from aioglacier.gateway.redaction import keep_secrets_out_of_logs
from aioglacier.gateway.wire import Wire, open_http_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.gateway.options import GatewayOptions


USER_AGENT: Final = "aioglacier"


class Opened(NamedTuple):
    """What a gateway is made of."""

    client: Any
    wire: Wire


@asynccontextmanager
async def open_planes(options: GatewayOptions) -> AsyncIterator[Opened]:
    """Open both planes. Nothing is sent to the service yet.

    Raises:
        ConfigurationError: Region, endpoint, profile, proxy or account make no sense.
        NoCredentialsError: There are no credentials.
    """
    _check_options(options)
    keep_secrets_out_of_logs()
    session = await to_thread.run_sync(_new_session, options)
    is_explicit = options.aws_access_key_id is not None
    identity = await find_identity(session, is_explicit=is_explicit, profile=session.profile)
    async with AsyncExitStack() as stack:
        client = await _enter_client(session, options, stack)
        origin = _check_endpoint(client.meta.endpoint_url, options)
        proxy = _proxy_for(origin, options)
        context = await to_thread.run_sync(_tls_context, session) if origin.scheme == "https" else None
        http = await stack.enter_async_context(open_http_session(context, options))
        region = client.meta.region_name
        yield Opened(
            client,
            Wire(http, origin=str(origin), region=region, identity=identity, proxy=proxy, options=options),
        )


def _check_options(options: GatewayOptions) -> None:
    has_key, has_secret = options.aws_access_key_id is not None, options.aws_secret_access_key is not None
    if has_key != has_secret:
        missing = "aws_secret_access_key" if has_key else "aws_access_key_id"
        raise ConfigurationError(f"{missing} is missing: give both keys or neither")
    if options.aws_session_token is not None and not has_key:
        raise ConfigurationError("aws_session_token goes with aws_access_key_id and aws_secret_access_key")
    account = options.account_id
    if account != "-" and not (len(account) == 12 and account.isascii() and account.isdigit()):
        raise ConfigurationError(f"an account id is 12 digits or '-', not {account!r}")
    if options.max_connections < 1:
        raise ConfigurationError(f"max_connections is at least 1, not {options.max_connections}")


def _new_session(options: GatewayOptions) -> AioSession:
    """A session with its models in cache. Runs in a worker thread, before anyone else has the session."""
    session = AioSession(profile=options.profile_name)
    try:
        session.get_scoped_config()
    except (ProfileNotFound, ConfigNotFound, BotoCoreError) as error:
        raise ConfigurationError(f"{error}; is the profile name right?") from error
    if options.aws_access_key_id is not None and options.aws_secret_access_key is not None:
        session.set_credentials(
            options.aws_access_key_id, options.aws_secret_access_key, options.aws_session_token
        )
    session.register_component("data_loader", models_at(session.get_config_variable("data_path")))
    return session


async def _enter_client(session: AioSession, options: GatewayOptions, stack: AsyncExitStack) -> Any:
    """A client that builds and parses and never signs or sends: the wire does that for both planes."""
    config = AioConfig(
        signature_version=UNSIGNED,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra=USER_AGENT,
    )
    region = options.region_name or os.environ.get("AWS_REGION") or None
    try:
        return await stack.enter_async_context(
            session.create_client(
                "glacier", region_name=region, endpoint_url=options.endpoint_url, config=config
            )
        )
    except NoRegionError as error:
        raise ConfigurationError(
            "no region was found; looked at: region_name, the environment (AWS_REGION, AWS_DEFAULT_REGION) "
            f"and the profile {session.profile or 'default'} of the AWS configuration files"
        ) from error
    except (BotoNoCredentialsError, PartialCredentialsError) as error:
        raise NoCredentialsError(str(error)) from error
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"region or endpoint make no sense: {error}") from error


def _check_endpoint(endpoint: str, options: GatewayOptions) -> URL:
    """The origin of an endpoint, if bodies may go there."""
    try:
        url = URL(endpoint)
        origin = url.origin()
    except ValueError as error:
        raise ConfigurationError(f"{endpoint!r} is no endpoint: {error}") from error
    if origin.scheme not in {"http", "https"} or origin.host is None:
        raise ConfigurationError(f"an endpoint begins with https:// (or http://), unlike {endpoint!r}")
    if url.raw_path not in {"", "/"} or url.raw_query_string or url.raw_user or url.raw_fragment:
        raise ConfigurationError(
            f"an endpoint is scheme, host and port and nothing more, unlike {endpoint!r}"
        )
    if origin.scheme == "http" and not _is_loopback(origin.host) and not options.allow_insecure:
        raise ConfigurationError(
            f"{endpoint} is plain http: anyone on the way could read and change archives. Use https, or "
            "allow it with allow_insecure"
        )
    return origin


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy_for(origin: URL, options: GatewayOptions) -> str | None:
    """The proxy to use: the one asked for, else the environment's, but never that one for this machine."""
    if options.proxy is not None:
        proxies = {"http": options.proxy, "https": options.proxy}
    elif origin.host is not None and _is_loopback(origin.host):
        return None
    else:
        proxies = get_environ_proxies(str(origin))
    proxy: str | None = ProxyConfiguration(proxies).proxy_url_for(str(origin))
    if proxy is None:
        return None
    try:
        url = URL(proxy)
        is_sound = url.raw_path in {"", "/"} and re.fullmatch(r"[\w.:-]+", url.host or "") is not None
    except ValueError:
        is_sound = False
    if not is_sound:
        raise ConfigurationError("the proxy is no URL of the form http://host:port")
    return proxy


def _tls_context(session: AioSession) -> ssl.SSLContext:
    """Verification as botocore does it: AWS_CA_BUNDLE, the profile's ca_bundle, REQUESTS_CA_BUNDLE, certifi.

    There is no way to switch it off.
    """
    bundle = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    context: ssl.SSLContext = create_urllib3_context()
    context.check_hostname = True
    context.verify_mode = ssl.CERT_REQUIRED
    path = Path(bundle or where())
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as error:
        raise ConfigurationError(f"the certificate bundle {path} cannot be read: {error}") from error
    return context
