"""Credentials that botocore finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import NoCredentialsError
from aioglacier.gateway.connect import find_line, open_gateway
from tests.gateway.credentials.conftest import Process, found_options

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.faulty import FaultyServer


async def test_identity_shows_where_it_is_from_and_no_key(tmp_path: Path, server: FaultyServer) -> None:
    """A repr may end up in a log."""
    Process(tmp_path, [60])
    line = await find_line(found_options(server))
    assert repr(line.found.key_source) == "<LiveKeys from custom-process>"


async def test_a_process_that_prints_no_json_gives_no_credentials(
    tmp_path: Path, server: FaultyServer
) -> None:
    """The error is one of credentials, whatever botocore raises."""
    (tmp_path / "config").write_text("[default]\nregion = us-east-1\ncredential_process = echo hello\n")
    with pytest.raises(NoCredentialsError, match="finding credentials failed"):
        async with open_gateway(found_options(server)):
            pass
