"""Fixtures of all tests."""

from __future__ import annotations

import os
import signal
import sys

import pytest

# nohup ignores SIGHUP, a shell in the background SIGINT; programs that tests start would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start many processes; without compiled files each would compile the whole package for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests run on asyncio, the only event loop the library knows."""
    return "asyncio"
