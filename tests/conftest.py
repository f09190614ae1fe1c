"""Fixtures of all tests."""

from __future__ import annotations

import gc
import os
import signal
import sys

import pytest
from hypothesis import settings

# nohup ignores SIGHUP, a shell in the background SIGINT; programs that tests start would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start many processes; without compiled files each would compile the whole package for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Collecting makes many objects and drops few, so searches for garbage would take a quarter of its time.
gc.disable()

# Without deadlines, because a shared machine may take any time over an example; pytest-timeout bounds a test.
# A property gets fewer examples than hypothesis gives by itself; ``--hypothesis-profile=long`` searches.
settings.register_profile("suite", deadline=None, max_examples=24, database=None)
settings.register_profile("long", deadline=None, max_examples=1000)
settings.load_profile("suite")


#: Fixtures that start the command line, or take whole folders to a service.
_WHOLE = {"cli", "bare", "program", "place"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what is long, or has one of these fixtures or a PostgreSQL, before the deselection."""
    for item in items:
        is_whole = not _WHOLE.isdisjoint(getattr(item, "fixturenames", ())) or "postgresql" in item.name
        if (
            is_whole or item.get_closest_marker("long") is not None
        ):  # "not slow" takes the place of "not long"
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep the garbage collector from what was loaded and collected: every search through it takes 0.3 s."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests run on asyncio, the only event loop the library knows."""
    return "asyncio"
