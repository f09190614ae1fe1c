"""A local Glacier for the file systems, shared by the tests of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.fs import GlacierFileSystem
from aioglacier.server import LocalGlacier
from aioglacier.testing import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aioglacier.testing import ServedGlacier


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGlacier]:
    """Serve a local Glacier whose jobs are done at once."""
    with serving(
        LocalGlacier(tmp_path_factory.mktemp("glacier"), job_delay=0, inventory_lag=0, is_durable=False)
    ) as served:
        yield served


@pytest.fixture(scope="module")
def options(server: ServedGlacier, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the arguments that lead to it."""
    return {
        "endpoint_url": server.url,
        "s3_endpoint_url": server.url,
        "region_name": "us-east-1",
        "aws_access_key_id": "AKIAEXAMPLE",
        "aws_secret_access_key": "secret",
        "catalog": str(tmp_path_factory.mktemp("catalog") / "catalog.db"),
    }


@pytest.fixture
def fs(options: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[GlacierFileSystem]:
    """The file system, with a vault of the test's own, which retrieves what is read."""
    system = GlacierFileSystem(retrieve="Expedited", skip_instance_cache=True, **options)
    system.vault = request.node.name.replace("[", "-").replace("]", "")
    system.mkdir(system.vault)
    yield system
    system.close()


@pytest.fixture
def vault(fs: Any) -> str:
    """The name of the vault."""
    name: str = fs.vault
    return name
