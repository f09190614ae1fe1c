"""Fixtures of all tests."""

from __future__ import annotations

import signal

import pytest

# nohup ignores SIGHUP, a shell in the background SIGINT; programs that tests start would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests run on asyncio, the only event loop the library knows."""
    return "asyncio"
