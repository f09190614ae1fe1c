"""aiobotocore's session, and botocore's choice of region and endpoint, loaded only when needed.

aiobotocore takes a quarter of a second of CPU time to load, and session and endpoint another tenth. Plain
settings need none of it. Everything here blocks, so callers use a thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from aioglacier.core.errors import ConfigurationError

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

    from aioglacier.gateway.contract.options import GatewayOptions


class Place(NamedTuple):
    """Region, endpoint, certificates and the way to address buckets as botocore finds them."""

    region: str
    endpoint: str
    ca_bundle: str | None
    has_bucket_hosts: bool


def new_session(options: GatewayOptions) -> AioSession:
    """Make a session that finds and renews credentials.

    Raises:
        ConfigurationError: There is no such profile, or the configuration files cannot be read.
    """
    from aiobotocore.session import AioSession  # noqa: PLC0415  # takes a quarter of a second
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    session = AioSession(profile=options.profile_name)
    try:
        session.get_scoped_config()
    except BotoCoreError as error:
        raise ConfigurationError(f"{error}; is the profile name right?") from error
    if options.aws_access_key_id is not None and options.aws_secret_access_key is not None:
        session.set_credentials(
            options.aws_access_key_id, options.aws_secret_access_key, options.aws_session_token
        )
    return session


def resolve_place(options: GatewayOptions, service: str) -> Place:
    """Make a botocore client for "glacier" or "s3", and read from it where it would send.

    Raises:
        ConfigurationError: Region or endpoint are missing or invalid.
    """
    from botocore.exceptions import BotoCoreError, NoRegionError  # noqa: PLC0415  # as above
    from botocore.session import Session  # noqa: PLC0415

    session = Session(profile=options.profile_name)
    try:
        client = session.create_client(
            service,
            region_name=options.region_name or os.environ.get("AWS_REGION") or None,
            endpoint_url=options.endpoint_url,
            aws_access_key_id="unused",  # a session without keys would look for some
            aws_secret_access_key="unused",  # noqa: S106
        )
        meta = client.meta
        found = (
            _where_buckets_are(client) if service == "s3" else (meta.region_name, meta.endpoint_url, False)
        )
    except NoRegionError as error:
        raise ConfigurationError(
            f"no region, and none in the profile {session.profile or 'default'!r}. Set AWS_REGION, or give "
            "region_name, --region"
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"region or endpoint are invalid: {error}") from error
    region, endpoint, has_bucket_hosts = found
    return Place(region, endpoint, session.get_config_variable("ca_bundle"), has_bucket_hosts)


class _Seen(Exception):  # noqa: N818  # it ends a call that is not to be made
    """Raised before a request is signed, so that botocore sends none."""


def _where_buckets_are(client: Any) -> tuple[str, str, bool]:
    """Return region, endpoint and whether buckets have hosts, from a request that is never sent."""
    # Nothing else shows it: FIPS, dual stack, the older regions and the addressing style all have a part.
    found = "", ""

    def look(request: Any, region_name: str, **_: object) -> None:
        nonlocal found
        found = region_name, request.url
        raise _Seen

    client.meta.events.register("before-sign.s3", look)
    with suppress(_Seen):
        client.head_bucket(Bucket="bucket")
    region, url = found
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if host.startswith("bucket.s3-accelerate."):
        raise ConfigurationError("S3 Transfer Acceleration is not supported; switch it off for this profile")
    has_bucket_hosts = host.startswith("bucket.")
    base = path.removesuffix("bucket").rstrip("/")
    return (
        region,
        f"{scheme}://{host.removeprefix('bucket.')}" + (f"/{base}" if base else ""),
        has_bucket_hosts,
    )
