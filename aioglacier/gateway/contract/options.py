"""The options of a connection to the service, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aioglacier.gateway.contract.timeouts import Timeouts

#: The name that requests carry.
USER_AGENT: Final = "aioglacier"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """Credentials, the place of the service, and limits.

    botocore's rules find what is ``None``: environment, profile, container or instance role. ``repr`` shows
    no secret.

    Attributes:
        region_name: As "eu-west-1".
        profile_name: A profile of the AWS configuration files.
        endpoint_url: The place of the service, if it is not AWS's own.
        account_id: "-" is the account of the credentials.
        aws_access_key_id: With ``aws_secret_access_key``, replaces the credentials of all other sources.
        aws_secret_access_key: See above.
        aws_session_token: The token of temporary keys.
        proxy: URL of an HTTP proxy; ``None`` takes the environment's ``HTTPS_PROXY``, ``NO_PROXY`` and so on.
        max_connections: Bodies sent or received at once. Control calls come on top.
        allow_insecure: Whether plain http to another machine is allowed. Keys stay safe, data does not.
        timeouts: How long to wait for the other side.
        bandwidth: Bytes a second of all bodies together, sent and read; ``None`` for no limit.
        minimum_rate: Bytes a second that an answer must bring, averaged over ``timeouts.stall`` seconds of
            waiting; a slower answer counts as stalled.
    """

    region_name: str | None = None
    profile_name: str | None = None
    endpoint_url: str | None = None
    account_id: str = "-"
    aws_access_key_id: str | None = field(default=None, repr=False)
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)
    max_connections: int = 16
    allow_insecure: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    bandwidth: int | None = None
    minimum_rate: int = 1024
