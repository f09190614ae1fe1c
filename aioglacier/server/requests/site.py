"""What every operation of one server shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyio import CapacityLimiter

    from aioglacier.server.requests.faults import FaultScript
    from aioglacier.server.state.clock import VirtualClock
    from aioglacier.server.state.files import Files
    from aioglacier.server.state.record_database import Database
    from aioglacier.server.state.server_settings import Settings
    from aioglacier.server.upkeep.housekeeping import Housekeeping


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
    housekeeping: Housekeeping
    disk_limiter: CapacityLimiter
