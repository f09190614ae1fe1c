"""The open parts of a running server, which every operation shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from anyio import CapacityLimiter

    from aioglacier.server.requests.faults import FaultScript
    from aioglacier.server.state.clock import VirtualClock
    from aioglacier.server.state.files import Files
    from aioglacier.server.state.record_database import Database
    from aioglacier.server.state.server_settings import Settings


class Upkeep(Protocol):
    """The part of the housekeeping that operations use."""

    def expect_job(self, now: int) -> None:
        """Note that a job was initiated; it may be due at once."""

    def clean_soon(self) -> None:
        """Note that files may be removed, or that the clock has moved."""

    async def cleaned(self) -> None:
        """Wait until a cleaning that began after this call has ended."""

    async def caught_up(self) -> None:
        """Wait until every job that is due has ended, but only for a limited time."""


@dataclass(frozen=True, slots=True)
class Site:
    """The open parts of a running server.

    Attributes:
        disk_limiter: Bounds the threads that hash and touch files, shared by all requests.
    """

    settings: Settings
    clock: VirtualClock
    database: Database
    files: Files
    faults: FaultScript
    housekeeping: Upkeep
    disk_limiter: CapacityLimiter
