"""A process that gives credentials."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aioglacier.gateway.contract.options import GatewayOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.gateway.faulty import FaultyServer


class Process:
    """A ``credential_process`` that prints the next of some expiry times at each call."""

    def __init__(self, folder: Path, minutes: Sequence[int]) -> None:
        self._log = folder / "calls"
        self._log.write_text("")
        script = folder / "process.py"
        now = datetime.now(UTC)
        expiries = [(now + timedelta(minutes=some)).isoformat() for some in minutes]
        script.write_text(
            f"import json\n"
            f"with open({str(self._log)!r}, 'a+') as log:\n"
            f"    log.seek(0)\n"
            f"    number = len(log.read())\n"
            f"    log.write('x')\n"
            f"expiries = {expiries!r}\n"
            f"print(json.dumps(dict(Version=1, AccessKeyId=f'KEY{{number}}', SecretAccessKey='s',\n"
            f"    SessionToken=f'TOKEN{{number}}', Expiration=expiries[min(number, len(expiries) - 1)])))\n"
        )
        (folder / "config").write_text(
            f"[default]\nregion = us-east-1\ncredential_process = {sys.executable} {script}\n"
        )

    @property
    def calls(self) -> int:
        """Return how often it ran."""
        return len(self._log.read_text())


def found_options(server: FaultyServer) -> GatewayOptions:
    """Return options without region and keys."""
    return GatewayOptions(endpoint_url=server.url)
