"""What all tests share."""

from __future__ import annotations

import signal

import pytest

# Under nohup it is ignored, which the programs that tests start would inherit.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests run on asyncio, the only event loop the library knows."""
    return "asyncio"
