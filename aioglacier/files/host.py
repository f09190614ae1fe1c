"""Which machine this is, and for which user the program runs: attributes of a folder that is archived."""

from __future__ import annotations

import getpass
import os
import socket


def machine_name() -> str:
    """Return the name of this machine."""
    return socket.gethostname()


def user_name() -> str:
    """Return the name of this user, or its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry in the list of users, as in many containers
        return str(os.getuid())
