"""aiobotocore's session, and botocore's choice of region and endpoint, loaded only when needed.

aiobotocore takes a quarter of a second of CPU time to load, and session and endpoint another tenth. Plain
settings need none of it. Everything here blocks, so callers use a thread.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from aioglacier.core.errors import ConfigurationError

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

    from aioglacier.gateway.contract.options import GatewayOptions


class Place(NamedTuple):
    """Region, endpoint and certificates as botocore finds them."""

    region: str
    endpoint: str
    ca_bundle: str | None


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


def resolve_place(options: GatewayOptions) -> Place:
    """Make a botocore client, and read from it where it would send.

    Raises:
        ConfigurationError: Region or endpoint are missing or invalid.
    """
    from botocore.exceptions import BotoCoreError, NoRegionError  # noqa: PLC0415  # as above
    from botocore.session import Session  # noqa: PLC0415

    session = Session(profile=options.profile_name)
    try:
        client = session.create_client(
            "glacier",
            region_name=options.region_name or os.environ.get("AWS_REGION") or None,
            endpoint_url=options.endpoint_url,
            aws_access_key_id="unused",  # a session without keys would look for some
            aws_secret_access_key="unused",  # noqa: S106
        )
    except NoRegionError as error:
        raise ConfigurationError(
            f"no region, and none in the profile {session.profile or 'default'!r}. Set AWS_REGION, or give "
            "region_name, --region"
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"region or endpoint are invalid: {error}") from error
    meta = client.meta
    return Place(meta.region_name, meta.endpoint_url, session.get_config_variable("ca_bundle"))
