"""The facts of a connection that worker processes need to open the same one, without its secrets."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.errors import ClusterError
from aioglacier.gateway.contract.options import GatewayOptions, Timeouts
from aioglacier.transfer.budget.allowance import Limits

if TYPE_CHECKING:
    from aioglacier.core.rate_schedule import RateSchedule

#: The keys of a local Glacier, which checks none.
_LOCAL_KEYS: Final = ("local", "local")


class Site(NamedTuple):
    """The place to which workers send. Credentials are those of each worker's own environment.

    Attributes:
        version: Of the package.
        region: The region.
        endpoint: Of the vault service.
        s3_endpoint: Of S3; ``None`` for AWS's own.
        account_id: "-" is the account of the worker's credentials.
        profile: A profile of the worker's configuration files.
        is_local: Whether the endpoint is a local Glacier, which needs no credentials.
        allow_insecure: See ``connect``.
        timeouts: Connect, first byte, stall, give up.
        memory: Bytes of the buffers of one task.
        concurrency: Bodies at once of all workers together.
        bandwidth: Bytes a second of all workers together.
        shares_bandwidth: Whether workers share the rate among themselves, which those of one machine can;
            otherwise each task has an equal part, also while others send nothing.
    """

    version: str
    region: str
    endpoint: str
    s3_endpoint: str | None
    account_id: str
    profile: str | None
    is_local: bool
    allow_insecure: bool
    timeouts: tuple[float, float, float, float]
    memory: int | None
    concurrency: int | None
    bandwidth: int | None
    shares_bandwidth: bool = False

    @classmethod
    def of(
        cls,
        options: GatewayOptions,
        limits: Limits,
        s3_endpoint: str | None,
        *,
        is_local: bool,
        is_here: bool = False,
    ) -> Site:
        """Return the facts of a connection; ``is_here`` says that all workers run on this machine.

        Raises:
            ClusterError: It has something that cannot be handed on.
        """
        if options.aws_access_key_id is not None and not is_local:
            raise ClusterError(
                "keys that are given to connect() stay in this process; to use other processes, set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role where they run"
            )
        if options.proxy is not None:
            raise ClusterError(
                "a proxy that is given to connect() stays in this process; set HTTPS_PROXY where workers run"
            )
        times = options.timeouts
        return cls(
            version("aioglacier"),
            options.region_name or "",
            options.endpoint_url or "",
            s3_endpoint,
            options.account_id,
            options.profile_name,
            is_local,
            options.allow_insecure,
            (times.connect, times.first_byte, times.stall, times.give_up),
            limits.memory,
            limits.concurrency,
            _constant(limits.bandwidth),
            is_here and limits.shares_bandwidth,
        )

    def options(self, slots: int) -> GatewayOptions:
        """Return the options of a worker that does one of so many tasks at once."""
        key, secret = _LOCAL_KEYS if self.is_local else (None, None)
        limits = self.limits(slots)
        return GatewayOptions(
            region_name=self.region,
            profile_name=self.profile,
            endpoint_url=self.endpoint,
            account_id=self.account_id,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            max_connections=limits.concurrency or 64,
            allow_insecure=self.allow_insecure,
            timeouts=Timeouts(*self.timeouts),
            bandwidth=limits.bandwidth,
            shares_bandwidth=limits.shares_bandwidth,
        )

    def limits(self, slots: int) -> Limits:
        """Return the share of the limits that one of so many tasks has."""
        parts = 1 if self.shares_bandwidth else slots
        return Limits(
            memory=self.memory,
            concurrency=max(1, self.concurrency // slots) if self.concurrency else None,
            bandwidth=max(1024, self.bandwidth // parts) if self.bandwidth else None,
            shares_bandwidth=self.shares_bandwidth,
            hash_workers=1,
        )


def _constant(rate: int | RateSchedule | None) -> int | None:
    if rate is None or isinstance(rate, int):
        return rate
    raise ClusterError("a bandwidth by the time of day is not shared by several processes; give one rate")
