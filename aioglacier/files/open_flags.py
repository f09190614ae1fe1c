"""Flags of ``os.open`` that not every system has; a missing one is 0, so that modules load everywhere."""

from __future__ import annotations

import os
from typing import Final

from aioglacier.core.errors import ConfigurationError

#: Without it Windows changes line ends, and takes a byte 26 for the end of the file.
BINARY: Final[int] = getattr(os, "O_BINARY", 0)
DIRECTORY: Final[int] = getattr(os, "O_DIRECTORY", 0)
NOFOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
NONBLOCK: Final[int] = getattr(os, "O_NONBLOCK", 0)

#: Linux opens a folder without reading it; elsewhere it must be readable.
PATH_ONLY: Final[int] = getattr(os, "O_PATH", os.O_RDONLY)


def refuse_without_folders() -> None:
    """Refuse work on folders where a path cannot be opened relative to an open folder, as on Windows.

    Raises:
        ConfigurationError: This system is such a one.
    """
    if not DIRECTORY or os.open not in os.supports_dir_fd:
        raise ConfigurationError(
            "folders are archived and restored on Linux and macOS only: this system opens no file relative "
            "to an open folder, so another program could lead the work elsewhere. Single files work"
        )
