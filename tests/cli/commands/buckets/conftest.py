"""The program with a bucket of a local Glacier."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def museum(bare: Cli) -> Cli:
    """Return the program with a local Glacier that has the bucket museum, and a file film."""
    cli = Cli(bare.folder, ("--local", "glacier"))
    cli("bucket", "create", "museum")
    (bare.folder / "film").write_bytes(b"film" * 1000)
    return cli
