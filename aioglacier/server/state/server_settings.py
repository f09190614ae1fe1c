"""The options of a local Glacier as one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aioglacier.server.protocol import behaviour, s3_behaviour

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from aioglacier.server.protocol.sigv4 import Credentials


@dataclass(frozen=True, slots=True)
class Settings:
    """The folder, address and behaviour of a local Glacier; ``LocalGlacier`` describes each option."""

    directory: Path
    host: str = "127.0.0.1"
    port: int = 0
    region: str = "us-east-1"
    account_id: str = "012345678901"
    credentials: tuple[Credentials, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    clock_skew_seconds: float = 0.0
    job_delay: Mapping[str, float] = field(default_factory=lambda: behaviour.JOB_DELAY_SECONDS)
    inventory_lag: float = behaviour.INVENTORY_LAG_SECONDS
    notify_url: str | None = None
    sns_endpoint_url: str | None = None
    ssl_context: ssl.SSLContext | None = None
    is_durable: bool = True
    body_idle_seconds: float = behaviour.BODY_IDLE_SECONDS
    head_idle_seconds: float = behaviour.HEAD_IDLE_SECONDS

    @property
    def has_listeners(self) -> bool:
        """Whether notifications are sent."""
        return self.notify_url is not None or self.sns_endpoint_url is not None

    @property
    def inventory_lag_ms(self) -> int:
        """The lag in milliseconds."""
        return int(self.inventory_lag * 1000)

    def restore_seconds(self, storage_class: str, tier: str) -> float:
        """Return the seconds of a restore: S3's, unless the delay of this tier was changed for jobs."""
        if (given := self.job_delay[tier]) != behaviour.JOB_DELAY_SECONDS[tier]:
            return given
        return s3_behaviour.RESTORE_SECONDS[storage_class][tier]

    def vault_arn(self, name: str) -> str:
        """Return the ARN of a vault."""
        return f"arn:aws:glacier:{self.region}:{self.account_id}:vaults/{name}"


def spread_delays(job_delay: float | Mapping[str, float] | None) -> dict[str, float]:
    """Return job delays by tier from one number, a number by tier, or ``None`` for the service's own.

    Raises:
        ValueError: A delay is negative, or a tier is not ``Expedited``, ``Standard``, ``Bulk`` or
            ``Inventory``.
    """
    faithful = behaviour.JOB_DELAY_SECONDS
    if job_delay is None:
        return dict(faithful)
    given = dict(job_delay) if isinstance(job_delay, Mapping) else dict.fromkeys(faithful, job_delay)
    for tier, seconds in given.items():
        if tier not in faithful or not seconds >= 0:
            raise ValueError(
                f"job_delay {tier}={seconds}: tiers: {', '.join(faithful)}, and delays 0 seconds or more"
            )
    return {**faithful, **given}
