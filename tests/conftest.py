"""Fixtures of all tests."""

from __future__ import annotations

import signal

import pytest

# nohup ignores SIGHUP, and programs that tests start would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests run on asyncio, the only event loop the library knows."""
    return "asyncio"
