"""The options of a connection to the service, and its times to wait, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import ConfigurationError

if TYPE_CHECKING:
    from aioglacier.core.rate_schedule import RateSchedule

#: The name that requests carry.
USER_AGENT: Final = "aioglacier"

#: CompleteMultipartUpload joins up to 10,000 parts, so its answer may take this many times as long.
_COMPLETION_FACTOR: Final = 5


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Times to wait, in seconds, before something counts as failed.

    None of them limits how long a transfer takes: while bytes move and calls succeed, it goes on.

    Attributes:
        connect: For one TCP and TLS handshake.
        first_byte: From the last byte of a request to the first byte of its answer. The completion of an
            upload, which joins all parts, may take five times as long.
        stall: For the next byte of a body, in either direction. An answer that brings fewer than 1,024 bytes
            a second over this time counts as stalled as well.
        give_up: Without any progress, before a call that keeps failing is not tried again.
    """

    connect: float = 10.0
    first_byte: float = 120.0
    stall: float = 60.0
    give_up: float = 900.0

    def __post_init__(self) -> None:
        for each in fields(self):
            seconds = getattr(self, each.name)
            if not 0 < seconds < float("inf"):
                raise ConfigurationError(
                    f"a timeout is a number of seconds above 0; {each.name} is {seconds!r}"
                )

    @property
    def completion(self) -> float:
        """Seconds from the last byte of a CompleteMultipartUpload to the first byte of its answer."""
        return _COMPLETION_FACTOR * self.first_byte


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
        shares_bandwidth: Whether all processes of this user that set this share ``bandwidth``.
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
    bandwidth: int | RateSchedule | None = None
    shares_bandwidth: bool = False
    minimum_rate: int = 1024
