"""Named points at which a test lets this process kill itself.

``AIOGLACIER_CRASH_AT=NAME`` kills it the first time it passes the point NAME, ``NAME:3`` the third time, as
``kill -9`` would: nothing is cleaned up. A point stands before and after each request that changes something
and each file that gets a name, so walking all points shows what a crash at any moment leaves. Without the
variable a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from typing import Final

from aioglacier.core.errors import ConfigurationError

#: Every point, in the order in which an upload, a retrieval, a download, a deletion and a move pass them.
POINTS: Final = (
    "upload intent recorded",
    "upload initiated",
    "upload id recorded",
    "part sent",
    "part recorded",
    "completing recorded",
    "completed",
    "archive recorded",
    "single request intended",
    "single request answered",
    "abort answered",
    "job intent recorded",
    "job initiated",
    "job id recorded",
    "restore intent recorded",
    "restore asked for",
    "restore recorded",
    "download recorded",
    "piece recorded",
    "file verified",
    "file on disk",
    "file renamed",
    "deleting recorded",
    "deleted",
    "archive placed",
    "move initiated",
    "part moved",
    "move completing",
    "bundle recorded",
    "object made",
    "move proven",
)

_name, _, _times = os.environ.get("AIOGLACIER_CRASH_AT", "").partition(":")
_left = int(_times or 1)
if _name and _name not in POINTS:  # or a test with a misspelt name would pass without a crash
    raise ConfigurationError(f"AIOGLACIER_CRASH_AT={_name!r} is no crash point. Use one of {POINTS}")


def passing(point: str) -> None:
    """Pass a point; kill this process if the environment names the point."""
    global _left  # noqa: PLW0603  # a process has one life
    if point == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
