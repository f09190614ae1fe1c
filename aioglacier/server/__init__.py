"""A local Glacier: the vault API of 2012-06-01 over a directory, for tests, demonstrations and work offline.

It shares with the client the tree hash, the limits and the arithmetic of ranges, and nothing else, so that
the two cannot agree on the same mistake.
"""

from aioglacier.server.local import LocalGlacier, StartupError
from aioglacier.server.protocol.sigv4 import Credentials
from aioglacier.server.requests.faults import Fault, FaultKind, FaultScript, Moment
from aioglacier.server.state.clock import VirtualClock
from aioglacier.server.state.server_settings import Settings

__all__ = [
    "Credentials",
    "Fault",
    "FaultKind",
    "FaultScript",
    "LocalGlacier",
    "Moment",
    "Settings",
    "StartupError",
    "VirtualClock",
]
