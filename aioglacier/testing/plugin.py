"""The pytest plug-in; found by pytest itself wherever aioglacier is installed.

Neither the server nor a client of AWS is loaded before a test asks for a fixture. Async tests run under
anyio's plug-in or under pytest-asyncio; each wants async fixtures made in its own way, so there are two of
``glacier`` and the one that tests ask for chooses.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from aioglacier.client.glacier import Glacier
    from aioglacier.testing.served import ServedGlacier

MARKER = "local_glacier"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the fixture for pytest-asyncio if that is installed."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(**options): how the fixture local_glacier behaves in this test; the arguments of "
        "aioglacier.server.LocalGlacier, as job_delay=0, inventory_lag=0",
    )
    if config.pluginmanager.hasplugin("asyncio"):
        from aioglacier.testing import asyncio_plugin  # noqa: PLC0415  # needs pytest-asyncio

        config.pluginmanager.register(asyncio_plugin, "aioglacier-asyncio")


@pytest.fixture
def local_glacier_options() -> dict[str, Any]:
    """The arguments of ``LocalGlacier`` for ``local_glacier``, as a dict. Override it as you like.

    Markers are added to it; nearer ones win.
    """
    return {}


@pytest.fixture
def local_glacier(
    request: pytest.FixtureRequest,
    local_glacier_options: Mapping[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServedGlacier]:
    """A running local Glacier, empty, on a virtual clock, for any client; its folder goes with the test.

    It is as slow as the service until ``advance(seconds)`` moves its clock or ``local_glacier_options`` or
    the marker ``local_glacier`` say otherwise, and it wants signatures.
    """
    from aioglacier.server import LocalGlacier  # noqa: PLC0415  # loads aiohttp
    from aioglacier.testing.served import ACCESS_KEY_ID, SECRET_ACCESS_KEY, serving  # noqa: PLC0415

    options = dict(local_glacier_options)
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        options |= marker.kwargs
    if "access_key_id" not in options and "credentials" not in options:
        options |= {"access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET_ACCESS_KEY}
    options.setdefault("is_durable", False)  # no test checks what a power failure leaves
    with (
        tempfile.TemporaryDirectory(prefix="glacier-", dir=tmp_path_factory.getbasetemp()) as folder,
        serving(LocalGlacier(folder, **options)) as served,
    ):
        yield served


@pytest.fixture
def glacier(request: pytest.FixtureRequest) -> Glacier:
    """An open ``aioglacier.Glacier`` connected to ``local_glacier``, for async tests."""
    found: Glacier
    if request.node.get_closest_marker("asyncio") and request.config.pluginmanager.hasplugin("asyncio"):
        found = request.getfixturevalue("_glacier_of_asyncio")
    elif "anyio_backend" in request.fixturenames:
        found = request.getfixturevalue("_glacier_of_anyio")
    else:
        pytest.fail(
            "the fixture 'glacier' is for async tests, run by anyio's plug-in or pytest-asyncio; other tests "
            "use 'local_glacier' with a client of their own",
            pytrace=False,
        )
    return found


@pytest.fixture
async def _glacier_of_anyio(local_glacier: ServedGlacier) -> AsyncIterator[Glacier]:
    async with local_glacier.connect() as connected:
        yield connected
